"""JSON schemas of what models are asked to write, for backends that can enforce them.

Every field is required and nothing else is allowed: the strict mode of the servers wants it so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TEXT = {"type": "string"}


def _closed(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _list(items: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": dict(items)}


_RATING = {"type": "integer", "minimum": 1, "maximum": 9}
_SUGGESTIONS = _list(_closed({"text": _TEXT, "cue": _TEXT, "reason": _TEXT}))

REASONED_SCHEMA = _closed(
    {
        "rationale": _TEXT,  # first, so that a constrained model still reasons before it rates
        "cues": _list(_closed({"name": _TEXT, "direction": _TEXT, "where": _TEXT})),
        "words": _list(_TEXT),
        "scale": {"type": "string", "enum": ["1-9"]},
        "valence": _RATING,
        "arousal": _RATING,
    }
)
REFINE_SCHEMA = _closed({"suggestions": _SUGGESTIONS, "clause": _TEXT})
REWRITES_SCHEMA = _closed({"rewrites": _list(REFINE_SCHEMA)})
