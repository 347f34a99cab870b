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
from .comfy.conditioning_batch import repeat_latent, stack_conditionings
from .widgets.names import (
    BATCH_CONDITIONINGS,
    EMOTION_GRID,
    EMOTION_PATH,
    EMOTION_SHEET,
    ENCODE_EMOTION,
)
from .widgets.sockets import CATEGORY, EmotionSocket


class BatchConditionings(io.ComfyNode):
    """Many conditionings, one run of the sampler."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmoFB_BatchConditionings",
            display_name=BATCH_CONDITIONINGS,
            category=CATEGORY,
            description="Turns a list of conditionings into one batch with as many latents, so "
            "that a sampler makes all pictures in one run, from the same noise if you like.",
            search_aliases=["conditioning batch", "prompt batch", "prompt travel", "same seed"],
            is_input_list=True,
            inputs=[
                io.Conditioning.Input(
                    "conditionings",
                    tooltip=f"A list, for example from {ENCODE_EMOTION} behind {EMOTION_PATH}. All "
                    "need the same number of tokens.",
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
            display_name=EMOTION_SHEET,
            category=CATEGORY,
            description="A contact sheet: every picture at its valence and arousal, on axes, or "
            "all in order with their numbers.",
            search_aliases=["contact sheet", "xy plot", "emotion grid", "valence arousal plot"],
            is_input_list=True,
            inputs=[
                io.Image.Input("images", tooltip="The pictures, as a list or as one batch."),
                EmotionSocket.Input(
                    "emotions",
                    tooltip=f"The emotions they were made for, from {EMOTION_PATH} or "
                    f"{EMOTION_GRID}.",
                ),
                io.Combo.Input(
                    "layout",
                    options=list(LAYOUTS),
                    default=LAYOUTS[0],
                    tooltip="'on the plane' draws the axes, and pictures of dense paths small; "
                    "'in order' shows them larger, row by row, with their numbers; 'sorted' has "
                    "the most activated above and the most pleasant on the right.",
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


def _one_batch(batches: list[Tensor]) -> Tensor:
    sizes = list(dict.fromkeys((batch.shape[2], batch.shape[1]) for batch in batches))
    if len(sizes) > 1:
        told = ", ".join(f"{width} x {height}" for width, height in sizes[:4])
        raise ConfigError(f"The pictures have different sizes ({told}). Give all the same size.")
    return torch.cat(batches)
