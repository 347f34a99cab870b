"""The artist's prompt, checked."""

from __future__ import annotations

from ..errors import ConfigError
from .limits import check_text


def checked_prompt(prompt: object) -> str:
    """The prompt without surrounding white space.

    Raises: ConfigError: it is empty, not text, or no Unicode.
    """
    if not isinstance(prompt, str) or not prompt.strip():
        raise ConfigError(
            f"The prompt is {prompt!r}, so there is nothing to picture. "
            'Write what the picture shows, for example "a boat on the sea".'
        )
    check_text(prompt)
    return prompt.strip()
