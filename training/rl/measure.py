"""Pictures of a policy at given tasks, and what the judge and the rewards say of them."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..data.prompts import Task, drawn_content
from ..rewards.stack import EmotionReader
from .policy import Policy
from .rollout import sample_clean, seeded_noise

MEASURED = 10**6
"""Step number of the noise of measured pictures, far from those of training."""


@dataclass(frozen=True)
class Judged:
    """What the judge saw, one row a picture."""

    readings: Tensor
    """[B, 2] on [-3, 3]."""
    gaps: Tensor
    """[B, 2] absolute, target minus reading."""
    place_right: Tensor
    """[B] 0 or 1; NaN where the prompt is none of the drawn world's."""
    subject_right: Tensor
    cues: Tensor
    """[B, F] number of each family's cue; [B, 0] where the pictures are not of the drawn world."""

    @property
    def gap_sum(self) -> Tensor:
        """[B] V-Error + A-Error of each picture."""
        return self.gaps.sum(1)

    @property
    def content(self) -> Tensor:
        """[B] mean of place and subject."""
        return (self.place_right + self.subject_right) / 2


def paint(
    policy: Policy,
    tasks: Sequence[Task],
    *,
    steps: int,
    guidance: float,
    seed: int,
    micro_batch: int = 32,
    draw: int = 0,
    same_noise: bool = False,
    numbers: Sequence[int] | None = None,
) -> Tensor:
    """Deterministic pictures [B, H, W, 3]; row i has the same noise for every policy.

    Args:
        draw: which noise of a row; another number gives another picture of the same task.
        same_noise: all rows start from the noise of row 0, as sweeps want it.
        numbers: of the rows among those of all processes, for their noise; None: 0, 1, ...
    """
    own = list(range(len(tasks)) if numbers is None else numbers)
    shape = policy.family.latent_shape
    pictures = []
    for start in range(0, len(tasks), micro_batch):
        rows = slice(start, start + micro_batch)
        asked = policy.encode(tasks[rows], guidance)
        places = [0 if same_noise else number for number in own[rows]]
        noise = seeded_noise(shape, seed, MEASURED + draw, places, 0)
        clean = sample_clean(policy, asked, noise, steps=steps, micro_batch=micro_batch)
        pictures.append(policy.family.decode(clean))
    return torch.cat(pictures)


def judged(images: Tensor, tasks: Sequence[Task], reader: EmotionReader | None = None) -> Judged:
    """Pictures of tasks, measured by the drawn world's judge, which is never a reward.

    Args:
        reader: measures instead, for pictures that are not of the drawn world.
    """
    from ..world.judge import judge

    if reader is not None:
        readings = reader(images)
        unknown = torch.full((len(tasks),), math.nan)
        gaps = (torch.tensor([task.target for task in tasks]) - readings).abs()
        return Judged(
            readings, gaps, unknown, unknown, torch.empty(len(tasks), 0, dtype=torch.long)
        )
    seen = judge(images)
    readings = torch.stack([seen.valence, seen.arousal], 1)
    targets = torch.tensor([task.target for task in tasks])
    known = drawn_content()
    right: list[list[float]] = [[], []]
    for index, task in enumerate(tasks):
        wanted = known.get(task.prompt)
        found = (seen.places[index], seen.subjects[index])
        for side in (0, 1):
            right[side].append(math.nan if wanted is None else float(found[side] == wanted[side]))
    gaps = (targets - readings).abs()
    return Judged(readings, gaps, torch.tensor(right[0]), torch.tensor(right[1]), seen.cues)


def cue_variety(cues: Tensor, targets: Sequence[Hashable]) -> float:
    """In how many ways a feeling is said: the effective number of a family's cues at one target.

    The exponential of the entropy of the cues seen at a target, mean over targets and families; 1
    where every picture of a target has the same cues. It grows with the pictures a target has, so
    it compares systems on the same tasks only.

    Args:
        cues: [B, F] numbers of cues.
        targets: [B] what each picture was asked for.
    Returns: NaN without families.
    """
    found = []
    for target in dict.fromkeys(targets):
        rows = cues[torch.tensor([each == target for each in targets])]
        for family in rows.unbind(1):
            shares = family.unique(return_counts=True)[1].double() / len(rows)
            found.append(float((-shares * shares.log()).sum().exp()))
    return math.fsum(found) / len(found) if found else math.nan
