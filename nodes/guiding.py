"""Emotion at sampling time: as a guider, and as a patch of the MODEL."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import comfy.patcher_extension
import comfy.samplers
from comfy_api.latest import io

from ..emofeedback.control.mixing import Entry
from .comfy.conditioning_checks import checked_conditioning
from .comfy.steering import Steering, anchored, required_anchors, steer
from .widgets.names import EMOTION_GUIDER, EMOTION_MODEL_PATCH
from .widgets.sockets import STEER_CATEGORY
from .widgets.steering import (
    anchors_input,
    negative_input,
    negative_or,
    positive_input,
    steered_conditioning,
    steering_from,
    steering_inputs,
)

PATCH_KEY = "emofb_emotion"
EMBEDDING = "cross_attn"


class EmotionGuider(io.ComfyNode):
    """CFG Guider that also steers towards an emotion."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmoFB_EmotionGuider",
            display_name=EMOTION_GUIDER,
            category=STEER_CATEGORY,
            description="CFG Guider for Sampler Custom Advanced that steers towards an emotion by "
            "mixing what the model predicts for extreme versions of the prompt. Needs no training. "
            "With strength 0 it is exactly CFG Guider.",
            search_aliases=["cfg guider", "emotion guidance", "anchors", "mood", "sampler custom"],
            inputs=[
                io.Model.Input("model", tooltip="Any model that ComfyUI samples."),
                positive_input(),
                io.Float.Input(
                    "cfg",
                    default=5.0,
                    min=0.0,
                    max=100.0,
                    step=0.1,
                    round=0.01,
                    tooltip="As in CFG Guider; 1 for models with baked-in guidance.",
                ),
                *steering_inputs(),
                negative_input(),
                anchors_input(),
            ],
            outputs=[
                io.Guider.Output(display_name="guider", tooltip="For Sampler Custom Advanced.")
            ],
        )

    @classmethod
    def execute(
        cls,
        model: Any,
        positive: list[Entry],
        cfg: float,
        negative: list[Entry] | None = None,
        anchors: list[Entry] | None = None,
        **widgets: Any,
    ) -> io.NodeOutput:
        plain, steered = steered_conditioning(positive, anchors, steering_from(widgets))
        guider = comfy.samplers.CFGGuider(model)
        guider.set_conds(steered, negative_or(plain, negative, cfg))
        guider.set_cfg(cfg)
        return io.NodeOutput(guider)


class EmotionModelPatch(io.ComfyNode):
    """A MODEL that steers towards an emotion in every sampler."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmoFB_EmotionModelPatch",
            display_name=EMOTION_MODEL_PATCH,
            category=STEER_CATEGORY,
            description="Makes every sampler steer towards an emotion: the positive conditioning "
            "that it gets is moved by its anchors. Needs no training and leaves the incoming model "
            "as it is.",
            search_aliases=["emotion guidance", "patch model", "anchors", "mood"],
            inputs=[
                io.Model.Input("model", tooltip="Any model that ComfyUI samples."),
                *steering_inputs(),
                anchors_input(),
            ],
            outputs=[io.Model.Output(display_name="model", tooltip="For any sampler or guider.")],
        )

    @classmethod
    def execute(
        cls, model: Any, anchors: list[Entry] | None = None, **widgets: Any
    ) -> io.NodeOutput:
        how = steering_from(widgets)
        if anchors is not None:
            required_anchors(anchors)
        return io.NodeOutput(model if how.off else _patched_model(model, how, anchors))


def _patched_model(model: Any, how: Steering, anchors: list[Entry] | None = None) -> Any:
    """A clone of the MODEL that steers each sampler's positive conditioning.

    It replaces an earlier patch of this kind: two emotions at once have no meaning.
    """
    patched, kind = model.clone(), comfy.patcher_extension.WrappersMP.OUTER_SAMPLE
    patched.remove_wrappers_with_key(kind, PATCH_KEY)
    patched.add_wrapper_with_key(kind, PATCH_KEY, _steer_samples(how, anchors))
    return patched


def _steer_samples(how: Steering, anchors: list[Entry] | None) -> Callable[..., Any]:
    def sample(executor: Any, *args: Any, **kwargs: Any) -> Any:
        # the guider made these conditionings for this run alone, and drops them after it
        conds = executor.class_obj.conds
        positive = [_entry_of(cond) for cond in conds.get("positive") or ()]
        plain = checked_conditioning(positive, "positive")
        steered = steer(anchored(plain, anchors), how)
        conds["positive"] = [_cond_of(entry) for entry in steered]
        return executor(*args, **kwargs)

    return sample


def _entry_of(cond: dict[str, Any]) -> Entry:
    """ComfyUI's converted conditioning back in the form that artists connect."""
    extra = {key: value for key, value in cond.items() if key != EMBEDDING}
    return [cond.get(EMBEDDING), extra]


def _cond_of(entry: Entry) -> dict[str, Any]:
    context, extra = entry
    # of its own: caches of other packs tell conditionings apart by this id
    return {**extra, EMBEDDING: context, "uuid": uuid.uuid4()}
