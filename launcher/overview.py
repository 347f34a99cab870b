"""One picture of a whole run: a row of candidates a round, and their way over the plane."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any

SIDE = 176  # pixels of a candidate
GAP = 10
LINE = 26
CHART_AT_LEAST = 420
INK, FRAME, PAPER = "#222222", "#cf5c00", "#fbfaf7"


def overview(report: Mapping[str, Any], files: Mapping[str, bytes]) -> bytes:
    """PNG bytes; `files` holds the pictures under the names that the demo gives them.

    The best candidate of a round is framed, the best of all with a thicker frame.
    """
    from PIL import Image, ImageDraw, ImageFont

    smooth = Image.Resampling.LANCZOS
    rounds, best = report["rounds"], report["best"]
    columns = max(len(record["readings"]) for record in rounds)
    width = columns * (SIDE + GAP) + GAP
    height = max(len(rounds) * (SIDE + LINE + GAP) + GAP, CHART_AT_LEAST)
    chart = Image.open(BytesIO(files["chart.png"])).convert("RGB")
    chart = chart.resize((round(chart.width * height / chart.height), height), smooth)
    sheet = Image.new("RGB", (width + chart.width, height), PAPER)
    sheet.paste(chart, (width, 0))
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=14)
    for row, record in enumerate(rounds):
        top = GAP + row * (SIDE + LINE + GAP)
        text = f"{record['round']}. gap {record['gap']['size']:.2f}: {record['prompt']}"
        draw.text((GAP, top), _fitted(text, width - 2 * GAP, font), fill=INK, font=font)
        for column in range(len(record["readings"])):
            data = files[f"round-{record['round']}-candidate-{column + 1}.png"]
            picture = Image.open(BytesIO(data)).convert("RGB").resize((SIDE, SIDE), smooth)
            left = GAP + column * (SIDE + GAP)
            sheet.paste(picture, (left, top + LINE))
            if column + 1 == record["best"]:
                of_all = (record["round"], column + 1) == (best["round"], best["candidate"])
                corner = (left + SIDE - 1, top + LINE + SIDE - 1)
                box = (left, top + LINE, *corner)
                draw.rectangle(box, outline=FRAME, width=7 if of_all else 2)
    stream = BytesIO()
    sheet.save(stream, "PNG")
    return stream.getvalue()


def _fitted(text: str, width: int, font: Any) -> str:
    """The text, cut with an ellipsis where it is longer than `width` pixels."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text.rstrip() + "..."
