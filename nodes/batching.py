"""Lists of conditionings as one batch, and lists of pictures as one sheet."""

from __future__ import annotations

from typing import Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ..emofeedback.errors import ConfigError
from ..emofeedback.images import check_images
from ..emofeedback.pictures.sheet import LAYOUTS, emotion_sheet
from ..emofeedback.records.emotion import Emotion
from .widgets.sockets import CATEGORY, EmotionSocket


class BatchConditionings(io.ComfyNode):
    """Many conditionings, one run of the sampler."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmoFB_BatchConditionings",
            display_name="Batch Conditionings",
            category=CATEGORY,
            description="Turns a list of conditionings into one batch with as many latents, so "
            "that a sampler makes all pictures in one run, from the same noise if you like.",
            search_aliases=["conditioning batch", "prompt batch", "prompt travel", "same seed"],
            is_input_list=True,
            inputs=[
                io.Conditioning.Input(
                    "conditionings",
                    tooltip="A list, for example from Encode Emotion behind Emotion Path. All need "
                    "the same number of tokens.",
                ),
                io.Latent.Input(
                    "latent",
                    tooltip="One latent, which is repeated, or a batch with one for each "
                    "conditioning.",
                ),
                io.Boolean.Input(
                    "same_noise",
                    default=True,
                    tooltip="On: every picture starts from the same noise, so that only the "
                    "emotion differs. Off: each picture of the batch has noise of its own.",
                ),
            ],
            outputs=[
                io.Conditioning.Output(
                    display_name="conditioning", tooltip="For a sampler's positive input."
                ),
                io.Latent.Output(
                    display_name="latent", tooltip="For the same sampler's latent image."
                ),
            ],
        )

    @classmethod
    def execute(
        cls, conditionings: list[list[Any]], latent: list[dict[str, Any]], same_noise: list[bool]
    ) -> io.NodeOutput:
        if len(latent) != 1:
            raise ConfigError(
                f"{len(latent)} latents came as a list; connect a single one, for example an "
                "empty latent with batch size 1."
            )
        return io.NodeOutput(
            stack_conditionings(conditionings),
            repeat_latent(latent[0], len(conditionings), same_noise=same_noise[0]),
        )


class EmotionSheet(io.ComfyNode):
    """Pictures over the plane."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmoFB_EmotionSheet",
            display_name="Emotion Sheet",
            category=CATEGORY,
            description="A contact sheet: every picture at its valence and arousal, on axes, or "
            "all in order with their numbers.",
            search_aliases=["contact sheet", "xy plot", "emotion grid", "valence arousal plot"],
            is_input_list=True,
            inputs=[
                io.Image.Input("images", tooltip="The pictures, as a list or as one batch."),
                EmotionSocket.Input(
                    "emotions",
                    tooltip="The emotions they were made for, from Emotion Path or Emotion Grid.",
                ),
                io.Combo.Input(
                    "layout",
                    options=list(LAYOUTS),
                    default=LAYOUTS[0],
                    tooltip="'on the plane' draws the axes, and pictures of dense paths small; "
                    "'in order' shows them larger, row by row, with their numbers.",
                ),
                io.Int.Input(
                    "size",
                    default=1024,
                    min=320,
                    max=8192,
                    step=32,
                    tooltip="Width of the sheet in pixels.",
                ),
            ],
            outputs=[io.Image.Output(display_name="sheet", tooltip="The sheet as one picture.")],
        )

    @classmethod
    def execute(
        cls,
        images: list[Tensor],
        emotions: list[Emotion],
        layout: list[str],
        size: list[int],
    ) -> io.NodeOutput:
        pictures = _one_batch([check_images(batch) for batch in images])
        return io.NodeOutput(emotion_sheet(pictures, emotions, layout=layout[0], size=size[0]))


def stack_conditionings(conditionings: list[list[Any]]) -> list[Any]:
    """One conditioning whose row n is the n-th of a list.

    Raises: ConfigError: an empty one, or conditionings that differ in more than their numbers.
    """
    parts = {len(conditioning) for conditioning in conditionings}
    if parts != {len(conditionings[0])} or 0 in parts:
        raise ConfigError(
            f"The conditionings have {', '.join(map(str, sorted(parts)))} parts; a batch needs one "
            "or more in each, and as many in all. Connect them before any Conditioning Combine."
        )
    return [
        [
            _stacked([each[part][0] for each in conditionings], "tokens"),
            _stacked_extras([each[part][1] for each in conditionings]),
        ]
        for part in range(len(conditionings[0]))
    ]


def repeat_latent(latent: dict[str, Any], count: int, *, same_noise: bool) -> dict[str, Any]:
    """A latent for each of `count` conditionings; core draws noise by the batch index.

    Raises: ConfigError: a batch of neither one nor `count`.
    """
    samples = latent["samples"]
    if len(samples) not in (1, count):
        raise ConfigError(
            f"The latent is a batch of {len(samples)} for {count} conditionings. Connect a single "
            f"latent (batch size 1), which is repeated, or a batch of {count}."
        )
    repeated = {key: value for key, value in latent.items() if key != "batch_index"}
    repeated["samples"] = _repeated(samples, count)
    if "noise_mask" in latent and len(latent["noise_mask"]) == len(samples):
        repeated["noise_mask"] = _repeated(latent["noise_mask"], count)
    if same_noise:
        repeated["batch_index"] = [latent.get("batch_index", [0])[0]] * count
    return repeated


def _repeated(tensor: Tensor, count: int) -> Tensor:
    return tensor if len(tensor) == count else tensor.repeat(count, *[1] * (tensor.ndim - 1))


def _stacked_extras(extras: list[dict[str, Any]]) -> dict[str, Any]:
    """Tensors stacked; anything else has to be the same in all."""
    if any(set(extra) != set(extras[0]) for extra in extras):
        names = sorted(set().union(*extras) - set(extras[0]).intersection(*extras))
        raise ConfigError(f"Only some of the conditionings carry {', '.join(names)}. {_ONE_BY_ONE}")
    return {name: _joined(name, [extra[name] for extra in extras]) for name in extras[0]}


def _joined(name: str, values: list[Any]) -> Any:
    if all(value is values[0] for value in values):
        return values[0]
    if all(isinstance(value, Tensor) for value in values):
        return _stacked(values, name)
    if any(isinstance(value, Tensor) or value != values[0] for value in values):
        raise ConfigError(f"The conditionings differ in {name}. {_ONE_BY_ONE}")
    return values[0]


_ONE_BY_ONE = (
    "They cannot run as one batch. Connect the list straight to the sampler: it then runs once for "
    "each, and with one seed from the same noise too."
)


def _stacked(tensors: list[Tensor], name: str) -> Tensor:
    shapes = list(dict.fromkeys(tuple(tensor.shape) for tensor in tensors))
    if len(shapes) > 1 or shapes[0][0] != 1:
        told = ", ".join(" x ".join(map(str, shape)) for shape in shapes[:4])
        raise ConfigError(f"The conditionings differ in {name} ({told}). {_ONE_BY_ONE}")
    return torch.cat(tensors)


def _one_batch(batches: list[Tensor]) -> Tensor:
    sizes = list(dict.fromkeys((batch.shape[2], batch.shape[1]) for batch in batches))
    if len(sizes) > 1:
        told = ", ".join(f"{width} x {height}" for width, height in sizes[:4])
        raise ConfigError(f"The pictures have different sizes ({told}). Give all the same size.")
    return torch.cat(batches)
