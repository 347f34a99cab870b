"""KSampler that also steers towards an emotion."""

from __future__ import annotations

from typing import Any

import comfy.samplers
from comfy_api.latest import io

from ..emofeedback.control.mixing import Entry
from .widgets.names import EMOTION_SAMPLER
from .widgets.sockets import MAX_SEED, STEER_CATEGORY
from .widgets.steering import (
    anchors_input,
    negative_input,
    negative_or,
    positive_input,
    steered_conditioning,
    steering_from,
    steering_inputs,
)


class EmotionSampler(io.ComfyNode):
    """From latent to latent, towards an emotion."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmoFB_EmotionSampler",
            display_name=EMOTION_SAMPLER,
            category=STEER_CATEGORY,
            description="KSampler that steers towards an emotion by mixing what the model predicts "
            "for extreme versions of the prompt. With denoise below 1 it changes the feeling of an "
            "existing picture. With strength 0 it is exactly KSampler.",
            search_aliases=["ksampler", "sampler", "img2img", "change the mood", "anchors"],
            inputs=[
                io.Model.Input("model", tooltip="Any model that ComfyUI samples."),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=MAX_SEED,
                    control_after_generate=True,
                    tooltip="The random seed of the noise.",
                ),
                io.Int.Input("steps", default=20, min=1, max=10000, tooltip="Sampler steps."),
                io.Float.Input(
                    "cfg",
                    default=5.0,
                    min=0.0,
                    max=100.0,
                    step=0.1,
                    round=0.01,
                    tooltip="How closely the words are followed; 1 for models with baked-in "
                    "guidance.",
                ),
                io.Combo.Input(
                    "sampler_name",
                    options=comfy.samplers.KSampler.SAMPLERS,
                    tooltip="The sampling method, as in KSampler.",
                ),
                io.Combo.Input(
                    "scheduler",
                    options=comfy.samplers.KSampler.SCHEDULERS,
                    tooltip="How the noise is taken away over the steps, as in KSampler.",
                ),
                positive_input(),
                io.Latent.Input(
                    "latent_image",
                    tooltip="Empty for a new picture; VAE Encode of a picture to change its "
                    "feeling, with denoise below 1.",
                ),
                io.Float.Input(
                    "denoise",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="How much of the latent is made anew; 1 is all.",
                ),
                *steering_inputs(),
                negative_input(),
                anchors_input(),
            ],
            outputs=[io.Latent.Output(display_name="latent", tooltip="For VAE Decode.")],
        )

    @classmethod
    def execute(
        cls,
        model: Any,
        seed: int,
        steps: int,
        cfg: float,
        sampler_name: str,
        scheduler: str,
        positive: list[Entry],
        latent_image: dict[str, Any],
        denoise: float,
        negative: list[Entry] | None = None,
        anchors: list[Entry] | None = None,
        **widgets: Any,
    ) -> io.NodeOutput:
        from nodes import common_ksampler  # ComfyUI's own: previews, noise mask, batch index

        plain, steered = steered_conditioning(positive, anchors, steering_from(widgets))
        sampled = common_ksampler(
            model,
            seed,
            steps,
            cfg,
            sampler_name,
            scheduler,
            steered,
            negative_or(plain, negative, cfg),
            latent_image,
            denoise=denoise,
        )
        return io.NodeOutput(sampled[0])
