"""Numbers and choices held to what they may be; links hand them past the widgets' own limits."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import ConfigError


def check_number(name: str, value: float, least: float, most: float) -> None:
    """Raises: ConfigError: the value is NaN or not in [least, most]."""
    if not least <= value <= most:  # False for NaN, too
        raise ConfigError(f"{name} is {value}; set it from {least:g} to {most:g}.")


def check_choice(name: str, value: str, known: Iterable[str]) -> None:
    """Raises: ConfigError: the value is none of those."""
    if value not in (names := list(known)):
        raise ConfigError(f"{name} is {value!r}. Known: {', '.join(names)}.")


def check_text(text: str) -> None:
    """Raises: ConfigError: half of a character, which no tokenizer takes."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ConfigError(
            f"The text holds half of a character at place {error.start + 1} ({text[:60]!r}). Write "
            "it anew."
        ) from None
