"""A run as files that need nothing else: a page with its pictures, JSON, and a table."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

from torch import Tensor

from ..images import data_uri, thumbnail, to_png
from ..pictures.circumplex import trajectory_chart
from ..records.state import LoopState
from ..records.tables import as_cell
from .prompt_changes import prompt_changes
from .report import Values, loop_report

TEMPLATE = Path(__file__).parent / "report.html"
THUMBNAIL = 320  # pixels: a candidate beside others; the best picture stays as it is
SMALLEST = 160  # what a column of the page shows
MANY = 100  # pictures; those of a longer run are smaller, so that mail still takes the page
CHART_SIZE = 720
COLUMNS = (
    "round", "candidate", "best_of_round", "best_of_all", "seed", "valence", "arousal",
    "uncertainty_valence", "uncertainty_arousal", "gap_valence", "gap_arousal", "gap_size",
    "content", "clipped", "words", "cues", "model", "calibration", "prompt", "warnings",
    "aim_valence", "aim_arousal",
)  # fmt: skip


def report_json(state: LoopState) -> str:
    """The whole run except its pixels. Raises: LoopError: no round has run."""
    return json.dumps(loop_report(state), indent=2, ensure_ascii=False) + "\n"


def report_csv(state: LoopState) -> str:
    """One row a candidate, columns as in `COLUMNS`. Raises: LoopError: no round has run."""
    report = loop_report(state)
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_rows(report))
    return stream.getvalue()


def report_html(state: LoopState, *, tick: Callable[[], None] = lambda: None) -> str:
    """A page that loads nothing: pictures are part of it, and everything written is escaped.

    Args: tick: called before each candidate's picture; a long run has hundreds.
    Raises: LoopError: no round has run.
    """
    from jinja2 import Environment, StrictUndefined

    report = loop_report(state)
    prompts = [report["prompt"], *(entry["prompt"] for entry in report["rounds"])]
    page = Environment(autoescape=True, undefined=StrictUndefined)
    return page.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        report=report,
        best_picture=data_uri(state.best_image, "png"),
        charts={theme: _chart(state, theme) for theme in ("light", "dark")},
        thumbnails=_thumbnails(state, tick),
        changes=[prompt_changes(*pair) for pair in pairwise(prompts)],
    )


def _rows(report: Values) -> Iterator[Values]:
    best = (report["best"]["round"], report["best"]["candidate"])
    for record in report["rounds"]:
        for number, reading in enumerate(record["readings"], start=1):
            row = {
                "round": record["round"],
                "candidate": number,
                "best_of_round": int(number == record["best"]),
                "best_of_all": int((record["round"], number) == best),
                "seed": record["seed"],
                "prompt": record["prompts"][number - 1],
                **_aim(record["aim"]),
                **_measures(reading),
            }
            yield {name: as_cell(value) for name, value in row.items()}


def _aim(aim: Values | None) -> Values:
    """Columns of what the body was handed; empty where it was not steered."""
    return {f"aim_{axis}": round(aim[axis], 4) if aim else "" for axis in ("valence", "arousal")}


def _measures(reading: Values) -> Values:
    """Columns of a candidate's reading; only why there is none, where there is none."""
    if "unread" in reading:
        return {"warnings": f"not read: {reading['unread']}"}
    content = reading["content"]
    return {
        "valence": round(reading["valence"], 4),
        "arousal": round(reading["arousal"], 4),
        "uncertainty_valence": round(reading["uncertainty"][0], 4),
        "uncertainty_arousal": round(reading["uncertainty"][1], 4),
        **{f"gap_{axis}": round(gap, 4) for axis, gap in reading["gap"].items()},
        "content": "" if content is None else round(content, 4),
        "clipped": int(reading["clipped"]),
        "words": ", ".join(reading["words"]),
        "cues": ", ".join(cue["name"] for cue in reading["cues"]),
        "model": reading["model"],
        "calibration": reading["calibration"],
        "warnings": " ".join(reading["warnings"]),
    }


def _chart(state: LoopState, theme: str) -> str:
    chart: Tensor = trajectory_chart(state, size=CHART_SIZE, theme=theme)
    return data_uri(to_png(chart[0]), "png")


def _thumbnails(state: LoopState, tick: Callable[[], None]) -> dict[int, list[str]]:
    """By the number of the round."""
    count = sum(len(record.images) for record in state.made)
    side = round(max(SMALLEST, THUMBNAIL * min(1.0, (MANY / count) ** 0.5)))
    found: dict[int, list[str]] = {}
    for record in state.made:
        found[record.number] = []
        for data in record.images:
            tick()
            found[record.number].append(thumbnail(data, side))
    return found
