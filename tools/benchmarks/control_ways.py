"""The ways to an emotion that the control benchmark compares, each through the nodes themselves."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from emofeedback.embedded.autoencoder import encode, load_autoencoder  # noqa: E402
from tools.help.pack import PACK, load_pack  # noqa: E402

CFG, SIDE = 3.0, 32
NEUTRAL = "neutral"
WINDOW = (0.0, 0.5)
SETTINGS = ("strength", "start_percent", "end_percent")


@dataclass(frozen=True)
class Point:
    """An emotion and how strongly it is asked for."""

    valence: float
    arousal: float
    strength: float = 1.0


@dataclass(frozen=True)
class Workbench:
    """ComfyUI's nodes, ours, and the embedded models."""

    core: Any
    ours: dict[str, Any]
    model: Any
    clip: Any
    stack: Callable[[list[list[Any]]], list[Any]]
    """Conditionings -> one, whose rows they are."""
    steer: Callable[[list[Any], Any, Any], tuple[Any, list[Any]]]
    """What Emotion Sampler, Guider and Model Patch do to a conditioning."""
    how: Callable[[dict[str, Any]], Any]
    steps: int = 20

    @cached_property
    def negative(self) -> list[Any]:
        """What every sampling is kept away from: no words."""
        return self.encode("")

    def encode(self, prompt: str) -> list[Any]:
        """Stock CLIP Text Encode."""
        return list(self.core.CLIPTextEncode().encode(self.clip, prompt)[0])

    def run(self, node: str, *args: Any, **inputs: Any) -> Any:
        """The first output of one of our nodes."""
        return self.ours[f"EmoFB_{node}"].execute(*args, **inputs).args[0]

    def stock(
        self, positive: list[Any], seed: int, noises: Sequence[int] = (0,), model: Any = None
    ) -> Tensor:
        """Latents of a stock KSampler, one for each number of a noise of the seed."""
        latent = {"samples": torch.zeros(len(noises), 16, SIDE, SIDE), "batch_index": noises}
        made: list[dict[str, Tensor]] = self.core.KSampler().sample(
            model or self.model, seed, self.steps, CFG, "euler", "simple", positive, self.negative,
            latent,
        )  # fmt: skip
        return made[0]["samples"]

    def pictures(self, positives: list[list[Any]], seed: int, noises: list[int]) -> Tensor:
        """[N, H, W, 3] in 0..1, for the judge; nothing that is timed goes this way.

        Conditionings with entries of the same strengths run as one batch, and all in bfloat16 with
        channels last in the decoder: nearly twice as fast, and the judged emotion moves by 0.02.
        """
        batches: dict[tuple[Any, ...], list[int]] = {}
        for place, positive in enumerate(positives):
            alike = tuple(tuple(extra.get(key) for key in SETTINGS) for _, extra in positive)
            batches.setdefault(alike, []).append(place)
        made: dict[int, Tensor] = {}
        for places in batches.values():
            stacked = self.stack([positives[place] for place in places])
            with torch.autocast("cpu", torch.bfloat16):
                latents = self.stock(stacked, seed, [noises[place] for place in places])
            made |= {place: decoded(latents[n : n + 1]) for n, place in enumerate(places)}
        return torch.cat([made[place] for place in range(len(positives))])

    def changed(
        self, images: Tensor, prompt: str, points: list[Point], denoise: float, seed: int
    ) -> Tensor:
        """What Emotion Sampler makes of a picture [1, H, W, 3]: one for each point, in 0..1."""
        anchors = self.run("EncodeAnchors", self.clip, prompt, "8", "")
        made = [
            self.run(
                "EmotionSampler", self.model, seed, self.steps, CFG, "euler", "simple", anchors,
                {"samples": encode(images)}, denoise, self.negative, **steering(point),
            )["samples"]
            for point in points
        ]  # fmt: skip
        return torch.cat(list(map(decoded, made)))


def decoded(latents: Tensor) -> Tensor:
    """[B, H, W, 3] in 0..1; pixels move by 0.002 against float32."""
    decoder = load_autoencoder().to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        pixels: Tensor = decoder.decode(latents).sample
    return (pixels.float() / 2 + 0.5).clamp(0, 1).movedim(1, -1)


def load_workbench(tree: Path, steps: int) -> Workbench:
    """ComfyUI in this process on the CPU, as the tests load it, and the shipped models."""
    ours, core = load_pack(tree)
    importlib.import_module("comfy.utils").set_progress_bar_enabled(False)
    model, clip, *_ = ours["EmoFB_LoadEmbedded"].execute().args
    stack = importlib.import_module(f"{PACK}.nodes.comfy.conditioning_batch").stack_conditionings
    inputs = importlib.import_module(f"{PACK}.nodes.widgets.steering")
    steer = inputs.steered_conditioning, inputs.steering_from
    return Workbench(core, ours, model, clip, stack, *steer, steps)


def emotion(point: Point) -> Any:
    from emofeedback.records.emotion import Emotion

    return Emotion(point.valence, point.arousal)


def steering(
    point: Point, mix: str = "predictions", window: tuple[float, float] = (0.0, 1.0)
) -> dict[str, Any]:
    """The steering nodes' widgets."""
    return {
        "target": emotion(point), "strength": point.strength, "mix": mix,
        "start_percent": window[0], "end_percent": window[1],
    }  # fmt: skip


Way = Callable[[Workbench, str], Callable[[Point], list[Any]]]
"""A prompt -> a point -> the positive conditioning for a stock sampler."""
Patch = Callable[[Workbench, str], Callable[[Point], tuple[Any, list[Any]]]]
"""A prompt -> a point -> the MODEL and the positive conditioning, as the nodes hand them on."""


def _neutral(bench: Workbench, prompt: str) -> Callable[[Point], list[Any]]:
    plain = bench.encode(prompt)
    return lambda _: plain


def _encoded(method: str) -> Way:
    def way(bench: Workbench, prompt: str) -> Callable[[Point], list[Any]]:
        def at(point: Point) -> list[Any]:
            inputs = bench.clip, prompt, emotion(point), point.strength, method
            return list(bench.run("EncodeEmotion", *inputs))

        return at

    return way


def _steered(count: int = 8, **how: Any) -> Way:
    def way(bench: Workbench, prompt: str) -> Callable[[Point], list[Any]]:
        anchors = bench.run("EncodeAnchors", bench.clip, prompt, str(count), "")
        plain = bench.encode(prompt)
        # at neutral the anchors travel on unused; a batch needs rows with the same keys
        return lambda point: (
            bench.steer(anchors, None, bench.how(steering(point, **how)))[1]
            if point.valence or point.arousal
            else plain
        )

    return way


def _patched(**how: Any) -> Patch:
    """Emotion Model Patch."""

    def way(bench: Workbench, prompt: str) -> Callable[[Point], tuple[Any, list[Any]]]:
        anchors = bench.run("EncodeAnchors", bench.clip, prompt, "8", "")

        def at(point: Point) -> tuple[Any, list[Any]]:
            widgets = steering(point, **how)
            return bench.run("EmotionModelPatch", bench.model, anchors, **widgets), anchors

        return at

    return way


WAYS: dict[str, Way] = {
    NEUTRAL: _neutral,
    "anchors": _steered(),
    "anchors, half window": _steered(window=WINDOW),
    "anchors, conditionings": _steered(mix="conditionings"),
    "4 anchors": _steered(count=4),
    "phrase": _encoded("phrase"),
    "adapter": _encoded("adapter"),
    "adapter + anchors": _encoded("adapter + anchors"),
}
"""Name -> the conditioning that is judged."""

PATCHES: dict[str, Patch] = {
    "anchors": _patched(),
    "anchors, half window": _patched(window=WINDOW),
    "anchors, conditionings": _patched(mix="conditionings"),
}
"""Name -> what is timed: a patched MODEL, which gives the same pictures."""


def at_zero(point: Point) -> Point:
    """The same emotion at strength 0."""
    return replace(point, strength=0.0)
