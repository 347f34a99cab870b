"""Emotion in, emotion out, and the loop: the library behind the nodes and the training package.

The public names below come from the rooms when they are first used, so that importing the library
costs nothing: torch is not loaded before something needs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .control.adapter import EmotionAdapter as EmotionAdapter
    from .control.checkpoint import EmotionFacts as EmotionFacts
    from .control.checkpoint import load_adapter as load_adapter
    from .control.checkpoint import save_checkpoint as save_checkpoint
    from .embedded.generator import generate as generate
    from .embedded.scorer import load_scorer as load_scorer
    from .errors import CheckpointError as CheckpointError
    from .errors import ConfigError as ConfigError
    from .errors import EmoFeedbackError as EmoFeedbackError
    from .errors import ImageError as ImageError
    from .errors import LoopError as LoopError
    from .errors import MissingDependencyError as MissingDependencyError
    from .errors import ScorerAnswerError as ScorerAnswerError
    from .errors import ScorerError as ScorerError
    from .loop.driver import run_loop as run_loop
    from .loop.observer import Observer as Observer
    from .loop.report import loop_report as loop_report
    from .loop.report_page import report_csv as report_csv
    from .loop.report_page import report_html as report_html
    from .loop.report_page import report_json as report_json
    from .loop.steps import rank_readings as rank_readings
    from .loop.steps import start_loop as start_loop
    from .lvlm.base import Lvlm as Lvlm
    from .lvlm.folder import load_folder as load_folder
    from .lvlm.server.endpoint import open_endpoint as open_endpoint
    from .pictures.circumplex import readings_chart as readings_chart
    from .pictures.circumplex import trajectory_chart as trajectory_chart
    from .plane.metrics import axis_metrics as axis_metrics
    from .plane.metrics import paired_difference as paired_difference
    from .plane.words import nearest_words as nearest_words
    from .plane.words import preset_emotion as preset_emotion
    from .reading.base import Scorer as Scorer
    from .reading.calibration import fit_calibration as fit_calibration
    from .reading.calibration import load_calibration as load_calibration
    from .reading.calibration import save_calibration as save_calibration
    from .reading.pair import PairedScorer as PairedScorer
    from .reading.phrases import read_phrases as read_phrases
    from .reading.rated import load_picture as load_picture
    from .reading.rated import read_ratings as read_ratings
    from .reading.scorer import LvlmScorer as LvlmScorer
    from .records.calibration import Calibration as Calibration
    from .records.emotion import Emotion as Emotion
    from .records.emotion import Gap as Gap
    from .records.emotion import from_scale as from_scale
    from .records.emotion import to_scale as to_scale
    from .records.reading import Cue as Cue
    from .records.reading import Reading as Reading
    from .records.refinement import Refinement as Refinement
    from .records.refinement import Suggestion as Suggestion
    from .records.request import RefineRequest as RefineRequest
    from .records.state import POLICIES as POLICIES
    from .records.state import LoopPolicy as LoopPolicy
    from .records.state import LoopState as LoopState
    from .records.state import RoundRecord as RoundRecord
    from .refining.base import Refiner as Refiner
    from .refining.lvlm import LvlmRefiner as LvlmRefiner
    from .refining.rules import RuleRefiner as RuleRefiner

_ROOMS = {
    "control.adapter": ("EmotionAdapter",),
    "control.checkpoint": ("EmotionFacts", "load_adapter", "save_checkpoint"),
    "embedded.generator": ("generate",),
    "embedded.scorer": ("load_scorer",),
    "errors": (
        "CheckpointError", "ConfigError", "EmoFeedbackError", "ImageError", "LoopError",
        "MissingDependencyError", "ScorerAnswerError", "ScorerError",
    ),
    "loop.driver": ("run_loop",),
    "loop.observer": ("Observer",),
    "loop.report": ("loop_report",),
    "loop.report_page": ("report_csv", "report_html", "report_json"),
    "loop.steps": ("rank_readings", "start_loop"),
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
    "reading.rated": ("load_picture", "read_ratings"),
    "reading.scorer": ("LvlmScorer",),
    "records.calibration": ("Calibration",),
    "records.emotion": ("Emotion", "Gap", "from_scale", "to_scale"),
    "records.reading": ("Cue", "Reading"),
    "records.refinement": ("Refinement", "Suggestion"),
    "records.request": ("RefineRequest",),
    "records.state": ("POLICIES", "LoopPolicy", "LoopState", "RoundRecord"),
    "refining.base": ("Refiner",),
    "refining.lvlm": ("LvlmRefiner",),
    "refining.rules": ("RuleRefiner",),
}  # fmt: skip
_WHERE = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_WHERE[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
