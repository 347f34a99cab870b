"""A run as files that need nothing else: a page with its pictures, JSON, and a table."""

from __future__ import annotations

import base64
import csv
import difflib
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from ..errors import LoopError
from ..images import to_png
from ..pictures.circumplex import trajectory_chart
from ..records.state import LoopState
from .report import loop_report

TEMPLATE = Path(__file__).parent / "report.html"
THUMBNAIL = 320  # pixels: a candidate beside others; the best picture stays as it is
SMALLEST = 160  # what a column of the page shows
MANY = 100  # pictures; those of a longer run are smaller, so that mail still takes the page
QUALITY = 85
CHART_SIZE = 720
# A spreadsheet runs what begins so; a leading apostrophe makes it text again.
FORMULA = re.compile(r"^\s*[=+\-@\t\r]")
COLUMNS = (
    "round", "candidate", "best_of_round", "best_of_all", "seed", "valence", "arousal",
    "uncertainty_valence", "uncertainty_arousal", "gap_valence", "gap_arousal", "gap_size",
    "content", "clipped", "words", "cues", "model", "calibration", "prompt", "warnings",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Piece:
    """Some words of a prompt; `change` is "same", "added" or "removed"."""

    text: str
    change: str


def report_json(state: LoopState) -> str:
    """The whole run except its pixels. Raises: LoopError: no round has run."""
    return json.dumps(loop_report(state), indent=2, ensure_ascii=False) + "\n"


def report_csv(state: LoopState) -> str:
    """One row a candidate, columns as in `COLUMNS`. Raises: LoopError: no round has run."""
    _check_finished(state)
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_rows(state))
    return stream.getvalue()


def report_html(state: LoopState, *, tick: Callable[[], None] = lambda: None) -> str:
    """A page that loads nothing: pictures are part of it, and everything written is escaped.

    Args: tick: called before each candidate's picture; a long run has hundreds.
    Raises: LoopError: no round has run.
    """
    from jinja2 import Environment, StrictUndefined

    report = loop_report(state)
    _check_finished(state)
    assert state.best is not None
    best = state.rounds[state.best.round_index].images[state.best.candidate]
    prompts = [report["prompt"], *(entry["prompt"] for entry in report["rounds"])]
    page = Environment(autoescape=True, undefined=StrictUndefined)
    return page.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        report=report,
        best_picture=_data_uri(best, "png"),
        charts={theme: _chart(state, theme) for theme in ("light", "dark")},
        thumbnails=_thumbnails(state, tick),
        changes=[prompt_changes(*pair) for pair in pairwise(prompts)],
    )


def prompt_changes(before: str, after: str) -> tuple[Piece, ...]:
    """What makes `before` into `after`, word by word; a comma is a word, white space is not."""
    old, new = (re.findall(r"\s*(?:\w+|[^\w\s])", text) for text in (before, after))
    matcher = difflib.SequenceMatcher(
        None, [word.strip() for word in old], [word.strip() for word in new], autojunk=False
    )
    pieces = []
    for kind, i, j, k, m in matcher.get_opcodes():
        if kind == "equal":
            pieces.append(Piece("".join(new[k:m]), "same"))
            continue
        pieces += [Piece("".join(old[i:j]), "removed")] if i < j else []
        pieces += [Piece("".join(new[k:m]), "added")] if k < m else []
    return tuple(pieces)


def _check_finished(state: LoopState) -> None:
    if state.best is None:
        raise LoopError("The loop has not finished a round yet, so there is nothing to report.")


def _rows(state: LoopState) -> Iterator[dict[str, Any]]:
    assert state.best is not None
    best = (state.rounds[state.best.round_index].number, state.best.candidate)
    for record in state.rounds:
        for index, reading in enumerate(record.readings):
            gap = state.target.gap_from(reading.emotion)
            row = {
                "round": record.number,
                "candidate": index + 1,
                "best_of_round": int(index == record.best),
                "best_of_all": int((record.number, index) == best),
                "seed": record.seed,
                "valence": round(reading.emotion.valence, 4),
                "arousal": round(reading.emotion.arousal, 4),
                "uncertainty_valence": round(reading.uncertainty[0], 4),
                "uncertainty_arousal": round(reading.uncertainty[1], 4),
                "gap_valence": round(gap.valence, 4),
                "gap_arousal": round(gap.arousal, 4),
                "gap_size": round(gap.size, 4),
                "content": "" if reading.content is None else round(reading.content, 4),
                "clipped": int(reading.clipped),
                "words": ", ".join(reading.words),
                "cues": ", ".join(cue.name for cue in reading.cues),
                "model": reading.model,
                "calibration": reading.calibration,
                "prompt": record.prompts[index],
                "warnings": " ".join(reading.warnings),
            }
            yield {name: _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and FORMULA.match(value) else value


def _chart(state: LoopState, theme: str) -> str:
    chart: Tensor = trajectory_chart(state, size=CHART_SIZE, theme=theme)
    return _data_uri(to_png(chart[0]), "png")


def _thumbnails(state: LoopState, tick: Callable[[], None]) -> list[list[str]]:
    count = sum(len(record.images) for record in state.rounds)
    side = round(max(SMALLEST, THUMBNAIL * min(1.0, (MANY / count) ** 0.5)))
    found: list[list[str]] = []
    for record in state.rounds:
        found.append([])
        for data in record.images:
            tick()
            found[-1].append(_thumbnail(data, side))
    return found


def _thumbnail(data: bytes, side: int) -> str:
    with Image.open(io.BytesIO(data)) as picture:
        small = picture.convert("RGB")
    small.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=QUALITY)
    return _data_uri(stream.getvalue(), "jpeg")


def _data_uri(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
