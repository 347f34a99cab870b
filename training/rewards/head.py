"""A head on picture encoders as a reader of emotions: as a reward, or as a judge that is none."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from torch import Tensor

from emofeedback.embedded.picture_encoder import EMBEDDED, open_any_encoder
from emofeedback.errors import ConfigError
from emofeedback.reading.head_scorer import HeadScorer, open_head
from emofeedback.records.emotion import LIMIT

from .stack import EmotionReader

JOINED = " + "


@cache
def _head(path: str, encoders: str) -> HeadScorer:
    return open_head(Path(path), encoders.split(JOINED) if encoders else (), open_any_encoder)


def head_reader(path: str, encoders: str = "", *, gradient: bool = False) -> EmotionReader:
    """Pictures [B, H, W, 3] -> readings [B, 2], with a gradient where they carry one.

    Args:
        path: of the head's file.
        encoders: as `fit --encoder`, joined by " + "; empty where they lie beside the head.
        gradient: is needed.
    Raises: ConfigError: an encoder hands on no gradient. CheckpointError: no head there.
    """
    scorer = _head(path, encoders)
    deaf = [each.name for each in scorer.encoders if each.kind not in (EMBEDDED, "folder")]
    if gradient and deaf:
        raise ConfigError(
            f"The head in {path} reads by {deaf[0]}, which hands on no gradient. Fit one on a "
            "transformers folder, or choose another loss.kind."
        )

    def read(images: Tensor) -> Tensor:
        return scorer.emotions(images).clamp(-LIMIT, LIMIT)

    return read
