"""What changed between two prompts, word by word."""

from __future__ import annotations

import difflib
import re

LONGEST = 600  # words; beyond, the comparison would take long and show nothing

Piece = dict[str, str]
"""`text`: some words with the space before them; `change`: "same", "added" or "removed"."""


def prompt_changes(before: str, after: str) -> list[Piece]:
    """What makes `before` into `after`; a comma is a word, white space is not."""
    old, new = (re.findall(r"\s*(?:\w+|[^\w\s])", text) for text in (before, after))
    if max(len(old), len(new)) > LONGEST:
        return [_piece(old, "removed"), _piece(new, "added")]
    matcher = difflib.SequenceMatcher(
        None, [word.strip() for word in old], [word.strip() for word in new], autojunk=False
    )
    pieces = []
    for kind, i, j, k, m in matcher.get_opcodes():
        if kind == "equal":
            pieces.append(_piece(new[k:m], "same"))
            continue
        pieces += [_piece(old[i:j], "removed")] if i < j else []
        pieces += [_piece(new[k:m], "added")] if k < m else []
    return pieces


def _piece(words: list[str], change: str) -> Piece:
    return {"text": "".join(words), "change": change}
