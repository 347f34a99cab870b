"""The questions to a judge in the artist's own words, from a text file.

The file says what is asked; how the model shall answer is added to it, so that answers can be read.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from ..errors import ConfigError
from .base import DEFAULT_PROMPTS, PromptSet
from .prompts import add_prompt, fill_prompt

MOST_LETTERS = 4000
NEEDED = {
    "the word valence": r"(?i)\bvalence\b",
    "the word arousal": r"(?i)\barousal\b",
    "the lowest rating, 1": r"(?<!\d)1(?!\d)",
    "the highest rating, 9": r"(?<!\d)9(?!\d)",
}
"""What the words must hold, or the ratings would not mean what is read from them."""


def read_wording(path: Path) -> str:
    """The words in a file.

    Raises: ConfigError: no text, too long, or without something of `NEEDED`; says what.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            words = file.read(MOST_LETTERS + 1).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The wording {path.name} cannot be read as text ({error}).") from None
    if len(words) > MOST_LETTERS:
        raise ConfigError(
            f"The wording {path.name} has more than {MOST_LETTERS} letters. Shorten it."
        )
    missing = [what for what, pattern in NEEDED.items() if not re.search(pattern, words)]
    if missing:
        raise ConfigError(
            f"The wording {path.name} lacks {', '.join(missing)}. Say what valence and arousal "
            "are and that both are rated from 1 to 9, for example: Valence: 1 very unpleasant, 9 "
            "very pleasant. Arousal: 1 very calm, 9 very excited."
        )
    return words


def in_own_words(prompts: PromptSet, name: str, words: str) -> PromptSet:
    """The prompts of a model with its questions for emotions in the artist's words.

    Args:
        name: which readings report as the version of their prompt, with a digest of the words.
    Raises: ConfigError: the model was taught questions of its own and knows no others.
    """
    if prompts.name != DEFAULT_PROMPTS:
        raise ConfigError(
            f"This model was taught the questions {prompts.name!r} and cannot be asked in other "
            "words. Choose the wording that ships."
        )

    def own(kind: str) -> str:
        return add_prompt(f"{name}_{kind}", fill_prompt(f"own_{kind}_v1", words=words))

    return replace(prompts, rate=own("rate"), digits=own("digits"), explain=own("explain"))
