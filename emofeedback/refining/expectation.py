"""What another round is worth: how much nearer the picture handed out should be after it.

The picture in hand and those to come are drawn from the evidence, read with the noise that readings
have, and chosen by what was read: so luck in the reading of the best so far counts for what it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ..records.emotion import LIMIT, Emotion
from .cues import CueLevel
from .evidence import CANDIDATE_SPREAD, READING_SPREAD, Evidence, Tried, left_to_chance

SAMPLES = 512
WORTH = 0.05
"""Scale points below which a round is not worth its pictures: nobody can tell so little apart."""
ERROR_VARIANCE = READING_SPREAD**2 - CANDIDATE_SPREAD**2
"""Of one reading about the picture that was read."""


def expected_gain(
    evidence: Evidence,
    best: Tried,
    prompts: Sequence[Sequence[CueLevel]],
    target: Emotion,
    aim: Emotion | None = None,
) -> float:
    """By how much another round should bring the chosen picture nearer, in scale points.

    Below 0 where choosing by noisy readings is expected to lose more than it wins.

    Args:
        best: the picture that would be handed out now, and what it was read as.
        prompts: the cues of the coming round's, one a candidate.
        aim: what that round hands to the body.
    """
    wanted = np.array([target.valence, target.arousal])
    read = np.array([best.read.valence, best.read.arousal])
    names = list(dict.fromkeys(tuple(cues) for cues in prompts))
    asked = [Tried(best.cues, best.read, best.aim)]
    asked += [Tried(cues, best.read, aim) for cues in names]
    means = _means(evidence, asked)  # [SAMPLES, prompts, 2]
    places = [1 + names.index(tuple(cues)) for cues in prompts]
    noise = _noise(len(prompts))

    scatter = CANDIDATE_SPREAD**2 + left_to_chance(best.cues)  # [2]
    share = scatter / (scatter + ERROR_VARIANCE)
    now = means[:, 0] + share * (read - means[:, 0])
    now = now + np.sqrt(scatter * (1 - share)) * noise[:, 0, 0]
    spreads = np.sqrt([CANDIDATE_SPREAD**2 + left_to_chance(cues) for cues in prompts])
    coming = means[:, places] + spreads * noise[:, 1:, 0]
    seen = coming + np.sqrt(ERROR_VARIANCE) * noise[:, 1:, 1]

    true = np.concatenate([now[:, None], coming], axis=1).clip(-LIMIT, LIMIT)
    known = np.concatenate([np.broadcast_to(read, now.shape)[:, None], seen], axis=1)
    gaps = np.hypot(*np.moveaxis(wanted - true, -1, 0))
    chosen = np.hypot(*np.moveaxis(wanted - known.clip(-LIMIT, LIMIT), -1, 0)).argmin(1)
    return float((gaps[:, 0] - np.take_along_axis(gaps, chosen[:, None], axis=1)[:, 0]).mean())


def _means(evidence: Evidence, asked: Sequence[Tried]) -> np.ndarray:
    """[SAMPLES, asked, 2] of the prompts, as far as the evidence knows them."""
    expected = np.array([evidence.feeling(each.cues, each.aim) for each in asked])
    covariance = evidence.covariance_of(asked)
    root = np.linalg.cholesky(covariance + 1e-9 * np.eye(len(asked)))
    return np.asarray(expected + np.einsum("pq,sqa->spa", root, _doubts(len(asked))))


@lru_cache(maxsize=8)
def _doubts(count: int) -> np.ndarray:
    """[SAMPLES, count, 2] the same standard normal draws for the same question."""
    return np.random.default_rng(1).standard_normal((SAMPLES, count, 2))


@lru_cache(maxsize=8)
def _noise(candidates: int) -> np.ndarray:
    """[SAMPLES, 1 + candidates, 2, 2]: of pictures and of readings, on both axes."""
    return np.random.default_rng(2).standard_normal((SAMPLES, 1 + candidates, 2, 2))
