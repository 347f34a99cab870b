"""Text as ComfyUI's own CLIP Text Encode encodes it."""

from __future__ import annotations

from typing import Any

from ...emofeedback.errors import ConfigError
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
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ConfigError(
            f"The text holds half of a character at place {error.start + 1} ({text[:60]!r}). Write "
            "it anew."
        ) from None
    return list(clip.encode_from_tokens_scheduled(clip.tokenize(text)))
