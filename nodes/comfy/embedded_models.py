"""The embedded models as ComfyUI's own objects: MODEL, CLIP and VAE from the shipped files."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, ClassVar

import comfy.clip_model
import comfy.latent_formats
import comfy.patcher_extension
import comfy.sd
import torch
from comfy import sd1_clip

from ...emofeedback.control.adapter import EmotionAdapter
from ...emofeedback.control.checkpoint import load_adapter
from ...emofeedback.embedded import autoencoder, clip, generator, weights
from ...emofeedback.embedded.prediction import over_seams, velocity_of
from ...emofeedback.errors import CheckpointError
from ...emofeedback.refining.cues import named_subjects
from .bridge import show_text

log = logging.getLogger(__name__)

ADAPTER_KEY = "emofb_adapter"
STRENGTH_KEY = "emofb_adapter_strength"
# Small enough that fp32 costs nothing, and then ComfyUI and diffusers give the same latents.
DTYPE = torch.float32


@dataclass(frozen=True)
class EmbeddedModels:
    """What Load Embedded hands out, the scorer apart."""

    model: Any
    clip: Any
    vae: Any


def file_stamps() -> tuple[tuple[str, int, int], ...]:
    """Name, time and size of every shipped file: changes when the models do."""
    paths = sorted(path for path in weights.FOLDER.rglob("*") if path.is_file())
    return tuple(
        (str(path.relative_to(weights.FOLDER)), path.stat().st_mtime_ns, path.stat().st_size)
        for path in paths
    )


@lru_cache(maxsize=1)
def load_embedded_models(
    stamps: tuple[tuple[str, int, int], ...],  # noqa: ARG001  the key of the cache
) -> EmbeddedModels:
    """Loads all three once; ComfyUI without a cache would load them again in every round.

    Args:
        stamps: from `file_stamps`, so that changed files are loaded anew.
    Raises: CheckpointError: a file is missing, damaged or foreign.
    """
    latent_colours = weights.read_weights(autoencoder.FILE)
    return EmbeddedModels(
        model=_load_generator(latent_colours[1]),
        clip=_load_clip(),
        vae=comfy.sd.VAE(sd=latent_colours[0], dtype=DTYPE),
    )


def attach_adapter(clip_object: Any, adapter: EmotionAdapter, *, strength: float = 1.0) -> Any:
    """A copy of the CLIP that carries the adapter; copies of it (LoRA loaders) carry it on.

    Args:
        strength: multiplies every strength that the adapter is used with.
    """
    copy = clip_object.clone()
    _attach(copy, adapter, strength)
    return copy


def _attach(clip_object: Any, adapter: EmotionAdapter, strength: float = 1.0) -> None:
    clip_object.patcher.set_attachments(ADAPTER_KEY, adapter)
    clip_object.patcher.set_attachments(STRENGTH_KEY, strength)


def attached_strength(clip_object: Any) -> float:
    """What the strengths of this CLIP's adapter are multiplied by."""
    return float(clip_object.patcher.attachments.get(STRENGTH_KEY, 1.0))


def attached_adapter(clip_object: Any) -> EmotionAdapter | None:
    """The adapter that travels with a CLIP, if any."""
    found: EmotionAdapter | None = clip_object.patcher.attachments.get(ADAPTER_KEY)
    return found


class DrawnLatents(comfy.latent_formats.LatentFormat):
    """The embedded autoencoder's latents: no scale, previews in fitted colours."""

    latent_channels = autoencoder.CHANNELS
    spacial_downscale_ratio = autoencoder.DOWNSCALE

    def __init__(self, factors: list[list[float]], bias: list[float]) -> None:
        self.latent_rgb_factors = factors
        self.latent_rgb_factors_bias = bias


def _load_generator(metadata: dict[str, str]) -> Any:
    tensors, facts = weights.read_weights(generator.FILE)
    config = generator.read_config(facts)
    model = comfy.sd.load_diffusion_model_state_dict(tensors, model_options={"dtype": DTYPE})
    if model is None:
        raise CheckpointError(
            f"{weights.weight_path(generator.FILE)} does not hold a generator that ComfyUI knows. "
            f"{weights.REMAKE} generator"
        )
    model.model.latent_format = DrawnLatents(*autoencoder.preview_factors(metadata))
    model.add_wrapper_with_key(
        comfy.patcher_extension.WrappersMP.APPLY_MODEL,
        "emofb_clean",
        partial(_denoise_by_guess, config),
    )
    return model


def _denoise_by_guess(
    config: generator.GeneratorConfig,
    execute: Any,
    noisy: Any,
    sigma: Any,
    *conds: Any,
    **options: Any,
) -> Any:
    """The denoised latents of a network that predicts them.

    ComfyUI takes an SD3 model's output for a velocity. As a wrapper of the patcher this goes along
    with every copy of the MODEL, and no sampling patch undoes it.
    """
    level = sigma.reshape(-1, 1, 1, 1)

    def guess(latents: Any) -> Any:
        return (latents - execute(latents, sigma, *conds, **options)) / level

    clean = over_seams(guess, noisy, sigma, config.seamless_below)
    return noisy - level * velocity_of(clean, noisy, sigma, config.guess_error)


class DrawnTextTower(comfy.clip_model.CLIPTextModel):
    """ComfyUI fixes CLIP's vocabulary at 49408 words; this tower brings its own size."""

    def __init__(
        self, config_dict: dict[str, Any], dtype: Any, device: Any, operations: Any
    ) -> None:
        super().__init__(config_dict, dtype, device, operations)
        table = operations.Embedding(
            config_dict["vocab_size"], config_dict["hidden_size"], dtype=dtype, device=device
        )
        self.set_input_embeddings(table)


class DrawnTokenizer(sd1_clip.SDTokenizer):
    """One token a word; says which words the models never learned, and when it is too many."""

    def __init__(self, embedding_directory: Any = None, tokenizer_data: Any = None) -> None:
        from transformers import PreTrainedTokenizerFast

        super().__init__(
            str(weights.weight_path(f"{clip.MODEL}/tokenizer.json").parent),
            max_length=clip.CONTEXT_LENGTH,
            embedding_directory=embedding_directory,
            embedding_size=_text_config()["hidden_size"],
            embedding_key="drawn",
            tokenizer_class=PreTrainedTokenizerFast,
            tokenizer_data=tokenizer_data or {},
        )

    def tokenize_with_weights(self, text: str, *args: Any, **kwargs: Any) -> Any:
        tokens = super().tokenize_with_weights(text, *args, **kwargs)
        told = "\n".join(filter(None, [_length_warning(tokens), prompt_warning(text)]))
        if told:
            log.warning(told)
            show_text(told)
        return tokens


class DrawnTextEncoder(sd1_clip.SDClipModel):
    """The embedded text tower in ComfyUI's text encoder class."""

    def __init__(self, device: Any = "cpu", dtype: Any = None, model_options: Any = None) -> None:
        super().__init__(
            device=device,
            dtype=dtype,
            max_length=clip.CONTEXT_LENGTH,
            textmodel_json_config=_text_config(),
            model_class=DrawnTextTower,
            special_tokens={"start": 0, "end": 1, "pad": 1},
            model_options={**(model_options or {}), "model_name": "drawn"},
        )
        self.dtypes = {dtype}


class DrawnClipTarget:
    """Tells comfy.sd.CLIP which classes to build."""

    params: ClassVar[dict[str, Any]] = {}
    clip = DrawnTextEncoder
    tokenizer = DrawnTokenizer


def _length_warning(parts: list[Any]) -> str:
    """A sentence if the words are more than the models were trained with."""
    if len(parts) == 1:
        return ""
    most = clip.CONTEXT_LENGTH - 2  # a start and an end token go along
    return (
        f"Warning: these words need {len(parts)} x {most} tokens, and the embedded models read "
        f"{most}: the more follow, the more the picture turns to noise. Leave words out."
    )


def prompt_warning(text: str) -> str:
    """What the embedded models cannot do with a prompt, in sentences; empty if nothing."""
    plain = "".join(part for part, _ in sd1_clip.token_weights(text, 1.0))
    told = []
    unknown = clip.unknown_words(plain)
    if unknown:
        told.append(
            f"Words that the embedded models do not know: {', '.join(unknown)}. They draw a small "
            "world of places, subjects and moods; the list is in docs/drawn-world.md."
        )
    subjects = named_subjects(plain)
    if len(subjects) > 1:
        told.append(
            f"The embedded models draw one subject a picture; this prompt names "
            f"{' and '.join(subjects)}. Keep one of them."
        )
    return " ".join(told)


def _text_config() -> dict[str, Any]:
    return dict(weights.read_settings(f"{clip.MODEL}/config.json")["text_config"])


def _load_clip() -> Any:
    tensors, _ = weights.read_weights(f"{clip.MODEL}/model.safetensors")
    tower = {
        key: value
        for key, value in tensors.items()
        if key.startswith(("text_model.", "text_projection."))
    }
    plain = comfy.sd.CLIP(
        DrawnClipTarget,
        parameters=sum(value.numel() for value in tower.values()),
        state_dict=[tower],
        model_options={"dtype": DTYPE},
    )
    # Not on a copy: every use of one leaves something with ComfyUI until the copy dies, and this
    # lives as long as the server.
    _attach(plain, load_adapter(Path(weights.weight_path(generator.ADAPTER_FILE))))
    return plain
