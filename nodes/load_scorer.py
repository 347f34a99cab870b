"""One node for every scorer, whatever stands behind it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import comfy.utils
import folder_paths
from comfy_api.latest import io

from ..emofeedback.calibration import CALIBRATION_FILE, load_calibration
from ..emofeedback.errors import ConfigError
from ..emofeedback.lvlm import Lvlm, Watch
from ..emofeedback.lvlm_scorer import WAYS, LvlmScorer
from ..emofeedback.paired_scorer import PairedScorer
from ..emofeedback.scoring import Calibration, Scorer
from .comfy_bridge import stop_if_interrupted
from .lvlm_clip import ClipLvlm
from .lvlm_folder import (
    FOLDER,
    MISSING,
    NONE,
    find_folder,
    list_folders,
    managed_lvlm,
    newest_change,
    register_folder,
)
from .sockets import SCORE_CATEGORY, ScorerSocket

CLIP, MODEL_FOLDER, SERVER, EMBEDDED, TWO = KINDS = (
    "ComfyUI CLIP",
    "model folder",
    "server",
    "embedded",
    "two scorers",
)
BESIDE_MODEL = "beside the model"


class LoadEmotionScorer(io.ComfyNode):
    """A scorer from a CLIP, a folder, a server, the pack itself, or two others."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        register_folder()
        return io.Schema(
            node_id="EmoFB_LoadEmotionScorer",
            display_name="Load Emotion Scorer",
            category=SCORE_CATEGORY,
            description="A vision-language model that reads emotions from pictures and rewrites "
            "prompts: one that ComfyUI has loaded as a CLIP, a transformers folder, a server, or "
            "the small one that ships.",
            search_aliases=["vlm", "lvlm", "qwen vl", "gemma", "ollama", "vllm", "openai"],
            inputs=[
                io.DynamicCombo.Input(
                    "kind",
                    options=[
                        io.DynamicCombo.Option(CLIP, clip_inputs()),
                        io.DynamicCombo.Option(MODEL_FOLDER, folder_inputs()),
                        io.DynamicCombo.Option(SERVER, server_inputs()),
                        io.DynamicCombo.Option(EMBEDDED, []),
                        io.DynamicCombo.Option(TWO, two_inputs()),
                    ],
                    tooltip="Where the model runs. 'ComfyUI CLIP' is recommended: no second copy "
                    "of the model, and ComfyUI owns its memory.",
                ),
            ],
            outputs=[
                ScorerSocket.Output(
                    display_name="scorer",
                    tooltip="For Score Emotion, Score Round, Refine Round and the loop.",
                )
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, kind: dict[str, Any]) -> Any:
        plain = {
            name: value for name, value in kind.items() if isinstance(value, str | int | float)
        }
        stamps = []
        if kind.get("model") in list_folders("models"):
            stamps.append(newest_change(find_folder(kind["model"])))
        if kind.get("calibration") in list_calibrations():
            stamps.append(_calibration_path(kind["calibration"]).stat().st_mtime)
        return json.dumps([plain, stamps], sort_keys=True)

    @classmethod
    def execute(cls, kind: dict[str, Any]) -> io.NodeOutput:
        return io.NodeOutput(SCORERS[kind["kind"]](kind))


def clip_inputs() -> list[io.Input]:
    """A CLIP that generates."""
    return [
        io.Clip.Input(
            "clip",
            tooltip="From CLIPLoader: Qwen3.5, Qwen3-VL, or Gemma 3 or 4 with vision.",
        ),
        *reading_inputs(),
    ]


def folder_inputs() -> list[io.Input]:
    """A transformers folder with an adapter."""
    return [
        io.Combo.Input(
            "model",
            options=list_folders("models") or [MISSING],
            tooltip=f"A folder in models/{FOLDER} (or where extra_model_paths.yaml says "
            f"'{FOLDER}') that holds a transformers vision-language model.",
        ),
        io.Combo.Input(
            "adapter",
            options=[NONE, *list_folders("adapters")],
            default=NONE,
            tooltip="A peft adapter, as training writes it; it is merged into the model.",
        ),
        io.Boolean.Input(
            "keep_loaded",
            default=True,
            tooltip="Off: leaves the GPU after every use, for a generator that needs the room. On: "
            "stays until ComfyUI needs the memory or you unload models.",
        ),
        *reading_inputs(),
    ]


def server_inputs() -> list[io.Input]:
    """An OpenAI-compatible server."""
    return [
        io.String.Input(
            "url",
            default="http://127.0.0.1:8000/v1",
            tooltip="An OpenAI-compatible server on this computer. Others must be allowed by the "
            "environment variable EMOFEEDBACK_ALLOWED_SERVERS=host:port; a key comes from "
            "EMOFEEDBACK_API_KEY only.",
        ),
        io.String.Input("model_name", default="", tooltip="The model's name on the server."),
        io.Float.Input(
            "timeout",
            default=120.0,
            min=1.0,
            max=3600.0,
            step=1.0,
            round=0.1,
            tooltip="Seconds for one question, repeated tries included.",
        ),
        io.Int.Input(
            "at_once", default=4, min=1, max=64, tooltip="Questions sent at the same time."
        ),
        *reading_inputs(),
    ]


def two_inputs() -> list[io.Input]:
    """Two other scorers."""
    return [
        ScorerSocket.Input("first", tooltip="Reads, explains and rewrites."),
        ScorerSocket.Input(
            "second",
            tooltip="A second opinion; the reading is the mean, and says how far they differ.",
        ),
    ]


def reading_inputs() -> list[io.Input]:
    """How a language model reads."""
    return [
        io.Combo.Input(
            "reading",
            options=list(WAYS),
            default=WAYS[0],
            tooltip="'expected value' weighs all ratings by their likelihood in one pass: "
            "continuous and quick. 'reasoned' lets the model think in writing: slower, coarser.",
        ),
        io.Combo.Input(
            "calibration",
            options=[BESIDE_MODEL, NONE, *list_calibrations()],
            default=BESIDE_MODEL,
            tooltip=f"A JSON file in models/{FOLDER} that `python -m emofeedback calibrate` wrote. "
            f"'{BESIDE_MODEL}' uses {CALIBRATION_FILE} in the model's folder where there is one.",
        ),
        io.Int.Input(
            "prompt_tokens",
            default=150,
            min=20,
            max=2000,
            tooltip="When it rewrites prompts: the most tokens of the whole prompt (75 for "
            "generators with CLIP alone).",
        ),
    ]


def list_calibrations() -> list[str]:
    """Names of the JSON files right in the registered folders."""
    roots = map(Path, folder_paths.get_folder_paths(FOLDER))
    return sorted({path.name for root in roots for path in root.glob("*.json")})


def watch_here() -> Watch:
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
    return _scorer(ClipLvlm(kind["clip"]), kind)


def _from_folder(kind: dict[str, Any]) -> Scorer:
    name = kind["model"]
    return _scorer(
        managed_lvlm(name, kind["adapter"], keep=kind["keep_loaded"]),
        kind,
        find_folder(name) / CALIBRATION_FILE,
    )


def _from_server(kind: dict[str, Any]) -> Scorer:
    from ..emofeedback.backends.endpoint import open_endpoint

    lvlm = open_endpoint(
        kind["url"], kind["model_name"], timeout_s=kind["timeout"], at_once=kind["at_once"]
    )
    return _scorer(lvlm, kind)


def _embedded(kind: dict[str, Any]) -> Scorer:
    from ..emofeedback.embedded.scorer import load_scorer

    return load_scorer()


def _two(kind: dict[str, Any]) -> Scorer:
    return PairedScorer(kind["first"], kind["second"])


SCORERS: dict[str, Callable[[dict[str, Any]], Scorer]] = {
    CLIP: _from_clip,
    MODEL_FOLDER: _from_folder,
    SERVER: _from_server,
    EMBEDDED: _embedded,
    TWO: _two,
}


def _scorer(lvlm: Lvlm, kind: dict[str, Any], beside: Path | None = None) -> Scorer:
    return LvlmScorer(
        lvlm,
        way=kind["reading"],
        calibration=_calibration(kind["calibration"], beside),
        token_budget=kind["prompt_tokens"],
        watch=watch_here(),
    )


def _calibration(name: str, beside: Path | None) -> Calibration | None:
    if name == BESIDE_MODEL:
        return load_calibration(beside) if beside is not None and beside.is_file() else None
    return None if name == NONE else load_calibration(_calibration_path(name))


def _calibration_path(name: str) -> Path:
    if name not in list_calibrations():
        raise ConfigError(
            f"There is no calibration {name!r} in models/{FOLDER} (there: "
            f"{', '.join(list_calibrations()) or 'none'}). Make one with "
            "`python -m emofeedback calibrate`."
        )
    roots = map(Path, folder_paths.get_folder_paths(FOLDER))
    return next(root / name for root in roots if (root / name).is_file())
