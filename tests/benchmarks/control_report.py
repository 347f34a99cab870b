"""The control benchmark's tables, from whatever has been measured so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from control_ways import NEUTRAL

from emofeedback.metrics import (
    axis_metrics,
    kendall_tau,
    paired_difference,
)

Found = Mapping[tuple[Any, ...], dict[str, Any]]
SWEEP = np.linspace(-3, 3, 9)

# way -> Spearman of V and A at least, V- and A-Error at most
GRID_WANTED = {
    "anchors": (0.75, 0.70, None),
    "adapter + anchors": (0.90, 0.88, 0.70),
}
SWEEP_WANTED = {"anchors": (0.85, 2.5), "adapter": (0.85, 2.5)}
COST_WANTED = {
    "anchors": 1.6,
    "anchors, half window": 1.35,
    "anchors, conditionings": 1.1,
}
CONTENT_LOSS, OVERHEAD = 3.0, 1.02


def report(found: Found) -> tuple[list[str], bool]:
    """The lines of all tables, and whether every number that was measured was reached."""
    lines: list[str] = []
    for table in (_grid_table, _sweep_table, _cost_table, _still_table):
        rows = list(table(found))
        lines += [*rows, ""] if len(rows) > 2 else []
    missed = any(mark in line for line in lines for mark in (" missed",))
    return lines, not missed


def _mark(reached: bool | None) -> str:
    return {True: "yes", False: "missed", None: "reported"}[reached]


def _grid_table(found: Found) -> Iterator[str]:
    yield (
        "| way | pictures | Spearman V | Spearman A | V-Error | A-Error | always 0 | "
        "content against neutral, points (95 %) | wanted | reached |"
    )
    yield "| --- " * 10 + "|"
    for way in dict.fromkeys(key[1] for key in found if key[0] == "grid" and key[1] != NEUTRAL):
        keys = [key for key in found if key[:2] == ("grid", way)]
        valence = axis_metrics([key[3] for key in keys], [found[key]["valence"] for key in keys])
        arousal = axis_metrics([key[4] for key in keys], [found[key]["arousal"] for key in keys])
        content = _content_change(found, keys)
        wanted = GRID_WANTED.get(way)
        reached = content[0] >= -CONTENT_LOSS
        told = f"content -{CONTENT_LOSS:.0f}"
        if wanted:
            told = f"{wanted[0]:.2f}, {wanted[1]:.2f}; {told}"
            reached &= valence.spearman >= wanted[0] and arousal.spearman >= wanted[1]
            if wanted[2] is not None:
                told = f"{told}; errors {wanted[2]:.2f}"
                reached &= max(valence.error, arousal.error) <= wanted[2]
        yield (
            f"| {way} | {len(keys)} | {valence.spearman:.3f} | {arousal.spearman:.3f} | "
            f"{valence.error:.2f} | {arousal.error:.2f} | {valence.constant_error:.2f} | "
            f"{content[0]:+.1f} ({content[1]:+.1f} to {content[2]:+.1f}) | {told} | "
            f"{_mark(reached)} |"
        )


def _content_change(found: Found, keys: list[tuple[Any, ...]]) -> tuple[float, float, float]:
    """Place and subject both right, in points against the neutral picture of the same noise."""
    pairs = [
        (_right(found[key]), _right(found[("grid", NEUTRAL, *key[2:])]))
        for key in keys
        if ("grid", NEUTRAL, *key[2:]) in found
    ]
    if not pairs:
        return float("nan"), float("nan"), float("nan")
    change = paired_difference(*zip(*pairs, strict=True))
    return 100 * change.mean, 100 * change.low, 100 * change.high


def _right(value: dict[str, Any]) -> float:
    return float(value["place"] and value["subject"])


def _sweep_table(found: Found) -> Iterator[str]:
    yield "| way | axis | sweeps | Kendall tau | largest CLIP step (worst) | wanted | reached |"
    yield "| --- " * 7 + "|"
    for way, axis in dict.fromkeys((k[1], k[3]) for k in found if k[0] == "sweep"):
        values = [
            value for k, value in found.items() if (k[0], k[1], k[-1]) == ("sweep", way, axis)
        ]
        taus = [kendall_tau(SWEEP, value["read"]) for value in values]
        ratios = [max(value["steps"]) / float(np.mean(value["steps"])) for value in values]
        wanted = SWEEP_WANTED.get(way)
        tau, ratio = float(np.nanmean(taus)), float(np.mean(ratios))
        reached = None if wanted is None else tau >= wanted[0] and ratio <= wanted[1]
        told = "-" if wanted is None else f"{wanted[0]}; {wanted[1]}"
        yield (
            f"| {way} | {axis} | {len(values)} | {tau:.3f} | {ratio:.2f} ({max(ratios):.2f}) | "
            f"{told} | {_mark(reached)} |"
        )


def _cost_table(found: Found) -> Iterator[str]:
    yield "| way | times stock, 25 grid points | generic points | wanted | reached |"
    yield "| --- " * 5 + "|"
    for way in dict.fromkeys(key[1] for key in found if key[0] == "cost"):
        grid, generic = _ratio(found, way, "grid"), _ratio(found, way, "generic")
        wanted = COST_WANTED.get(way)
        reached = None if wanted is None else grid <= wanted
        yield f"| {way} | {grid:.2f} | {generic:.2f} | {wanted} | {_mark(reached)} |"


def _ratio(found: Found, way: str, kind: str) -> float:
    """Mean over the points of the median ratio over the repeats."""
    by_point: dict[tuple[float, float], list[float]] = {}
    for key, value in found.items():
        if key[:3] == ("cost", way, kind):
            by_point.setdefault(key[4:6], []).append(value["way"] / value["stock"])
    return float(np.mean([np.median(ratios) for ratios in by_point.values()]))


def _still_table(found: Found) -> Iterator[str]:
    yield "| way at strength 0 | pictures | largest difference to stock | times stock | reached |"
    yield "| --- " * 5 + "|"
    for way in dict.fromkeys(key[1] for key in found if key[0] == "still"):
        values = [value for key, value in found.items() if key[:2] == ("still", way)]
        gap = max(value["gap"] for value in values)
        # totals, not single ratios: noise of a few percent must not decide about two
        ratio = sum(v["way"] for v in values) / sum(v["stock"] for v in values)
        reached = gap == 0 and ratio <= OVERHEAD
        yield f"| {way} | {len(values)} | {gap} | {ratio:.3f} | {_mark(reached)} |"
