"""The report of an evaluation: a Markdown table, picture sheets, a plot of readings."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from emofeedback.plane.metrics import PairedDifference

from ..data.prompts import Task
from ..runs.tracking import tiled

Row = tuple[str, dict[str, float], PairedDifference]
COLUMNS = {
    "pictures_per_task": ("pictures a task", "{:.1f}"),
    "v_error": ("V-Error", "{:.3f}"),
    "v_error_sd": ("sd", "{:.2f}"),
    "a_error": ("A-Error", "{:.3f}"),
    "a_error_sd": ("sd", "{:.2f}"),
    "v_spearman": ("V rank", "{:.2f}"),
    "a_spearman": ("A rank", "{:.2f}"),
    "sweep_tau": ("sweep tau", "{:.2f}"),
    "largest_step": ("largest step", "{:.2f}"),
    "place": ("place", "{:.0%}"),
    "subject": ("subject", "{:.0%}"),
    "cue_variety": ("cues a family", "{:.2f}"),
    "clip_pair": ("CLIP pair", "{:.3f}"),
    "clip_score": ("CLIPScore", "{:.2f}"),
    "pick_score": ("PickScore/26", "{:.3f}"),
    "seconds_per_task": ("s a task", "{:.2f}"),
}


def markdown(rows: Sequence[Row], *, count: int, world: Mapping[str, float]) -> str:
    """The table; differences are paired with the first system.

    Args:
        count: final pictures of a system.
        world: floor and cue_variety of the drawn world's own pictures; empty elsewhere.
    """
    shown = [key for key in COLUMNS if any(key in numbers for _, numbers, _ in rows)]
    titles = ["system", *(COLUMNS[key][0] for key in shown), f"V + A against {rows[0][0]}"]
    lines = [f"| {' | '.join(titles)} |", f"|{' --- |' * len(titles)}"]
    for name, numbers, change in rows:
        cells = [COLUMNS[k][1].format(numbers[k]) if k in numbers else "" for k in shown]
        lines.append(f"| {' | '.join([f'`{name}`', *cells, _change(rows, name, change)])} |")
    first = rows[0][1]
    lines += [
        "",
        f"{count} final pictures a system, judged by a network that is no reward. The constant "
        f"predictor (always 0) has V-Error {first['v_constant']:.2f} and A-Error "
        f"{first['a_constant']:.2f}. Differences: mean of paired V-Error + A-Error with the 95 % "
        "bootstrap interval.",
    ]
    if world:
        lines.append(
            "The judge's own V-Error + A-Error on the world's pictures at these targets: "
            f"{world['floor']:.3f}; they say a target with {world['cue_variety']:.2f} cues of a "
            "family (effective number; 1: always the same)."
        )
    return "\n".join(lines)


def save_pictures(folder: Path, name: str, images: Tensor, *, columns: int) -> Path:
    """The first prompt's pictures: valence rises downwards, arousal to the right."""
    from PIL import Image

    path = folder / f"{re.sub(r'[^a-zA-Z0-9-]+', '_', name)[-60:]}.png"
    Image.fromarray(tiled(images, columns)).save(path)
    return path


def save_plot(path: Path, systems: Sequence[tuple[str, Tensor]], tasks: Sequence[Task]) -> None:
    """Targets against judged readings on both axes."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 4))
    for axis, (plot, title) in enumerate(zip(axes, ("valence", "arousal"), strict=True)):
        targets = np.array([task.target[axis] for task in tasks])
        for name, readings in systems:
            levels = sorted(set(targets.tolist()))
            means = [float(readings[targets == level, axis].mean()) for level in levels]
            plot.plot(levels, means, marker="o", label=name[:40])
        plot.plot([-3, 3], [-3, 3], color="grey", linestyle=":")
        plot.set(xlabel=f"target {title}", ylabel=f"judged {title}", xlim=(-3, 3), ylim=(-3, 3))
    axes[0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _change(rows: Sequence[Row], name: str, change: PairedDifference) -> str:
    if name == rows[0][0]:
        return f"{rows[0][1]['v_error'] + rows[0][1]['a_error']:.3f}"
    before = rows[0][1]["v_error"] + rows[0][1]["a_error"]
    return (
        f"{change.mean:+.3f} ({change.mean / before:+.1%}) [{change.low:+.3f}, {change.high:+.3f}]"
    )
