"""Emotion checkpoints that training wrote: the adapter to the CLIP, the LoRA to the MODEL."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from pathlib import Path
from typing import Any

import folder_paths
from comfy_api.latest import io

from ..emofeedback.control.checkpoint import find_partner, load_adapter, read_facts
from ..emofeedback.errors import CheckpointError, ConfigError
from ..emofeedback.records.weights import read_file, read_header
from .comfy.bridge import show_text
from .comfy.embedded_models import attach_adapter, attached_adapter
from .comfy.model_folders import EMOTION
from .widgets.names import ENCODE_EMOTION, LOAD_CHECKPOINT
from .widgets.sockets import CATEGORY

log = logging.getLogger(__name__)

ENDING = "_emotion.safetensors"


class LoadCheckpoint(io.ComfyNode):
    """An emotion checkpoint on a MODEL and its CLIP."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmoFB_LoadCheckpoint",
            display_name=LOAD_CHECKPOINT,
            category=CATEGORY,
            description="Puts an emotion checkpoint of this project's training on a model: the "
            f"LoRA into the MODEL, the emotion adapter onto the CLIP, where {ENCODE_EMOTION} finds "
            "it. The adapter lies in models/emotion, its LoRA beside it or in models/loras.",
            search_aliases=["emotion lora", "emotion adapter", "load checkpoint", "rl"],
            inputs=[
                io.Model.Input("model", tooltip="A model of the family the checkpoint names."),
                io.Clip.Input("clip", tooltip="The model's text encoder."),
                io.Combo.Input(
                    "name",
                    options=[
                        name for name in folder_paths.get_filename_list(EMOTION)
                        if name.endswith(ENDING)
                    ],
                    tooltip="A file NAME_emotion.safetensors in models/emotion.",
                ),
                io.Float.Input(
                    "strength_model", default=1.0, min=0.0, max=2.0, step=0.05, round=0.01,
                    tooltip="How much of the LoRA; 0 leaves the model as it is.",
                ),
                io.Float.Input(
                    "strength_emotion", default=1.0, min=0.0, max=2.0, step=0.05, round=0.01,
                    tooltip="0 leaves the CLIP as it is; above, it carries the adapter, and "
                    f"{ENCODE_EMOTION}'s strength is multiplied by this.",
                ),
            ],
            outputs=[
                io.Model.Output(display_name="model", tooltip="With the LoRA."),
                io.Clip.Output(display_name="clip", tooltip="With the adapter."),
                io.String.Output(
                    display_name="metadata", tooltip="What the checkpoint says of itself, as JSON."
                ),
            ],
        )  # fmt: skip

    @classmethod
    def fingerprint_inputs(cls, name: str, **_: Any) -> str:
        path = folder_paths.get_full_path(EMOTION, name)
        if path is None:
            return ""
        stat = Path(path).stat()
        return hashlib.sha256(f"{path}{stat.st_mtime_ns}{stat.st_size}".encode()).hexdigest()

    @classmethod
    def execute(
        cls, model: Any, clip: Any, name: str, strength_model: float, strength_emotion: float
    ) -> io.NodeOutput:
        path = _full_path(name)
        adapter = load_adapter(path)
        if strength_emotion:
            _check_widths(clip, adapter, path)
            clip = attach_adapter(clip, adapter, strength=strength_emotion)
        if strength_model:
            model = _with_lora(model, path, strength_model)
        facts = read_facts(path)
        told = f"{path.name} {facts.outdated}" if facts.outdated else ""
        if facts.network:
            told = (
                f"{path.name} was trained with a network of its own: load that of the run's folder "
                f"{facts.network[:80]} as the model here."
            )
        if told:
            log.warning(told)
            show_text(told)
        record = {
            "base_family": facts.base_family,
            "trained": facts.trained,
            "config_hash": facts.config_hash,
            "evaluation": dict(facts.evaluation),
        }
        return io.NodeOutput(model, clip, json.dumps(record, indent=1))


def _full_path(name: str) -> Path:
    path = folder_paths.get_full_path(EMOTION, name)
    if path is None:
        raise ConfigError(
            f"There is no {name!r} in models/{EMOTION}. Copy the checkpoint's two files there, and "
            "press R to see them."
        )
    return Path(path)


def _with_lora(model: Any, adapter_path: Path, strength: float) -> Any:
    """The MODEL with the checkpoint's LoRA, by ComfyUI's own loader.

    Raises: CheckpointError: the LoRA fits no layer of this model, which is of another family.
    """
    import comfy.sd

    lora_path = _find_lora(adapter_path)
    if lora_path is None:
        return model
    _check_shapes(model, lora_path)
    tensors, _ = read_file(lora_path)
    for key, value in tensors.items():
        if not value.isfinite().all():
            raise CheckpointError(
                f"{lora_path.name} holds numbers that are not finite ({key}): its training "
                "diverged, or the copy is damaged. Take an earlier checkpoint, or copy it again."
            )
    patched, _ = comfy.sd.load_lora_for_models(model, None, tensors, strength, 0)
    if not _gained(model, patched):
        family = read_facts(adapter_path).base_family
        raise CheckpointError(
            f"{lora_path.name} was trained on the family {family!r} and fits no layer of this "
            "model. Load a model of that family."
        )
    return patched


def _check_shapes(model: Any, lora_path: Path) -> None:
    """Raises: CheckpointError: a pair of tensors does not fit the layer that it names."""
    import comfy.lora

    shapes = {key: entry["shape"] for key, entry in read_header(lora_path).tensors.items()}
    layers = comfy.lora.model_lora_keys_unet(model.model, {})
    weights = model.model.state_dict()
    for stem in sorted({key.rpartition(".lora_")[0] for key in shapes}):
        if stem not in layers:
            continue
        layer = layers[stem]
        key, part = layer if isinstance(layer, tuple) else (layer, None)
        wanted = list(weights[key].shape)
        if part is not None:  # a slice along one dimension, as of q in q, k and v
            wanted[part[0]] = part[2]
        down, up = (shapes.get(f"{stem}.lora_{half}.weight", []) for half in "AB")
        ranks_meet = len(down) == len(up) == 2 and down[0] == up[1]
        if not ranks_meet or [up[0], down[1]] != [wanted[0], math.prod(wanted[1:])]:
            raise CheckpointError(
                f"{lora_path.name} does not fit this model: {stem} has the shapes {up} and {down}, "
                f"its layer {wanted}. Load a model of the family that it was trained on."
            )


def _gained(model: Any, patched: Any) -> bool:
    """Whether any layer has more patches than before."""
    return any(len(each) > len(model.patches.get(key, ())) for key, each in patched.patches.items())


def _find_lora(adapter_path: Path) -> Path | None:
    """The checkpoint's LoRA: beside the adapter or in models/loras; None if it was made without.

    Raises: CheckpointError: the adapter names a LoRA that is nowhere.
    """
    if "lora_sha256" not in read_header(adapter_path).metadata:
        return None
    names = folder_paths.get_filename_list("loras")  # of subfolders, too
    paths = [folder_paths.get_full_path("loras", name) for name in names]
    found = find_partner(adapter_path) or find_partner(
        adapter_path, among=[Path(path) for path in paths if path]
    )
    if found is not None:
        return found
    raise CheckpointError(
        f"{adapter_path.name} belongs to a LoRA that is neither beside it nor in models/loras. "
        f"Copy {adapter_path.name.replace(ENDING, '_lora.safetensors')} there."
    )


def _check_widths(clip: Any, adapter: Any, path: Path) -> None:
    """Raises: CheckpointError: the CLIP carries an adapter of other widths, so it cannot fit."""
    present = attached_adapter(clip)
    if present is None:
        return
    wanted = (adapter.context_width, adapter.pooled_width)
    if wanted != (present.context_width, present.pooled_width):
        raise CheckpointError(
            f"{path.name} is made for text embeddings of width {wanted[0]} and "
            f"{wanted[1]} (family {read_facts(path).base_family!r}); this CLIP's adapter has "
            f"{present.context_width} and {present.pooled_width}. Load the CLIP of that family."
        )
