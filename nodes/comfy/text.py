"""Text as ComfyUI's own CLIP Text Encode encodes it."""

from __future__ import annotations

from typing import Any

from ...emofeedback.errors import ConfigError
from ...emofeedback.records.limits import check_text
from ..widgets.names import LOAD_EMBEDDED


def encode_text(clip: Any, text: str) -> list[Any]:
    """Exactly what CLIP Text Encode makes of the text.

    Raises: ConfigError: no CLIP is connected, or the text is no Unicode.
    """
    if clip is None:
        raise ConfigError(
            "The clip input is empty: the checkpoint holds no text encoder. Connect a CLIP, for "
            f"example from {LOAD_EMBEDDED} or Load CLIP."
        )
    check_text(text)
    return list(clip.encode_from_tokens_scheduled(clip.tokenize(text)))
