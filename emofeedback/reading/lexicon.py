"""Norms of single words that people rated: a lexicon of the artist's own reads a prompt.

Three published layouts are known, as CSV or tab-separated text: the Glasgow Norms (Scott et al.
2019, `Words`, `AROU`, `VAL`, 1..9), Warriner, Kuperman & Brysbaert (2013, `Word`, `V.Mean.Sum`,
`A.Mean.Sum`, 1..9), and NRC-VAD (Mohammad 2018, 2025: `Word` or `term`, `Valence`, `Arousal`; 0..1
in version 1, -1..1 in version 2, also without a header).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigError
from ..plane.words import nearest_words
from ..records.emotion import Emotion, from_scale
from ..records.reading import Cue, Reading
from ..records.tables import Row, column, number, read_rows
from .phrases import NUM_WORDS, SPREAD, placed, unknown_reading, unnegated, words_of

_LAYOUTS = (
    ("words", "val", "arou", "sam9"),
    ("word", "v.mean.sum", "a.mean.sum", "sam9"),
    ("word", "valence", "arousal", "unit"),
    ("term", "valence", "arousal", "unit"),
)


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Casefolded words and where people put them; phrases and marked senses are left out."""

    name: str
    words: Mapping[str, Emotion]


def read_lexicon(path: Path) -> Lexicon:
    """The lexicon in a file of one of the known layouts.

    Raises: ConfigError: another layout, no words, or a value off the layout's scale.
    """
    return _read_lexicon(path, path.stat().st_mtime_ns if path.is_file() else 0)


def read_by_lexicon(prompt: str, lexicon: Lexicon) -> Reading:
    """The mean of the known words of a prompt; one behind "not", "no" or "without" is left out.

    Returns: a reading whose rationale says how many words were known; "unknown" where none was.
    Raises: ConfigError: the prompt is empty.
    """
    words = words_of(prompt)
    known = {word: lexicon.words.get(word) or lexicon.words.get(word.removesuffix("s"))
             for word in words}  # fmt: skip
    felt = [(word, emotion) for word in unnegated(words) if (emotion := known[word])]
    if not felt:
        return unknown_reading(lexicon.name, len(words))
    emotion = Emotion(
        sum(each.valence for _, each in felt) / len(felt),
        sum(each.arousal for _, each in felt) / len(felt),
    )
    return Reading(
        emotion=emotion,
        uncertainty=SPREAD,
        words=nearest_words(emotion, NUM_WORDS),
        cues=tuple(Cue(word, placed(each)) for word, each in felt),
        rationale=f"{lexicon.name} knows {len(felt)} of {len(words)} words.",
        model=lexicon.name,
    )


@functools.lru_cache(maxsize=2)
def _read_lexicon(path: Path, _changed: int) -> Lexicon:
    rows = read_rows(path)
    head = [str(value) for value in rows[0].values] if rows else []
    if len(head) >= 3 and number(head[1]) is not None and number(head[2]) is not None:
        names = ("word", "valence", "arousal")  # NRC-VAD without its header
        cells = [head, *([*row.values.values()] for row in rows)]
        rows = [Row(n, dict(zip(names, values))) for n, values in enumerate(cells, 1)]
    for word, valence, arousal, scale in _LAYOUTS:
        if all(column(rows, [name]) for name in (word, valence, arousal)):
            found = _words(path, rows, (word, valence, arousal), scale)
            if not found:
                raise ConfigError(f"The lexicon {path} holds no single words. Choose another.")
            return Lexicon(path.name, found)
    raise ConfigError(
        f"{path} has the columns {', '.join(head[:12]) or 'none'}. Known lexicons: Glasgow (Words, "
        "VAL, AROU), Warriner (Word, V.Mean.Sum, A.Mean.Sum), NRC-VAD (Word, Valence, Arousal)."
    )


def _words(
    path: Path, rows: list[Row], names: tuple[str, str, str], scale: str
) -> dict[str, Emotion]:
    values = []
    for row in rows:
        word, *axes = (row.values.get(name, "") for name in names)
        valence, arousal = map(number, axes)
        if not word or (row is rows[0] and valence is None):  # Glasgow's header has two lines
            continue
        if valence is None or arousal is None:
            raise ConfigError(f"{path}, line {row.line}: {word!r} has {axes}, not two numbers.")
        values.append((row.line, str(word).casefold(), valence, arousal))
    if scale == "unit" and any(min(v, a) < 0 for *_, v, a in values):
        scale = "signed"  # version 2
    found = {}
    for line, word, *axes in values:
        if any(map(str.isspace, word)):
            continue
        try:
            found[word] = Emotion(*(from_scale(value, scale) for value in axes))
        except ConfigError as error:
            raise ConfigError(
                f"{path}, line {line}: {word!r} has {axes}, off the layout's scale ({error})."
            ) from error
    return found
