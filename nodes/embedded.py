"""The models that ship with the pack, in one node."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from .comfy.embedded_models import file_stamps, load_embedded_models
from .widgets.names import ENCODE_EMOTION, LOAD_EMBEDDED
from .widgets.sockets import CATEGORY, ScorerSocket


class LoadEmbedded(io.ComfyNode):
    """Generator, text encoder, VAE and scorer of the drawn world."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmoFB_LoadEmbedded",
            display_name=LOAD_EMBEDDED,
            category=CATEGORY,
            description="Loads the small models that ship with EmoFeedback: they draw a world of "
            "simple places and subjects, read its emotions, and run on any computer. All outputs "
            "work with ComfyUI's own nodes.",
            search_aliases=["load embedded models", "drawn world", "checkpoint loader", "demo"],
            inputs=[],
            outputs=[
                io.Model.Output(display_name="model", tooltip="The generator, for any sampler."),
                io.Clip.Output(
                    display_name="clip",
                    tooltip=f"The text encoder, with the emotion adapter for {ENCODE_EMOTION}.",
                ),
                io.Vae.Output(display_name="vae", tooltip="Decodes the generator's latents."),
                ScorerSocket.Output(
                    display_name="scorer", tooltip="Reads emotions and rewrites prompts."
                ),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls) -> Any:
        return str(file_stamps())

    @classmethod
    def execute(cls) -> io.NodeOutput:
        from ..emofeedback.embedded.scorer import load_scorer

        models = load_embedded_models(file_stamps())
        return io.NodeOutput(models.model, models.clip, models.vae, load_scorer())
