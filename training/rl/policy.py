"""The policy: a family's transformer with a LoRA, and the emotion adapter; its frozen reference."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from emofeedback.control.adapter import EmotionAdapter

from ..data.prompts import Task
from ..families.base import Family, Words
from ..families.lora_names import stored_name
from ..families.words import expanded, stacked
from ..runs.memory import free_memory
from ..settings.config import ModelConfig
from .engine import Engine, Network, laid_out, whole

LORA = "default"
PARTS = {"LoRA": "transformer.", "adapter": "adapter."}
"""What is trained, and how the names of its weights begin in `Policy.parameters`."""
WORDS_BYTES, WORDS_SHARE = 8 * 2**30, 0.25
"""Embeddings of prompts take this much main memory, at most this share of what is free: those of
a large model have megabytes, and words for every target make prompts without end."""


@dataclass(frozen=True)
class Asked:
    """What rows of latents are conditioned on."""

    words: Words
    """Embeddings of the prompts, a row each, without the emotion."""
    emotion: Tensor
    """[B, 2] target valence and arousal."""
    negative: Words | None = None
    """Embedding of the empty prompt, one row; None: no guidance."""
    guidance: float = 1.0

    def __getitem__(self, rows: Any) -> Asked:
        chosen = tuple(each[rows] for each in self.words)
        return Asked(chosen, self.emotion[rows], self.negative, self.guidance)


class Policy:
    """Everything that is trained, and the model as it was before.

    Args:
        family: its transformer gets the LoRA.
        config: rank, alpha, whether the adapter learns.
        seed: of the LoRA's start.
    """

    def __init__(self, family: Family, config: ModelConfig, *, seed: int = 0) -> None:
        from peft import LoraConfig, inject_adapter_in_model

        self.family = family
        self.lora_scale = config.lora_alpha / config.lora_rank
        family.transformer.requires_grad_(False)
        lora = LoraConfig(
            r=config.lora_rank,
            lora_alpha=config.lora_alpha,
            init_lora_weights="gaussian",
            target_modules=lora_pattern(family.lora_targets),
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            inject_adapter_in_model(lora, family.transformer, adapter_name=LORA)
        if config.gradient_checkpointing:
            family.transformer.enable_gradient_checkpointing()
        for value in self.lora_parameters().values():
            value.data = value.data.float()
        self.adapter = family.adapter.float().requires_grad_(config.train_adapter)
        self.start_adapter = copy.deepcopy(self.adapter).requires_grad_(False)
        self.engine = Engine(Network(family.transformer, self.adapter, self._velocity))
        self._in_use = self.adapter
        self._strength = 1.0
        self.dtype = getattr(torch, config.dtype)
        self._words: dict[str, Words] = {}
        self.words_bytes = min(WORDS_BYTES, round(WORDS_SHARE * free_memory()))
        self._held = 0

    def encode(self, tasks: Sequence[Task], guidance: float) -> Asked:
        """What rows of these tasks are conditioned on."""
        words = self.words([task.told for task in tasks])
        emotion = torch.tensor([task.target for task in tasks], device=words[0].device)
        negative = self.words([""]) if guidance != 1 else None
        return Asked(words, emotion, negative, guidance)

    def words(self, prompts: Sequence[str]) -> Words:
        """Embeddings of prompts, a row each. A prompt is encoded once, unless `words_bytes` of
        others were asked for since."""
        kept = self._words  # the last one asked for is the last
        for prompt in dict.fromkeys(prompts):
            if prompt in kept:
                kept[prompt] = kept.pop(prompt)
            else:
                kept[prompt] = tuple(each.cpu() for each in self.family.encode([prompt]))
                self._held += _bytes(kept[prompt])
        device = next(self.adapter.parameters()).device
        found = tuple(each.to(device) for each in stacked([kept[prompt] for prompt in prompts]))
        while self._held > self.words_bytes:
            self._held -= _bytes(kept.pop(next(iter(kept))))
        return found

    def lora_parameters(self) -> dict[str, torch.nn.Parameter]:
        """By the name in the transformer."""
        named = self.family.transformer.named_parameters()
        return {name: value for name, value in named if ".lora_" in name}

    def parameters(self) -> dict[str, torch.nn.Parameter]:
        """All that is trained, in a fixed order; not between a forward and its backward pass."""
        self.engine.rested()
        trained = {f"transformer.{k}": v for k, v in self.lora_parameters().items()}
        if any(value.requires_grad for value in self.adapter.parameters()):
            trained |= {f"adapter.{k}": v for k, v in self.adapter.named_parameters()}
        return trained

    def velocity(self, latents: Tensor, sigma: Tensor, asked: Asked) -> Tensor:
        """Velocity with emotion and guidance: [B, ...] float32.

        Args:
            latents: [B, ...] float32. sigma: [B].
        """
        result: Tensor = self.engine.network(latents, sigma, asked)
        return result

    def _velocity(self, latents: Tensor, sigma: Tensor, asked: Asked) -> Tensor:
        context, pooled, *mask = asked.words
        words = (*self._in_use(context, pooled, asked.emotion, self._strength), *mask)
        if asked.negative is None or asked.guidance == 1:
            return self._forward(latents, sigma, words)
        both = stacked([words, expanded(asked.negative, len(latents))])
        velocity = self._forward(
            latents.repeat(2, *(1,) * (latents.ndim - 1)), sigma.repeat(2), both
        )
        wanted, plain = velocity.chunk(2)
        return self.family.guided(wanted, plain, asked.guidance)

    def _forward(self, latents: Tensor, sigma: Tensor, words: Any) -> Tensor:
        half = self.dtype != torch.float32
        with torch.autocast(latents.device.type, self.dtype, enabled=half):
            return self.family.velocity(latents, sigma, words).float()

    @contextlib.contextmanager
    def reference(self) -> Iterator[None]:
        """Inside, the policy is what the run began with: LoRA off, adapter as it stood."""
        from peft.tuners.tuners_utils import BaseTunerLayer

        layers = [m for m in self.family.transformer.modules() if isinstance(m, BaseTunerLayer)]
        learning = [value for value in self.lora_parameters().values() if value.requires_grad]
        for layer in layers:
            layer.enable_adapters(False)
        self._in_use = self.start_adapter
        try:
            yield
        finally:
            self._in_use = self.adapter
            for layer in layers:
                layer.enable_adapters(True)
            for value in learning:  # peft freezes what it switches off
                value.requires_grad_(True)

    @contextlib.contextmanager
    def without_emotion(self) -> Iterator[None]:
        """Inside, the adapter is off: the words alone condition."""
        self._strength = 0.0
        try:
            yield
        finally:
            self._strength = 1.0

    @contextlib.contextmanager
    def using(self, values: Mapping[str, Tensor]) -> Iterator[None]:
        """Inside, the trained parameters have these values (an average, or an older policy)."""
        trained = self.parameters()
        kept = {name: value.detach().clone() for name, value in trained.items()}
        self.load(values)
        try:
            yield
        finally:
            self.load(kept)

    def snapshot(self) -> dict[str, Tensor]:
        """A copy of the trained values."""
        return {name: value.detach().clone() for name, value in self.parameters().items()}

    def lora_state(self) -> dict[str, Tensor]:
        """The LoRA under the keys that diffusers and ComfyUI read, alpha not yet folded in; whole,
        so that all processes must call it."""
        return {
            stored_name(name, self.family.lora_style): value.detach().clone()
            for name, value in whole(self.lora_parameters()).items()
        }

    def whole_adapter(self) -> EmotionAdapter:
        """A copy of the adapter as it stands; all processes must call it."""
        found = copy.deepcopy(self.start_adapter)
        found.load_state_dict(whole(self.adapter.state_dict()))
        return found

    @torch.no_grad()
    def load(self, values: Mapping[str, Tensor]) -> None:
        """Take over values, whole or shared out as the parameters are."""
        for name, parameter in self.parameters().items():
            parameter.copy_(laid_out(values[name], parameter))


def lora_pattern(endings: Sequence[str]) -> str:
    """A regular expression for whole names of modules with these endings, as peft takes it."""
    return rf".*\.({'|'.join(ending.replace('.', chr(92) + '.') for ending in endings)})"


def _bytes(words: Words) -> int:
    return sum(each.nbytes for each in words)
