"""The paper's table as Markdown: means over seeds, and differences paired picture by picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from emofeedback.plane.metrics import paired_difference

from .paper_rows import PARTS, Row

COLUMNS = {
    "v_error": ("V-Error", "{:.2f}"),
    "a_error": ("A-Error", "{:.2f}"),
    "v_spearman": ("V rank", "{:.2f}"),
    "a_spearman": ("A rank", "{:.2f}"),
    "clip_pair": ("CLIP score", "{:.3f}"),
    "place": ("place", "{:.0%}"),
    "subject": ("subject", "{:.0%}"),
    "quality": ("quality", "{:.2f}"),
    "seams": ("seams", "{:.2f}"),
    "sweep_tau": ("continuity", "{:.2f}"),
    "cue_variety": ("variety", "{:.2f}"),
    "seconds_per_task": ("seconds", "{:.2f}"),
}
TITLES = dict(zip(PARTS, ("Table", "Ablations", "By reward alone"), strict=True))

Found = Mapping[str, Sequence[Mapping[str, Any]]]


def paper_table(rows: Sequence[Row], found: Found) -> str:
    """All parts that have rows.

    Args:
        found: by row, a seed each: `numbers` and `gap_sum` (judged V-Error + A-Error a picture).
    """
    parts = [part for part in PARTS if any(row.part == part for row in rows)]
    texts = [
        _part(TITLES[part], [row for row in rows if row.part == part], found) for part in parts
    ]
    first = found[rows[0].name][0]["numbers"]
    seeds, count = len(found[rows[0].name]), len(found[rows[0].name][0]["gap_sum"])
    return "\n\n".join([
        *texts,
        f"{count} pictures a row and seed, {seeds} seeds; judged by a network that is no reward. "
        f"Always neutral has V-Error {first['v_constant']:.2f} and A-Error "
        f"{first['a_constant']:.2f}. Variety: effective number of a family's cues at one target. "
        "Differences: judged V-Error + A-Error, paired by picture and seed, 95 % interval.",
    ])  # fmt: skip


def _part(title: str, rows: Sequence[Row], found: Found) -> str:
    heads = ["row", *(name for name, _ in COLUMNS.values()), "V + A against"]
    lines = [f"### {title}", "", f"| {' | '.join(heads)} |", "| --- " * len(heads) + "|"]
    for row in rows:
        cells = [_mean(found[row.name], key, form) for key, (_, form) in COLUMNS.items()]
        lines.append(f"| {row.name} | {' | '.join(cells)} | {_change(row, found)} |")
    return "\n".join(lines)


def _mean(seeds: Sequence[Mapping[str, Any]], key: str, form: str) -> str:
    values = [each["numbers"][key] for each in seeds if key in each["numbers"]]
    return form.format(float(np.mean(values))) if values else ""


def _change(row: Row, found: Found) -> str:
    if row.against not in found:
        return ""
    pairs = list(zip(found[row.name], found[row.against], strict=True))
    after = [gap for one, _ in pairs for gap in one["gap_sum"]]
    before = [gap for _, other in pairs for gap in other["gap_sum"]]
    seen = paired_difference(after, before)
    share = seen.mean / float(np.mean(before))
    return f"{row.against}: {seen.mean:+.2f} ({share:+.0%}) [{seen.low:+.2f}, {seen.high:+.2f}]"
