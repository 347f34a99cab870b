"""One node for every scorer, whatever stands behind it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import comfy.utils
from comfy_api.latest import io

from ..emofeedback.errors import ConfigError
from ..emofeedback.lvlm.base import Lvlm, ProgressCallback
from ..emofeedback.reading.base import (
    Scorer,
)
from ..emofeedback.reading.pair import PairedScorer
from ..emofeedback.reading.scorer import LvlmScorer
from .comfy.bridge import stop_if_interrupted
from .comfy.clip_lvlm import ClipLvlm
from .comfy.folder_lvlm import (
    find_folder,
    list_folders,
    managed_lvlm,
    newest_change,
)
from .comfy.heads import find_head, head_scorer, list_heads
from .widgets.calibration import calibration_path, chosen_calibration, list_calibrations
from .widgets.names import LOAD_EMOTION_SCORER, REFINE_ROUND, SCORE_EMOTION, SCORE_ROUND
from .widgets.scorer import (
    AS_FITTED,
    CLIP,
    EMBEDDED,
    HEAD,
    INPUTS,
    KINDS,
    MODEL_FOLDER,
    SERVER,
    TWO,
    problem_with,
)
from .widgets.sockets import SCORE_CATEGORY, ScorerSocket
from .widgets.wording import chosen_prompts, list_wordings, wording_path


class LoadEmotionScorer(io.ComfyNode):
    """A scorer from a CLIP, a folder, a server, the pack itself, two others, or an encoder."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmoFB_LoadEmotionScorer",
            display_name=LOAD_EMOTION_SCORER,
            category=SCORE_CATEGORY,
            description="A vision-language model that reads emotions from pictures and rewrites "
            "prompts: one that ComfyUI has loaded as a CLIP, a transformers folder, a server, or "
            "the small one that ships. Or a picture encoder with a head that was fitted on rated "
            "photographs, which only reads.",
            search_aliases=[
                "vlm",
                "lvlm",
                "qwen vl",
                "gemma",
                "ollama",
                "vllm",
                "openai",
                "clip vision",
                "photograph",
                "head",
            ],
            inputs=[
                io.DynamicCombo.Input(
                    "kind",
                    options=[
                        io.DynamicCombo.Option(kind, inputs()) for kind, inputs in INPUTS.items()
                    ],
                    tooltip="Where the model runs. 'ComfyUI CLIP' is recommended: no second copy "
                    "of the model, and ComfyUI owns its memory.",
                ),
            ],
            outputs=[
                ScorerSocket.Output(
                    display_name="scorer",
                    tooltip=f"For {SCORE_EMOTION}, {SCORE_ROUND}, {REFINE_ROUND} and the loop.",
                )
            ],
        )

    @classmethod
    def validate_inputs(cls, **inputs: Any) -> bool | str:
        """Takes the place of ComfyUI's own checks, which cannot say how to get a missing model."""
        kind = inputs.get("kind")
        return True if not isinstance(kind, dict) else problem_with(kind) or True

    @classmethod
    def fingerprint_inputs(cls, kind: dict[str, Any] | None = None) -> Any:
        kind = kind or {}
        plain = {
            name: value for name, value in kind.items() if isinstance(value, str | int | float)
        }
        stamps = []
        if kind.get("model") in list_folders("models"):
            stamps.append(newest_change(find_folder(kind["model"])))
        if kind.get("calibration") in list_calibrations():
            stamps.append(calibration_path(kind["calibration"]).stat().st_mtime)
        if kind.get("wording") in list_wordings():
            stamps.append(wording_path(kind["wording"]).stat().st_mtime)
        if kind.get("head") in list_heads():
            stamps.append(find_head(kind["head"]).stat().st_mtime)
        return json.dumps([plain, stamps], sort_keys=True)

    @classmethod
    def execute(cls, kind: dict[str, Any] | None = None) -> io.NodeOutput:
        if kind is None:  # what core passes for a kind that it does not know
            raise ConfigError(f"The kind of scorer is unknown. Known: {', '.join(KINDS)}.")
        return io.NodeOutput(SCORERS[kind["kind"]](kind))


def _progress_here() -> ProgressCallback:
    """Progress on the node that is asking, and ComfyUI's interrupt.

    The scorer is made by one node and used by others; the bar belongs to the user of the moment.
    """
    bars: dict[int, Any] = {}

    def watch(done: int, total: int) -> None:
        stop_if_interrupted()
        if total > 1:
            if done == 0 or total not in bars:
                bars.clear()
                bars[total] = comfy.utils.ProgressBar(total)
            bars[total].update_absolute(done, total)

    return watch


def _from_clip(kind: dict[str, Any]) -> Scorer:
    if kind["clip"] is None:
        raise ConfigError("The clip input is empty: connect a CLIP that holds a language model.")
    return _scorer(ClipLvlm(kind["clip"], prompts=chosen_prompts(kind, ClipLvlm.prompts)), kind)


def _from_folder(kind: dict[str, Any]) -> Scorer:
    name = kind["model"]
    lvlm = managed_lvlm(name, kind["adapter"], keep=kind["keep_loaded"])
    prompts = chosen_prompts(kind, lvlm.prompts)
    if prompts is not lvlm.prompts:
        lvlm = lvlm.asked_with(prompts)
    return _scorer(lvlm, kind, find_folder(name))


def _from_server(kind: dict[str, Any]) -> Scorer:
    from ..emofeedback.lvlm.server.endpoint import open_endpoint

    lvlm = open_endpoint(
        kind["url"],
        kind["model_name"],
        timeout_s=kind["timeout"],
        at_once=kind["at_once"],
        thought_tokens=kind.get("thought_tokens") or 0,
    )
    return _scorer(replace(lvlm, prompts=chosen_prompts(kind, lvlm.prompts)), kind)


def _embedded(_kind: dict[str, Any]) -> Scorer:
    from ..emofeedback.embedded.scorer import load_scorer

    return load_scorer()


def _two(kind: dict[str, Any]) -> Scorer:
    return PairedScorer(kind["first"], kind["second"])


def _head(kind: dict[str, Any]) -> Scorer:
    chosen = kind["encoder"]
    return head_scorer(kind["head"], "" if chosen == AS_FITTED else chosen, kind.get("clip_vision"))


SCORERS: dict[str, Callable[[dict[str, Any]], Scorer]] = {
    CLIP: _from_clip,
    MODEL_FOLDER: _from_folder,
    SERVER: _from_server,
    EMBEDDED: _embedded,
    TWO: _two,
    HEAD: _head,
}


def _scorer(lvlm: Lvlm, kind: dict[str, Any], folder: Path | None = None) -> Scorer:
    return LvlmScorer(
        lvlm,
        way=kind["reading"],
        calibration=chosen_calibration(kind["calibration"], folder),
        token_budget=kind["prompt_tokens"],
        watch=_progress_here(),
    )
