"""What a study found: a page of Markdown with intervals, costs and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ..images import open_picture
from ..plane.metrics import paired_difference
from ..records.emotion import Emotion
from ..records.files import replacing, write_json
from .trials import Trial, axis_error, final_gap

Trials = Mapping[str, Sequence[Trial]]
DRAWS = 2000
TILE, ROWS = 192, 12


def study_tables(trials: Trials, *, judge: str, chooser: str) -> str:
    """Markdown: each system on its own with intervals, then each minus each before it, paired."""
    first = next(iter(trials.values()))
    flattered = judge == chooser
    constant = np.mean([Emotion(0, 0).gap_from(Emotion(*trial.target)).size for trial in first])
    rows = [
        f"{len(first)} pairs of prompt and target. Judge: {judge}; read and chosen by {chooser}. "
        + (
            "The judge is the scorer that chose, which flatters all that choose.\n"
            if flattered
            else "The judge never chose.\n"
        ),
        "| system | judged gap size | 95 % | V-Error | A-Error | pictures | tokens | seconds |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, each in trials.items():
        gaps = [final_gap(trial) for trial in each]
        low, high = interval(gaps)
        rows.append(
            f"| {name} | {np.mean(gaps):.2f} | {low:.2f} to {high:.2f} | "
            + " | ".join(f"{np.mean([axis_error(t, axis) for t in each]):.2f}" for axis in (0, 1))
            + f" | {len(each[0].shots)} | {np.mean([t.tokens for t in each]):.0f} | "
            f"{np.mean([t.seconds for t in each]):.1f} |"
        )
    rows += [
        f"| always neutral | {constant:.2f} | | | | | | |",
        "",
        "| system | minus | judged gap size | 95 % |",
        "| --- | --- | --- | --- |",
    ]
    names = list(trials)
    for place, name in enumerate(names):
        for other in names[:place]:
            both = ([final_gap(trial) for trial in trials[each]] for each in (name, other))
            found = paired_difference(*both)
            rows.append(
                f"| {name} | {other} | {found.mean:+.2f} | {found.low:+.2f} to {found.high:+.2f} |"
            )
    return "\n".join(rows) + "\n"


def interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % of the mean when the pairs are drawn again."""
    rng = np.random.default_rng(0)
    drawn = np.asarray(values)[rng.integers(0, len(values), (DRAWS, len(values)))].mean(1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def write_report(trials: Trials, pictures: Sequence[Sequence[Path]], out: Path, text: str) -> None:
    """report.md, figures.json and pictures.jpg (a pair a row, a system a column) in a folder.

    Args:
        pictures: chosen ones, [pairs][systems].
        text: the tables.
    """
    shown = pictures[:ROWS]
    sheet = Image.new("RGB", (TILE * len(trials), TILE * len(shown)), "white")
    for row, paths in enumerate(shown):
        for column, path in enumerate(paths):
            tile = open_picture(path)
            tile.thumbnail((TILE, TILE))
            sheet.paste(tile, (column * TILE, row * TILE))
    with replacing(out / "pictures.jpg") as partial:
        sheet.save(partial, format="JPEG", quality=88)
    asked = [f"{t.prompt} -> {Emotion(*t.target)}" for t in next(iter(trials.values()))[:ROWS]]
    legend = "\n".join(f"{number}. {line}" for number, line in enumerate(asked, 1))
    page = f"# Study\n\n{text}\n![chosen pictures](pictures.jpg)\n\n"
    page += f"Columns: {', '.join(trials)}. Rows:\n\n{legend}\n"
    with replacing(out / "report.md") as partial:
        partial.write_text(page, encoding="utf-8")
    figures = {name: [final_gap(trial) for trial in each] for name, each in trials.items()}
    write_json(out / "figures.json", figures)
