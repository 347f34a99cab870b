"""The policy: a family's transformer, with a LoRA or trained as a whole, and the emotion adapter;
its frozen reference."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from emofeedback.control.adapter import EmotionAdapter
from emofeedback.errors import ConfigError

from ..data.prompts import Task
from ..families.base import Family, Words
from ..families.kept_words import KeptWords
from ..families.lora_names import stored_name
from ..families.words import expanded, stacked
from ..runs.memory import free_memory
from ..settings.config import ModelConfig
from .engine import Engine, Network, laid_out, whole

LORA = "default"
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
    detached: bool = False
    """Whether the branch without the prompt learns nothing."""

    def __getitem__(self, rows: Any) -> Asked:
        chosen = tuple(each[rows] for each in self.words)
        return replace(self, words=chosen, emotion=self.emotion[rows])


class Policy:
    """Everything that is trained, and the model as it was before.

    Args:
        family: its transformer gets the LoRA, or is trained itself.
        config: what is trained; rank, alpha, whether the adapter learns.
        seed: of the LoRA's start.
        compared: whether `reference` will be asked for; a transformer that is trained as a whole
            then has a frozen copy beside it.
        kept: folder of files that keep embeddings of prompts, where encoding is dear; None: none.
    """

    def __init__(
        self,
        family: Family,
        config: ModelConfig,
        *,
        seed: int = 0,
        compared: bool = True,
        kept: Path | None = None,
    ) -> None:
        self.family, self.full = family, config.full
        self.lora_scale = config.lora_alpha / config.lora_rank
        family.transformer.requires_grad_(False)
        self._frozen = copy.deepcopy(family.transformer) if self.full and compared else None
        if self.full:
            family.transformer.float().requires_grad_(True)
        else:
            _inject_lora(family, config, seed)
        if config.gradient_checkpointing:
            family.transformer.enable_gradient_checkpointing()
        self.adapter = family.adapter.float().requires_grad_(config.train_adapter)
        self.start_adapter = copy.deepcopy(self.adapter).requires_grad_(False)
        self.engine = Engine(
            Network(family.transformer, self.adapter, self._velocity, self._frozen)
        )
        self._in_use = self.adapter
        self._strength = 1.0
        self.dtype = getattr(torch, config.dtype)
        self._words: dict[str, Words] = {}
        self.words_bytes = min(WORDS_BYTES, round(WORDS_SHARE * free_memory()))
        self._held = 0
        self.lost = False
        """Whether an embedding was dropped that no file has."""
        encoder = family.encoder() if kept is not None else ""
        self._files = KeptWords(kept, encoder) if kept is not None and encoder else None

    def encode(self, tasks: Sequence[Task], guidance: float, *, detached: bool = False) -> Asked:
        """What rows of these tasks are conditioned on."""
        words = self.words([task.told for task in tasks])
        emotion = torch.tensor([task.target for task in tasks], device=words[0].device)
        negative = self.words([""]) if guidance != 1 else None
        return Asked(words, emotion, negative, guidance, detached)

    def words(self, prompts: Sequence[str]) -> Words:
        """Embeddings of prompts, a row each. A prompt is encoded once, unless `words_bytes` of
        others were asked for since."""
        kept = self._words  # the last one asked for is the last
        for prompt in dict.fromkeys(prompts):
            if prompt in kept:
                kept[prompt] = kept.pop(prompt)
            else:
                kept[prompt] = self._encoded(prompt)
                self._held += _bytes(kept[prompt])
        device = next(self.adapter.parameters()).device
        found = tuple(each.to(device) for each in stacked([kept[prompt] for prompt in prompts]))
        while self._held > self.words_bytes:
            oldest = next(iter(kept))
            self._held -= _bytes(kept.pop(oldest))
            self.lost |= not self.keeps(oldest)
        return found

    @property
    def in_files(self) -> bool:
        """Whether embeddings are kept in files, since encoding is dear."""
        return self._files is not None

    def keeps(self, prompt: str) -> bool:
        """Whether its embedding is at hand without the encoders."""
        return prompt in self._words or (self._files is not None and self._files.has(prompt))

    def _encoded(self, prompt: str) -> Words:
        """From its file, else by the encoders; on the CPU."""
        found = None if self._files is None else self._files.read(prompt)
        if found is None:
            found = tuple(each.cpu() for each in self.family.encode([prompt]))
            if self._files is not None:
                self._files.write(prompt, found)
        return found

    def lora_parameters(self) -> dict[str, torch.nn.Parameter]:
        """By the name in the transformer."""
        named = self.family.transformer.named_parameters()
        return {name: value for name, value in named if ".lora_" in name}

    @property
    def parts(self) -> dict[str, str]:
        """What is trained, and how the names of its weights begin in `parameters`."""
        return {"network" if self.full else "LoRA": "transformer.", "adapter": "adapter."}

    def parameters(self) -> dict[str, torch.nn.Parameter]:
        """All that is trained, in a fixed order; not between a forward and its backward pass."""
        self.engine.rested()
        named = dict(self.family.transformer.named_parameters())
        tuned = named if self.full else self.lora_parameters()
        trained = {f"transformer.{k}": v for k, v in tuned.items()}
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
        empty = expanded(asked.negative, len(latents))
        if asked.detached and torch.is_grad_enabled():
            with torch.no_grad():
                plain = self._forward(latents, sigma, empty)
            wanted = self._forward(latents, sigma, words)
            return self.family.guided(wanted, plain, asked.guidance)
        both = stacked([words, empty])
        velocity = self._forward(
            latents.repeat(2, *(1,) * (latents.ndim - 1)), sigma.repeat(2), both
        )
        wanted, plain = velocity.chunk(2)
        return self.family.guided(wanted, plain, asked.guidance)

    def _forward(self, latents: Tensor, sigma: Tensor, words: Any) -> Tensor:
        half = self.dtype != torch.float32
        device = latents.device.type
        # a cache would hold a second copy of all trained weights until the pass is over
        with torch.autocast(device, self.dtype, enabled=half, cache_enabled=not self.full):
            return self.family.velocity(latents, sigma, words).float()

    @contextlib.contextmanager
    def reference(self) -> Iterator[None]:
        """Inside, the policy is what the run began with: LoRA off or the frozen network in place,
        adapter as it stood.

        Raises: ConfigError: there is no frozen network.
        """
        if self.full and self._frozen is None:
            raise ConfigError(
                "Nothing can be compared with the network that this run began with: it is trained "
                "as a whole, and no frozen copy was kept."
            )
        network = self.family.transformer
        self._in_use = self.start_adapter
        try:
            with _without_lora(network):
                self.family.transformer = network if self._frozen is None else self._frozen
                yield
        finally:
            self._in_use, self.family.transformer = self.adapter, network

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

    def network_state(self, *, kept: bool) -> dict[str, Tensor]:
        """The whole network as diffusers names it, in the run's precision, on the CPU; all
        processes must call it.

        Args:
            kept: by this process; the others only take part.
        """
        found = whole(self.family.transformer.state_dict(), kept=kept)
        return {
            name: value.to(
                "cpu", self.dtype if value.is_floating_point() else None, copy=True
            ).contiguous()
            for name, value in found.items()
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


def _inject_lora(family: Family, config: ModelConfig, seed: int) -> None:
    """Put a LoRA into the transformer: random halves by the seed, float32."""
    from peft import LoraConfig, inject_adapter_in_model

    lora = LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        init_lora_weights="gaussian",
        target_modules=lora_pattern(family.lora_targets),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inject_adapter_in_model(lora, family.transformer, adapter_name=LORA)
    for name, value in family.transformer.named_parameters():
        if ".lora_" in name:
            value.data = value.data.float()


@contextlib.contextmanager
def _without_lora(network: torch.nn.Module) -> Iterator[None]:
    """Inside, the LoRA is off, where there is one."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers = [module for module in network.modules() if isinstance(module, BaseTunerLayer)]
    learning = [value for value in network.parameters() if value.requires_grad]
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)
        for value in learning:  # peft freezes what it switches off
            value.requires_grad_(True)


def lora_pattern(endings: Sequence[str]) -> str:
    """A regular expression for whole names of modules with these endings, as peft takes it."""
    return rf".*\.({'|'.join(ending.replace('.', chr(92) + '.') for ending in endings)})"


def _bytes(words: Words) -> int:
    return sum(each.nbytes for each in words)
