"""How many pairs a comparison needs, from a pilot on other pairs that is run before."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from emofeedback.study.trials import Trial, final_gap

MOST = 300
LEAST = 20
TWO_SIDED, POWER = 1.96, 0.84
"""Standard normal quantiles of 95 % and 80 %."""

Trials = Mapping[str, Sequence[Trial]]


def pairs_needed(differences: Sequence[float]) -> int:
    """Pairs that show a mean of this size with a power of 80 %, from `LEAST` to `MOST`."""
    found = np.asarray(differences, float)
    mean = abs(float(found.mean()))
    spread = float(found.std(ddof=1)) if len(found) > 1 else 0.0
    if mean * math.sqrt(MOST) <= (TWO_SIDED + POWER) * spread or mean == 0:
        return MOST
    return max(LEAST, math.ceil(((TWO_SIDED + POWER) * spread / mean) ** 2))


def power_of(differences: Sequence[float], count: int) -> float:
    """Chance that so many pairs show a mean of this size, by the normal approximation."""
    found = np.asarray(differences, float)
    spread = found.std(ddof=1) if len(found) > 1 else 0.0
    if spread == 0:
        return float(found.mean() != 0)
    reach = abs(found.mean()) * math.sqrt(count) / spread - TWO_SIDED
    return 0.5 * (1 + math.erf(reach / math.sqrt(2)))


def differences(trials: Trials, system: str, rival: str) -> list[float]:
    """Judged gap size of what each handed out, paired."""
    pairs = zip(trials[system], trials[rival], strict=True)
    return [final_gap(one) - final_gap(other) for one, other in pairs]


def pilot_table(trials: Trials, comparisons: Sequence[tuple[str, str]]) -> tuple[str, int]:
    """Pairs that each comparison needs, as Markdown, and the most of them."""
    rows = ["| system | minus | pilot | deviation | pairs for 80 % |", "| --- " * 5 + "|"]
    most = LEAST
    for system, rival in comparisons:
        found = differences(trials, system, rival)
        needed = pairs_needed(found)
        most = max(most, needed)
        beyond = " (the most that are run)" if needed == MOST else ""
        rows.append(
            f"| {system} | {rival} | {np.mean(found):+.2f} | {np.std(found, ddof=1):.2f} | "
            f"{needed}{beyond} |"
        )
    return "\n".join(rows), most
