"""The widgets of each kind of scorer, and what can be wrong with their values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from comfy_api.latest import io

from ...emofeedback.errors import CheckpointError, ConfigError
from ...emofeedback.reading.scorer import WAYS
from ..comfy.folder_lvlm import MISSING, NONE, find_folder, list_folders
from ..comfy.heads import find_head, list_encoders, list_heads
from ..comfy.model_folders import EMOTION, LVLM
from .calibration import calibration_input
from .sockets import ScorerSocket
from .wording import SHIPPED, list_wordings, wording_input, wording_path

CLIP, MODEL_FOLDER, SERVER, EMBEDDED, TWO, HEAD = KINDS = (
    "ComfyUI CLIP",
    "model folder",
    "server",
    "embedded",
    "two scorers",
    "picture encoder + head",
)
MISSING_HEAD = "(no head found)"
AS_FITTED = "as the head says"


def clip_inputs() -> list[io.Input]:
    """A CLIP that generates."""
    return [
        io.Clip.Input(
            "clip",
            tooltip="From CLIPLoader: Qwen3.5, Qwen3-VL, or Gemma 3 or 4 with vision.",
        ),
        *reading_inputs(),
        wording_input(),
    ]


def folder_inputs() -> list[io.Input]:
    """A transformers folder with an adapter."""
    return [
        io.Combo.Input(
            "model",
            options=list_folders("models") or [MISSING],
            tooltip=f"A folder in models/{LVLM} (or where extra_model_paths.yaml says "
            f"'{LVLM}') that holds a transformers vision-language model.",
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
        wording_input(),
    ]


def server_inputs() -> list[io.Input]:
    """An OpenAI-compatible server."""
    return [
        io.String.Input(
            "url",
            default="http://127.0.0.1:8000/v1",
            tooltip="An OpenAI-compatible server on this computer. Others must be allowed by the "
            "environment variable EMOFEEDBACK_ALLOWED_SERVERS=host:port; a key comes from "
            "EMOFEEDBACK_API_KEY or the file EMOFEEDBACK_KEY_FILE only.",
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
        io.Int.Input(
            "thought_tokens",
            default=0,
            min=0,
            max=32_768,
            optional=True,  # graphs of before do not name it
            advanced=True,
            tooltip="Tokens that a thinking model may spend before each written answer. 0 asks it "
            "not to think. Ratings by expected value are always asked for without a thought.",
        ),
        wording_input(),
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


def head_inputs() -> list[io.Input]:
    """A head with what it reads by."""
    return [
        io.Combo.Input(
            "head",
            options=list_heads() or [MISSING_HEAD],
            tooltip=f"A file in models/{EMOTION}/heads that `python -m emofeedback fit` wrote.",
        ),
        io.Combo.Input(
            "encoder",
            options=[AS_FITTED, *list_encoders()],
            default=AS_FITTED,
            tooltip="The picture encoder that the head was fitted on: a folder or ONNX file in "
            f"models/{EMOTION}/encoders, or a file in models/clip_vision. '{AS_FITTED}' looks "
            "there for the name that the head knows.",
        ),
        io.ClipVision.Input(
            "clip_vision",
            optional=True,
            tooltip="From Load CLIP Vision, where the head was fitted on one; it then reads in "
            "the place of the file of that name.",
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
        calibration_input(),
        io.Int.Input(
            "prompt_tokens",
            default=150,
            min=20,
            max=2000,
            tooltip="When it rewrites prompts: the most tokens of the whole prompt (75 for "
            "generators with CLIP alone).",
        ),
    ]


INPUTS: dict[str, Callable[[], list[io.Input]]] = {
    CLIP: clip_inputs,
    MODEL_FOLDER: folder_inputs,
    SERVER: server_inputs,
    EMBEDDED: list,
    TWO: two_inputs,
    HEAD: head_inputs,
}


def problem_with(kind: dict[str, Any]) -> str:
    """What is wrong with the widgets of a kind, empty if nothing is."""
    for item in INPUTS.get(kind.get("kind", ""), list)():
        value, options = kind.get(item.id), getattr(item, "options", None)
        low, high = getattr(item, "min", None), getattr(item, "max", None)
        if value is None:  # a link, or a default
            continue
        if item.id == "model" and value not in list_folders("models"):
            return _missing(find_folder, value)
        if item.id == "wording" and value != SHIPPED and value not in list_wordings():
            return _missing(wording_path, value)
        if item.id == "head" and value not in list_heads():
            return _missing(find_head, value)
        if options is not None and value not in options:
            return f"{item.id} is {value!r}. Known: {', '.join(map(str, options))}."
        if low is not None and not low <= value <= high:
            return f"{item.id} is {value}; set it from {low:g} to {high:g}."
    return ""


def _missing(find: Callable[[str], Path], name: str) -> str:
    try:
        find(name)
    except (CheckpointError, ConfigError) as error:
        return str(error)
    return ""
