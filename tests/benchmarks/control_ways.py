"""The ways to an emotion that the control benchmark compares, each through the nodes themselves."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[2]
CFG, SIDE = 3.0, 32
NEUTRAL = "neutral"
WINDOW = (0.0, 0.5)


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
    ours: dict[str, type]
    model: Any
    clip: Any
    vae: Any
    steps: int = 20

    @cached_property
    def negative(self) -> list[Any]:
        """What every sampling is kept away from: no words."""
        return self.encode("")

    def encode(self, prompt: str) -> list[Any]:
        """Stock CLIP Text Encode."""
        return self.core.CLIPTextEncode().encode(self.clip, prompt)[0]

    def run(self, node: str, *args: Any, **inputs: Any) -> Any:
        """The first output of one of our nodes."""
        return self.ours[f"EmoFB_{node}"].execute(*args, **inputs).args[0]

    def stock(self, positive: list[Any], seed: int, model: Any = None) -> Tensor:
        """Latents of a stock KSampler."""
        sampled = self.core.KSampler().sample(
            model or self.model, seed, self.steps, CFG, "euler", "simple", positive, self.negative,
            {"samples": torch.zeros(1, 16, SIDE, SIDE)},
        )  # fmt: skip
        return sampled[0]["samples"]

    def pictures(self, latents: Tensor) -> Tensor:
        """[B, H, W, 3] in 0..1."""
        return self.vae.decode(latents)


def load_workbench(tree: Path, steps: int) -> Workbench:
    """ComfyUI in this process on the CPU, as the tests load it, and the shipped models."""
    sys.path.insert(0, str(tree))
    from comfy.cli_args import args

    args.cpu = True
    core = importlib.import_module("nodes")
    name = "custom_nodes.emofeedback"
    spec = importlib.util.spec_from_file_location(
        name, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    assert spec is not None and spec.loader is not None
    pack = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pack)
    nodes = asyncio.run(asyncio.run(pack.comfy_entrypoint()).get_node_list())
    ours = {node.GET_SCHEMA().node_id: node for node in nodes}
    model, clip, vae, _ = ours["EmoFB_LoadEmbedded"].execute().args
    return Workbench(core, ours, model, clip, vae, steps)


def emotion(point: Point) -> Any:
    from emofeedback.emotion import Emotion

    return Emotion(point.valence, point.arousal)


Encoder = Callable[[Workbench, str], Callable[[Point], tuple[Any, list[Any]]]]
"""A prompt -> a point -> the MODEL and the positive conditioning for a stock sampler."""


def _neutral(bench: Workbench, prompt: str) -> Callable[[Point], tuple[Any, list[Any]]]:
    plain = bench.encode(prompt)
    return lambda point: (bench.model, plain)


def _encoded(method: str) -> Encoder:
    def way(bench: Workbench, prompt: str) -> Callable[[Point], tuple[Any, list[Any]]]:
        def at(point: Point) -> tuple[Any, list[Any]]:
            positive = bench.run(
                "EncodeEmotion", bench.clip, prompt, emotion(point), point.strength, method
            )
            return bench.model, positive

        return at

    return way


def _patched(method: str = "", mix: str = "predictions", count: int = 8, end: float = 1.0):
    """Emotion Model Patch; with a method, on what Encode Emotion made."""

    def way(bench: Workbench, prompt: str) -> Callable[[Point], tuple[Any, list[Any]]]:
        anchors = bench.run("EncodeAnchors", bench.clip, prompt, str(count), "")

        def at(point: Point) -> tuple[Any, list[Any]]:
            model = bench.run(
                "EmotionModelPatch", bench.model, target=emotion(point), strength=point.strength,
                start_percent=0.0, end_percent=end, mix=mix, anchors=anchors,
            )  # fmt: skip
            if not method:
                return model, anchors
            args = (bench.clip, prompt, emotion(point), point.strength, method)
            return model, bench.run("EncodeEmotion", *args)

        return at

    return way


WAYS: dict[str, Encoder] = {
    NEUTRAL: _neutral,
    "anchors": _patched(),
    "anchors, half window": _patched(end=WINDOW[1]),
    "anchors, conditionings": _patched(mix="conditionings"),
    "4 anchors": _patched(count=4),
    "phrase": _encoded("phrase"),
    "adapter": _encoded("adapter"),
    "adapter + anchors": _encoded("adapter + anchors"),
}
"""Name -> how a stock sampler is fed."""


def at_zero(point: Point) -> Point:
    """The same emotion at strength 0."""
    return replace(point, strength=0.0)
