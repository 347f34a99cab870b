"""The artist's prompt, checked."""

from __future__ import annotations

from ..errors import ConfigError


def checked_prompt(prompt: object) -> str:
    """The prompt without surrounding white space.

    Raises: ConfigError: it is empty or not text.
    """
    if not isinstance(prompt, str) or not prompt.strip():
        raise ConfigError(
            f"The prompt is {prompt!r}, so there is nothing to picture. "
            'Write what the picture shows, for example "a boat on the sea".'
        )
    return prompt.strip()
