"""What the trials of the loop's proof show: tables with paired intervals, curves, pictures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emofeedback.images import open_picture
from emofeedback.plane.metrics import paired_difference
from emofeedback.records.emotion import Emotion
from emofeedback.study.systems import BY_AIM, BY_BOTH, BY_ROLE, INPUT
from emofeedback.study.trials import Trial, axis_error, final_gap, judged_gap, nearest_gap

from .oracles import LIMITS
from .power import differences, power_of

if TYPE_CHECKING:
    from emofeedback.study.systems import System
    from emofeedback.study.trials import Pair

Trials = Mapping[str, Sequence[Trial]]
RIVALS = {
    "loop, LVLM refiner": ("best of 12", "rewritten once by the LVLM, best of 12"),
    "loop, rule refiner": ("best of 12", "rewritten once by rules, best of 12"),
}
"""Which best-of-12 each loop must beat."""
COMPARISONS = (
    *((loop, rival) for loop, rivals in RIVALS.items() for rival in rivals),
    *((each.name, INPUT.name) for each in (BY_AIM, *BY_BOTH)),
    (BY_ROLE.name, "best of 12"),
    *((loop, BY_ROLE.name) for loop in RIVALS),
)
"""What is compared with what, at equal pictures; the pilot sizes the proof for each."""
CONTENT_ALLOWANCE = 0.02


def content(trial: Trial, name: str) -> float:
    """1 if the final picture shows the right "place" or "subject", else 0."""
    return float(getattr(trial.shots[trial.chosen[-1]], name))


def system_table(trials: Trials) -> str:
    """One Markdown row a system."""
    rows = [
        "| system | judged gap size | V-Error | A-Error | place | subject | pictures | LVLM tokens "
        "| seconds | gap had the judge chosen | lost by choosing |",
        "| --- " * 11 + "|",
    ]
    for name, each in trials.items():
        numbers = [
            f"{np.mean([final_gap(t) for t in each]):.2f}",
            *(f"{np.mean([axis_error(t, axis) for t in each]):.2f}" for axis in (0, 1)),
            *(f"{100 * np.mean([content(t, part) for t in each]):.0f} %" for part in PARTS),
            str(len(each[0].shots)),
            f"{np.mean([t.tokens for t in each]):.0f}",
            f"{np.mean([t.seconds for t in each]):.1f}",
            f"{np.mean([nearest_gap(t) for t in each]):.2f}",
            f"{np.mean([final_gap(t) - nearest_gap(t) for t in each]):.2f}",
        ]
        rows.append(f"| {name} | " + " | ".join(numbers) + " |")
    return "\n".join(rows)


PARTS = ("place", "subject")


def difference_table(trials: Trials) -> tuple[str, bool]:
    """Each loop minus each best-of-12, paired; and whether every loop beats both."""
    rows = [
        "| loop | minus | judged gap size | 95 % interval | place | subject |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    won = True
    for loop, rivals in RIVALS.items():
        for rival in rivals:
            ours, theirs = trials[loop], trials[rival]
            found = paired_difference([final_gap(t) for t in ours], [final_gap(t) for t in theirs])
            shares = [
                np.mean([content(t, part) for t in ours])
                - np.mean([content(t, part) for t in theirs])
                for part in PARTS
            ]
            won = won and found.high < 0 and bool(min(shares) >= -CONTENT_ALLOWANCE)
            rows.append(
                f"| {loop} | {rival} | {found.mean:+.2f} | {found.low:+.2f} to {found.high:+.2f} | "
                + " | ".join(f"{100 * share:+.0f} points" for share in shares)
                + " |"
            )
    return "\n".join(rows), won


def comparison_table(trials: Trials) -> str:
    """Of the systems that were run, paired, with the power that the pairs give; oracles last."""
    rows = ["| system | minus | judged gap size | 95 % interval | power |", "| --- " * 5 + "|"]
    for system, rival in (*COMPARISONS, *LIMITS):
        if system in trials and rival in trials:
            found = differences(trials, system, rival)
            seen = paired_difference(found, [0.0] * len(found))
            rows.append(
                f"| {system} | {rival} | {seen.mean:+.2f} | {seen.low:+.2f} to {seen.high:+.2f} | "
                f"{100 * power_of(found, len(found)):.0f} % |"
            )
    return "\n".join(rows)


def round_table(trials: Trials, *, candidates: int = 4) -> str:
    """Mean judged gap of *all* pictures of each round, and the last against the one before."""
    rows = ["| system | rounds | last minus the one before | 95 % interval |", "| --- " * 4 + "|"]
    for name, each in trials.items():
        gaps = np.array([[judged_gap(s, Emotion(*t.target)) for s in t.shots] for t in each])
        if gaps.shape[1] < 2 * candidates:
            continue
        means = gaps.reshape(len(gaps), -1, candidates).mean(2)
        seen = paired_difference(means[:, -1].tolist(), means[:, -2].tolist())
        told = ", ".join(f"{mean:.2f}" for mean in means.mean(0))
        rows.append(f"| {name} | {told} | {seen.mean:+.2f} | {seen.low:+.2f} to {seen.high:+.2f} |")
    return "\n".join(rows)


def cue_table(trials: Trials, *, least: int = 5) -> str:
    """Which cues the loops' refiners brought in or dropped, and how often the gap shrank then."""
    rows = ["| refiner | change | times | judged gap shrank | mean change |", "| --- " * 5 + "|"]
    for loop in RIVALS:
        moves = [move for trial in trials[loop] for move in trial.moves]
        groups = defaultdict(list)
        for move in moves:
            groups[f"{move.family}: to {move.after}"].append(move.gap_after - move.gap_before)
        named = sorted(groups.items(), key=lambda item: -len(item[1]))
        everything = [change for changes in groups.values() for change in changes]
        listed = [("all", everything)] if everything else []
        for name, changes in [*listed, *named]:
            if len(changes) >= least or name == "all":
                shrank = np.mean(np.asarray(changes) < 0)
                rows.append(
                    f"| {loop} | {name} | {len(changes)} | {100 * shrank:.0f} % | "
                    f"{np.mean(changes):+.2f} |"
                )
    return "\n".join(rows)


def curve(trials: Sequence[Trial]) -> np.ndarray:
    """[trials, pictures] judged gap size of what would be handed out after each picture."""
    return np.array([[final_gap(t, n + 1) for n in range(len(t.shots))] for t in trials])


def save_curves(trials: Trials, path: Path) -> None:
    """Mean judged gap size against the number of pictures, a line a system."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    colours = ("#000000", "#999999", "#E69F00", "#CC79A7", "#0072B2", "#009E73", "#D55E00")
    for number, (name, each) in enumerate(trials.items()):
        heights = curve(each)
        places = np.arange(1, heights.shape[1] + 1)
        mean, spread = heights.mean(0), 1.96 * heights.std(0) / np.sqrt(len(heights))
        colour = colours[number % len(colours)]
        style = "--" if number >= len(colours) else "-"
        axes.plot(places, mean, style, color=colour, label=name, marker="o", markersize=3)
        axes.fill_between(places, mean - spread, mean + spread, color=colour, alpha=0.08)
    axes.set(
        xlabel="pictures made",
        ylabel="judged gap size of the picture chosen so far",
        ylim=(0, None),
    )
    axes.set_xticks(range(1, 13))
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, frameon=False)
    FigureCanvasAgg(figure)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def save_pictures(
    run_dir: Path, pairs: Sequence[Pair], systems: Sequence[System], path: Path
) -> None:
    """The chosen pictures: a pair a row, a system a column."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.75 * len(systems), 2.0 * len(pairs)), dpi=100, layout="constrained")
    grid = figure.subplots(len(pairs), len(systems), squeeze=False)
    for row, pair in enumerate(pairs):
        for column, system in enumerate(systems):
            axes = grid[row][column]
            axes.imshow(open_picture(picture_path(run_dir, row, system)))
            axes.set_xticks([])
            axes.set_yticks([])
            if row == 0:
                axes.set_title(system.name.replace(", ", ",\n"), fontsize=7)
        target = f"V {pair.target.valence:+.1f}, A {pair.target.arousal:+.1f}"
        grid[row][0].set_ylabel(f"{pair.prompt[:28]}\n{target}", fontsize=7)
    FigureCanvasAgg(figure)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def picture_path(run_dir: Path, index: int, system: System) -> Path:
    """Where the picture that a system chose for a pair is kept."""
    return run_dir / f"{index:02d}-{system.name.replace(' ', '-').replace(',', '')}.png"
