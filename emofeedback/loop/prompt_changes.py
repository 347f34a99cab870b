"""What changed between two prompts, word by word."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

LONGEST = 8000  # words; beyond, the prompts are shown one after the other

Piece = dict[str, str]
"""`text`: some words with the space before them; `change`: "same", "added" or "removed"."""


def prompt_changes(before: str, after: str) -> list[Piece]:
    """What makes `before` into `after`; a comma is a word, white space is not.

    As many words as possible stay. Punctuation alone, between two changes, counts as changed.
    """
    old, new = (re.findall(r"\s*(?:\w+|[^\w\s])", text) for text in (before, after))
    if max(len(old), len(new)) > LONGEST:
        return [_piece(old, "removed"), _piece(new, "added")]
    pieces: list[Piece] = []
    i = j = 0
    for start, other, length in _kept([w.strip() for w in old], [w.strip() for w in new]):
        inside = start > 0 and length and start + length < len(old) and other + length < len(new)
        if inside and not any(re.search(r"\w", word) for word in new[other : other + length]):
            continue
        pieces += [_piece(old[i:start], "removed")] if i < start else []
        pieces += [_piece(new[j:other], "added")] if j < other else []
        pieces += [_piece(new[other : other + length], "same")] if length else []
        i, j = start + length, other + length
    return pieces


def _kept(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int, int]]:
    """Runs of the longest common subsequence: place in either list and length; an empty one ends.

    Bit-parallel (Hyyrö 2004): bit i of `row` is 0 where word i of `old` lengthens what is common
    to the words before it and those of `new` so far. 4,000 words take some 20 milliseconds.
    """
    whole = (1 << len(old)) - 1
    places: defaultdict[str, int] = defaultdict(int)
    for index, word in enumerate(old):
        places[word] |= 1 << index
    rows = [whole]
    for word in new:
        row = rows[-1]
        kept = row & places.get(word, 0)
        rows.append(((row + kept) | (row - kept)) & whole)
    runs = [(len(old), len(new), 0)]
    i, j = len(old), len(new)
    while i and j:
        if old[i - 1] == new[j - 1]:
            i, j = i - 1, j - 1
            start, other, length = runs[-1]
            if length and (start, other) == (i + 1, j + 1):
                runs[-1] = (i, j, length + 1)
            else:
                runs.append((i, j, 1))
        elif rows[j] >> (i - 1) & 1:
            i -= 1
        else:
            j -= 1
    return runs[::-1]


def _piece(words: list[str], change: str) -> Piece:
    return {"text": "".join(words), "change": change}
