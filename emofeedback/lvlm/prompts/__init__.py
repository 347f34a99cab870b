"""Prompt texts as data files; a file's name ends in its version and is what a reading reports."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from string import Template

from ...errors import ConfigError

_FOLDER = Path(__file__).parent


@cache
def load_prompt(version: str) -> str:
    """The text of a prompt file, by its name without suffix ("drawn_rate_v1").

    Raises: ConfigError: there is no such prompt.
    """
    path = _FOLDER / f"{version}.txt"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in _FOLDER.glob("*.txt")))
        raise ConfigError(f"There is no prompt {version!r}. Known: {known}.")
    return path.read_text(encoding="utf-8").strip()


def fill_prompt(version: str, **values: str) -> str:
    """A prompt with its `$names` replaced.

    Raises: ConfigError: unknown prompt, or a name without a value.
    """
    try:
        return Template(load_prompt(version)).substitute(values)
    except KeyError as error:
        raise ConfigError(f"The prompt {version!r} needs a value for {error}.") from None
