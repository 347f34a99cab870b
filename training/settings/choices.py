"""Checks of settings, with messages that name the setting, its value and what to do."""

from __future__ import annotations

from emofeedback.errors import ConfigError


def choose(name: str, value: str, known: tuple[str, ...]) -> None:
    """Raises: ConfigError: the value is none of the known ones."""
    if value not in known:
        raise ConfigError(f"{name} is {value!r}. Known: {', '.join(known)}.")
