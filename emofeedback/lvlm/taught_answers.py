"""Answers as models are taught to write them; `answers` reads them back."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ..records.reading import Cue
from ..records.refinement import Suggestion


def write_reasoned(digits: tuple[int, int], words: Sequence[str], cues: Sequence[Cue]) -> str:
    """A reasoned reading as a model is taught to write it."""
    record = {
        "valence": digits[0],
        "arousal": digits[1],
        "words": list(words),
        "cues": [{"name": cue.name, "direction": cue.direction} for cue in cues],
    }
    return json.dumps(record, separators=(",", ":"))


def write_rewrite(suggestions: Sequence[Suggestion], clause: str, seen: Sequence[str] = ()) -> str:
    """A rewrite as a model is taught to write it; what is seen comes first, for the changes."""
    record = {
        "seen": list(seen),
        "suggestions": [
            {"cue": each.cue, "text": each.text, "reason": each.reason} for each in suggestions
        ],
        "clause": clause,
    }
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False)
