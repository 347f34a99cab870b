"""Pairs of a neutral and an emotional prompt with the emotion of the second: no picture needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emofeedback.errors import ConfigError
from emofeedback.records.emotion import LIMIT, Emotion
from emofeedback.records.tables import column, number, read_rows
from emofeedback.refining.kept_words import with_clause
from emofeedback.refining.rules import affect_phrase

from .datasets_folder import read_folder

PHRASES = "phrases"
COLUMNS = {
    "neutral": ("neutral", "neutral_prompt", "prompt"),
    "emotional": ("emotional", "emotional_prompt"),
    "valence": ("valence", "v"),
    "arousal": ("arousal", "a"),
}


@dataclass(frozen=True, slots=True)
class WordPair:
    """What an emotion does to a prompt."""

    neutral: str
    emotional: str
    emotion: tuple[float, float]
    """Valence and arousal of the emotional one, each in [-3, 3]."""


def load_word_pairs(name: str, own: Sequence[str], *, count: int, seed: int) -> list[WordPair]:
    """Pairs of a table, or our own.

    Args:
        own: prompts that our own phrases follow.
        name: a CSV or JSON-lines file, or a folder that `datasets` wrote by save_to_disk, with
            columns `neutral`, `emotional`, `valence`, `arousal`; "phrases": our own prompts with
            the affect phrases of emotions by lot.
    Raises: ConfigError: no such file, a missing column, a number outside of the scale, no pair.
    """
    if name == PHRASES:
        return phrase_pairs(own, count=count, seed=seed)
    path = Path(name)
    if not path.exists():
        raise ConfigError(
            f"start.pairs is {name!r}: neither a file, nor a folder, nor {PHRASES!r}."
        )
    unit, (neutral, *others) = "row" if path.is_dir() else "line", COLUMNS.values()
    rows = read_folder(path, neutral, sum(others, ())) if path.is_dir() else read_rows(path)
    names = {what: column(rows, options) for what, options in COLUMNS.items()}
    missing = [what for what, found in names.items() if not found]
    if missing:
        raise ConfigError(f"{path} has no column {', '.join(missing)}. Name its columns so.")
    pairs = []
    for row in rows:
        words = [
            str(row.values.get(names[what]) or "").strip() for what in ("neutral", "emotional")
        ]
        felt = [number(row.values.get(names[what])) for what in ("valence", "arousal")]
        if not all(words) or any(value is None or abs(value) > LIMIT for value in felt):
            raise ConfigError(
                f"{path}, {unit} {row.line}: needs two prompts, and valence and arousal in "
                f"[-3, 3]; found {words} and {felt}."
            )
        valence, arousal = (float(value or 0.0) for value in felt)
        pairs.append(WordPair(words[0], words[1], (valence, arousal)))
    if len(pairs) < 3:
        raise ConfigError(f"{path} has {len(pairs)} pairs; a supervised start needs three or more.")
    return pairs


def phrase_pairs(prompts: Sequence[str], *, count: int, seed: int) -> list[WordPair]:
    """Prompts by turns, each with the words that the affect-phrase table has for an emotion."""
    from tqdm import tqdm

    random = np.random.default_rng((seed, 17))
    pairs = []
    for index in tqdm(range(count), desc="pairs of prompts", leave=False):
        valence, arousal = (round(float(value), 2) for value in random.uniform(-LIMIT, LIMIT, 2))
        prompt = prompts[index % len(prompts)]
        clause = affect_phrase(Emotion(valence, arousal))
        pairs.append(WordPair(prompt, with_clause(prompt, clause), (valence, arousal)))
    return pairs
