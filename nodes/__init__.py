"""The extension: which nodes ComfyUI gets."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from .all_in_one import EmotionFeedback
from .anchors import EncodeAnchors
from .batching import BatchConditionings, EmotionSheet
from .chart import EmotionChart
from .checkpoint import LoadCheckpoint
from .comfy.model_folders import register_folders
from .comfy.routes import register_routes
from .cue_overlay import CuesOnPicture
from .editing import ScoreEdits
from .embedded import LoadEmbedded
from .emotion import EmotionGrid, EmotionTarget
from .emotion_path import EmotionPath
from .emotion_sampler import EmotionSampler
from .encoding import EncodeEmotion
from .folder import ScoreFolder
from .grid_chart import EmotionErrorMap, EmotionSweep
from .guiding import EmotionGuider, EmotionModelPatch
from .load_scorer import LoadEmotionScorer
from .loop import EndLoop, OpenRound, StartLoop
from .numbers import EmotionNumbers, FilterByEmotion
from .refining import RefinePrompt
from .report import EmotionReport
from .rounds import RefineRound, ScoreRound
from .scoring import ScoreEmotion, SelectByEmotion
from .text_mood import EmotionOfText

NODES: list[type[io.ComfyNode]] = [
    EmotionTarget,
    EmotionGrid,
    LoadEmbedded,
    LoadEmotionScorer,
    LoadCheckpoint,
    EncodeEmotion,
    StartLoop,
    OpenRound,
    ScoreRound,
    RefineRound,
    EndLoop,
    EmotionFeedback,
    ScoreEmotion,
    RefinePrompt,
    SelectByEmotion,
    EmotionChart,
    EmotionPath,
    BatchConditionings,
    EmotionSheet,
    EmotionOfText,
    EncodeAnchors,
    EmotionSampler,
    EmotionGuider,
    EmotionModelPatch,
    EmotionErrorMap,
    EmotionSweep,
    CuesOnPicture,
    EmotionReport,
    EmotionNumbers,
    FilterByEmotion,
    ScoreFolder,
    ScoreEdits,
]


class EmoFeedbackExtension(ComfyExtension):
    """Everything under the category "emotion"."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return NODES


async def comfy_entrypoint() -> EmoFeedbackExtension:
    """Called by ComfyUI when it loads the pack."""
    register_folders()
    register_routes()
    return EmoFeedbackExtension()
