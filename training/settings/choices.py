"""Settings that are one of a few words."""

from __future__ import annotations

from emofeedback.errors import ConfigError


def check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    """Raises: ConfigError: the value is none of the known ones."""
    if value not in known:
        raise ConfigError(f"{name} is {value!r}. Known: {', '.join(known)}.")
