"""How much is measured of the embedded models, and what comes out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PHOTOGRAPHS = ROOT.parent / "shared" / "data" / "oasis" / "images"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much to measure."""

    pictures: int = 512
    """Drawn pictures for reading tasks."""
    answers: int = 96
    """Of them, how many are explained and refined in writing."""
    prompts: int = 40
    """Prompts of held-out pairs that the generator paints at each of the 25 points of the grid."""
    plain_noises: int = 8
    """Pictures of each held-out pair by neutral words alone."""
    captions: int = 500
    """Emotional captions of held-out pairs that it paints by words alone."""
    sweeps: int = 12
    """Prompts that it paints along nine points of each axis."""
    chance_prompts: int = 14
    """Bare prompts, each with `chance_noises` noises, whose judged spread is measured."""
    chance_noises: int = 64
    shift_noises: int = 24
    """Pictures of each prompt that names one cue."""
    looked: int = 200
    """Captions whose pictures are searched for seams."""
    photographs: Path = PHOTOGRAPHS
    size: int = 256
    seed: int = 20_000
    """Of the drawn pictures; no recipe trains on it."""


QUICK = Plan(
    pictures=96, answers=12, prompts=1, plain_noises=1, captions=25, sweeps=1, chance_prompts=1,
    chance_noises=8, shift_noises=1, looked=8,
)  # fmt: skip


@dataclass(frozen=True)
class Metric:
    """One line of the table."""

    role: str
    name: str
    value: float
    count: int
    note: str = ""
