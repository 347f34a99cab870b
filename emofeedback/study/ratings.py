"""Blind ratings of a study by people: what is asked, in which order, and the table of answers.

A question shows pictures without the name of what made them: two of one pair of prompt and target,
of which one feels more like it; or one, whose feeling is marked on the plane. Its number says
nothing either. Each rater has an order of their own and goes on where they stopped.
"""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import combinations
from pathlib import Path

from ..errors import ConfigError
from ..records.emotion import Emotion
from ..records.files import append_whole, parsed
from .trials import Trial

TABLE = "ratings.csv"
LEFT, RIGHT, ALIKE = CHOICES = ("left", "right", "alike")
WHO = 80
"""Letters of a rater's name."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture that a system handed out."""

    pair: int
    system: str
    picture: Path
    prompt: str
    target: Emotion


Key = tuple[int, frozenset[str]]
"""Of a question: the pair, and the systems of its pictures."""


@dataclass(frozen=True, slots=True)
class Question:
    """One picture, or two beside each other, left first."""

    shown: tuple[Shown, ...]

    @property
    def key(self) -> Key:
        """The same in every order of questions, and when the study has grown."""
        return self.shown[0].pair, frozenset(each.system for each in self.shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """A row of the table.

    Args:
        left, right: systems; `right` is empty where one picture was shown.
        choice: one of `CHOICES`, empty for one picture.
        valence, arousal: of one picture, empty for two.
    """

    rater: str
    pair: int
    prompt: str
    target_valence: float
    target_arousal: float
    left: str
    right: str = ""
    choice: str = ""
    valence: float | str = ""
    arousal: float | str = ""


def shown_pictures(run: Path) -> list[Shown]:
    """What the systems of a study handed out.

    Raises: ConfigError: no study with pictures is there.
    """
    found = []
    for record in sorted(run.glob("[0-9]*-*.json")):
        picture = record.with_suffix(".png")
        if picture.is_file():
            trial = _trial(record)
            pair = int(record.name.split("-", 1)[0])
            found.append(Shown(pair, trial.system, picture, trial.prompt, Emotion(*trial.target)))
    if not found:
        raise ConfigError(f"{run} holds no pictures of a study. Run `emofeedback study` first.")
    return found


def _trial(record: Path) -> Trial:
    try:
        return Trial.of_record(parsed(record.read_bytes()))
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{record} is no trial of a study ({error}). Delete it and run the study again."
        ) from error


def questions_for(rater: str, shown: Sequence[Shown]) -> list[Question]:
    """All that can be asked, in the rater's own order: pairs and single pictures in turn.

    Raises: ConfigError: no name, or one too long.
    """
    if not rater.strip() or len(rater) > WHO:
        raise ConfigError(f"The rater is {rater[:WHO]!r}; give a name of up to {WHO} letters.")
    lot = random.Random(rater)  # noqa: S311  an order, not a secret
    pairs = [lot.sample(both, 2) for both in combinations(shown, 2) if both[0].pair == both[1].pair]
    singles = [[each] for each in shown]
    lot.shuffle(pairs)
    lot.shuffle(singles)
    mixed = [each for both in zip(pairs, singles) for each in both]
    rest = max(pairs, singles, key=len)[min(len(pairs), len(singles)) :]
    return [Question(tuple(each)) for each in (*mixed, *rest)]


def rating_of(rater: str, question: Question, answer: object) -> Rating:
    """The row of an answer: {"choice": ...} of two pictures, {"valence", "arousal"} of one.

    Raises: ConfigError: no answer to this question.
    """
    told = answer if isinstance(answer, dict) else {}
    first = question.shown[0]
    row = Rating(
        rater=rater,
        pair=first.pair,
        prompt=first.prompt,
        target_valence=first.target.valence,
        target_arousal=first.target.arousal,
        left=first.system,
        right=question.shown[1].system if len(question.shown) == 2 else "",
        choice=told.get("choice", ""),
        valence=told.get("valence", ""),
        arousal=told.get("arousal", ""),
    )
    if row.right and row.choice in CHOICES and row.valence == row.arousal == "":
        return row
    numbers = [row.valence, row.arousal]
    if not row.right and not row.choice and all(type(each) in (int, float) for each in numbers):
        Emotion(*numbers)  # type: ignore[arg-type]  # checked; off the scale is refused
        return row
    raise ConfigError(f"The answer {str(answer)[:80]!r} does not fit the question.")


def answered(run: Path, rater: str) -> set[Key]:
    """What a rater has answered. Raises: ConfigError: another table."""
    path = run / TABLE
    if not path.is_file():
        return set()
    with path.open(encoding="utf-8", newline="") as table:
        rows = csv.DictReader(table)
        if rows.fieldnames != _COLUMNS:
            raise ConfigError(f"{path} has other columns than {', '.join(_COLUMNS)}. Move it away.")
        whole = (row for row in rows if None not in row.values())  # others were cut off
        mine = [row for row in whole if row["rater"] == _plain(rater)]
        return {(int(r["pair"]), frozenset({r["left"], r["right"]} - {""})) for r in mine}


def add_rating(run: Path, rating: Rating) -> None:
    """Appends a row, and the columns' names first. Raises: OSError."""
    path = run / TABLE
    new = not path.is_file()
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    if new:
        rows.writerow(_COLUMNS)
    rows.writerow([_plain(getattr(rating, name)) for name in _COLUMNS])
    append_whole(path, text.getvalue().encode())


_COLUMNS = [field.name for field in fields(Rating)]


def _plain(value: object) -> object:
    """Text that no spreadsheet takes for a formula."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + value
    return value
