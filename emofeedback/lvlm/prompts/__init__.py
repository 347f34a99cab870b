"""Prompt texts as data files; a file's name ends in its version and is what a reading reports.

Texts of the artist's own are known beside them, under names that hold a digest of what they say.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from string import Template

from ...errors import ConfigError

_FOLDER = Path(__file__).parent
_OWN: dict[str, str] = {}


def add_prompt(name: str, text: str) -> str:
    """Makes a text known; returns the name that it has from now on, the same for the same text."""
    version = f"{name}_{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    _OWN[version] = text
    return version


@cache
def load_prompt(version: str) -> str:
    """The text of a prompt file, by its name without suffix ("drawn_rate_v1").

    Raises: ConfigError: there is no such prompt.
    """
    if version in _OWN:
        return _OWN[version]
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
