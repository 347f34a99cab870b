"""Emotion in, emotion out, and the loop: the library behind the nodes and the training package.

The public names below come from the rooms when they are first used, so that importing the library
costs nothing: torch is not loaded before something needs it. `__init__.pyi` tells type checkers.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_ROOMS = {
    "control.adapter": ("EmotionAdapter",),
    "control.checkpoint": ("EmotionFacts", "load_adapter", "save_checkpoint"),
    "embedded.scorer": ("load_scorer",),
    "errors": (
        "CheckpointError", "ConfigError", "EmoFeedbackError", "ImageError", "LoopError",
        "MissingDependencyError", "ScorerAnswerError", "ScorerError",
    ),
    "images": ("load_picture",),
    "loop.driver": ("run_loop",),
    "loop.observer": ("Observer",),
    "loop.report": ("loop_report",),
    "loop.report_page": ("report_csv", "report_html", "report_json"),
    "loop.ranking": ("rank_readings",),
    "loop.steps": ("start_loop",),
    "lvlm.base": ("Lvlm",),
    "lvlm.folder": ("load_folder",),
    "lvlm.server.endpoint": ("open_endpoint",),
    "pictures.circumplex": ("readings_chart", "trajectory_chart"),
    "plane.metrics": ("axis_metrics", "paired_difference"),
    "plane.words": ("nearest_words", "preset_emotion"),
    "reading.base": ("Scorer",),
    "reading.calibration": ("fit_calibration", "load_calibration", "save_calibration"),
    "reading.pair": ("PairedScorer",),
    "reading.phrases": ("read_phrases",),
    "reading.rated": ("read_ratings",),
    "reading.scorer": ("LvlmScorer",),
    "records.calibration": ("Calibration",),
    "records.emotion": ("Emotion", "Gap", "from_scale", "to_scale"),
    "records.policy": ("POLICIES", "LoopPolicy"),
    "records.reading": ("Cue", "Reading"),
    "records.refinement": ("Refinement", "Suggestion"),
    "records.request": ("RefineRequest",),
    "records.state": ("LoopState", "RoundRecord"),
    "refining.base": ("Refiner",),
    "refining.lvlm": ("LvlmRefiner",),
    "refining.rules": ("RuleRefiner",),
}  # fmt: skip
_WHERE = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = sorted(_WHERE)  # noqa: PLE0605  a list, made


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_WHERE[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
