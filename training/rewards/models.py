"""The models behind rewards, in this process: embedded LVLM and CLIP pair, CLIPScore, PickScore."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from emofeedback.errors import CheckpointError, ConfigError

from ..runs.memory import reward_dtype
from ..settings.reward import RewardConfig
from .functions import read_functions
from .head import head_reader
from .quality import quality
from .stack import EmotionReader, PairScore, RewardStack

BATCH = 64
"""Pictures that a CLIP of the user's reads at a time."""


def build_rewards(
    config: RewardConfig, *, gradient: bool = False, functions: Any = (), device: Any = "cpu"
) -> RewardStack:
    """The reward that a config describes.

    Args:
        gradient: with rewards that hand on a gradient to the pictures.
        functions: `rewards` of the config: see `functions.read_functions`.
        device: where models of the user's stay: the trainer's.
    Raises: ConfigError, CheckpointError: a model is missing or no CLIP, or one has no gradient.
    """
    own = read_functions(functions)
    weights = {name: weight for name, (_, weight) in own.items()}
    for name in set(weights) & {field.name for field in dataclasses.fields(config)}:
        raise ConfigError(f"rewards names {name!r}, which a setting of reward is too: rename it.")
    pairs: dict[str, PairScore] = {name: function for name, (function, _) in own.items()}
    pairs |= {name: score for name, score in PLAIN.items() if getattr(config, name)}
    if gradient:
        return _with_gradient(config, pairs, weights)
    if config.clip_score:
        pairs["clip_score"] = ClipScore(Path(config.clip_path), device=device)
    if config.pick_score:
        pairs["pick_score"] = PickScore(
            Path(config.pick_path), scale=config.pick_scale, device=device
        )
    if config.emotion and config.scorer == "server":
        from .server import ServerReader

        server = ServerReader(config)
        return RewardStack(
            config, server, pairs, weights=weights, overlap=True, question=server.question
        )
    reader = emotion_reader(config) if config.emotion else None
    return RewardStack(config, reader, pairs, weights=weights)


def _with_gradient(
    config: RewardConfig, pairs: dict[str, PairScore], weights: dict[str, float]
) -> RewardStack:
    without = [name for name in ("clip_score", "pick_score") if getattr(config, name)]
    if config.emotion and config.scorer == "server":
        without.append("scorer=server")
    if config.emotion and config.emotion_form == "threshold":
        without.append("emotion_form=threshold")
    if without:
        raise ConfigError(
            f"loss.kind=pathwise needs rewards with a gradient, which reward.{without[0]} has not. "
            "Use reward.emotion with scorer=embedded, head or rules and emotion_form=continuous or "
            "distribution, "
            "reward.content, reward.quality or reward.brightness; or another loss.kind."
        )
    if config.normalise != "none":
        raise ConfigError(
            f"reward.normalise is {config.normalise!r}, which compares the pictures of a step, but "
            "loss.kind=pathwise learns from each alone: set none."
        )
    reader: EmotionReader | None = None
    if config.emotion:
        if config.scorer == "embedded" and config.emotion_form == "continuous":
            reader = partial(read_with_gradient, folder=config.scorer_folder)
        else:
            reader = emotion_reader(config, gradient=True)
    return RewardStack(config, reader, pairs, weights=weights, cache=False)


def emotion_reader(config: RewardConfig, *, gradient: bool = False) -> EmotionReader:
    """Who reads emotions for this config, in this process.

    Raises: as `build_rewards`.
    """
    if config.emotion_form == "distribution":
        return partial(read_distribution, folder=config.scorer_folder)
    if config.scorer == "head":
        return head_reader(config.head, config.head_encoder, gradient=gradient)
    if config.scorer == "embedded":
        return partial(read_embedded, folder=config.scorer_folder)
    return read_by_rules


def read_embedded(images: Tensor, folder: str = "") -> Tensor:
    """Expected values of the embedded LVLM's digits: [B, 2].

    Args: folder: with other weights of it; empty: the shipped ones.
    """
    from emofeedback.embedded.scorer import load_lvlm, load_scorer
    from emofeedback.reading.scorer import LvlmScorer

    scorer = LvlmScorer(load_lvlm(Path(folder))) if folder else load_scorer()
    readings = scorer.score(images)
    return torch.tensor([(r.emotion.valence, r.emotion.arousal) for r in readings])


def read_with_gradient(images: Tensor, folder: str = "") -> Tensor:
    """As `read_embedded`, and the gradient comes back to the pictures."""
    from emofeedback.lvlm.readout import (
        expected_digits,
    )

    logits = _digit_logits(images, folder)
    return torch.stack([expected_digits(each)[0] for each in logits], 1)


def read_distribution(images: Tensor, folder: str = "") -> Tensor:
    """Probabilities of the embedded LVLM's nine digits for both axes: [B, 2, 9]; with gradient."""
    return torch.stack([logits.softmax(-1) for logits in _digit_logits(images, folder)], 1)


def _digit_logits(images: Tensor, folder: str) -> tuple[Tensor, Tensor]:
    """Log-probabilities of the valence and of the arousal digit, [B, 9] each."""
    from emofeedback.embedded.scorer import load_lvlm

    joint = (load_lvlm(Path(folder)) if folder else load_lvlm()).digits(images)
    return joint.logsumexp(2), joint.logsumexp(1)


def read_by_rules(images: Tensor) -> Tensor:
    """A reference without a model: brightness is pleasant, strong colour and contrast arouse.

    Direction as Valdez & Mehrabian (1994); gains chosen so that drawn pictures fill the scale.
    """
    luminance = images.mean(-1).flatten(1)
    colour = (images.amax(-1) - images.amin(-1)).flatten(1).mean(1)
    valence = (luminance.mean(1) - 0.45) * 12
    arousal = (colour + luminance.std(1) - 0.45) * 10
    return torch.stack([valence, arousal], 1).clamp(-3, 3)


def brightness(images: Tensor, prompts: Sequence[str]) -> Tensor:
    """Mean brightness 0..1: what `smoke` learns."""
    del prompts
    return images.flatten(1).mean(1)


def drawn_content_score(images: Tensor, prompts: Sequence[str]) -> Tensor:
    """How surely each picture shows its prompt, by the drawn world's CLIP pair: [B] in 0..1.

    Where pictures carry a gradient, the scores do.
    """
    from emofeedback.embedded.clip import embed_images, embed_texts, load_clip

    model, tokenizer = load_clip()
    names = sorted(set(prompts))
    with torch.no_grad():
        texts = embed_texts(model, tokenizer, names)[[names.index(each) for each in prompts]]
    result: Tensor = model.calibration.apply((embed_images(model, images) * texts).sum(1))
    return result


PLAIN: dict[str, PairScore] = {
    "content": drawn_content_score, "quality": quality, "brightness": brightness,
}  # fmt: skip
"""Parts that need no model of the user's, by their weights; all have gradients."""


class ClipScore:
    """Cosine of a transformers CLIP's picture and text embeddings, times 100, at least 0.

    Args:
        folder: model and processor.
        device: where the model stays, in `runs.memory.reward_dtype`.
    Raises: CheckpointError: no CLIP there. Source: CLIPScore (arXiv 2104.08718), weight 100.
    """

    def __init__(self, folder: Path, *, device: Any = "cpu") -> None:
        self.model, self.processor = _load_clip(folder)
        self.factor = float(self.model.logit_scale.exp())  # half precision would round it
        self.device, self.dtype = torch.device(device), reward_dtype(device)
        self.model.to(self.device, self.dtype)

    @torch.no_grad()
    def cosines(self, images: Tensor, prompts: Sequence[str]) -> Tensor:
        """[B] in -1..1; `BATCH` pictures are read at a time."""
        rows = range(0, len(images), BATCH)
        return torch.cat(
            [self._cosines(images[row : row + BATCH], prompts[row : row + BATCH]) for row in rows]
        )

    def _cosines(self, images: Tensor, prompts: Sequence[str]) -> Tensor:
        device = self.device
        pictures = [(image * 255).round().to(torch.uint8).cpu().numpy() for image in images]
        pixels = self.processor.image_processor(images=pictures, return_tensors="pt")
        words = self.processor.tokenizer(
            list(prompts), padding=True, truncation=True,
            max_length=self.model.config.text_config.max_position_embeddings, return_tensors="pt",
        )  # fmt: skip
        seen = _tensor(self.model.get_image_features(pixels["pixel_values"].to(device, self.dtype)))
        told = _tensor(
            self.model.get_text_features(
                input_ids=words["input_ids"].to(device),
                attention_mask=words["attention_mask"].to(device),
            )
        )
        seen, told = (torch.nn.functional.normalize(each.float(), dim=-1) for each in (seen, told))
        return (seen * told).sum(1).cpu()

    def __call__(self, images: Tensor, prompts: Sequence[str]) -> Tensor:
        return 100 * self.cosines(images, prompts).clamp_min(0)


class PickScore(ClipScore):
    """Logit of a CLIP fine-tuned on human choices, divided by `scale`: about 0..1.

    Source: Pick-a-Pic (arXiv 2305.01569): exp(logit_scale) * cosine; 26 as Flow-GRPO divides.
    """

    def __init__(self, folder: Path, *, scale: float = 26.0, device: Any = "cpu") -> None:
        super().__init__(folder, device=device)
        self.scale = scale

    def __call__(self, images: Tensor, prompts: Sequence[str]) -> Tensor:
        return self.factor * self.cosines(images, prompts) / self.scale


def _tensor(features: Any) -> Tensor:
    """transformers 5 wraps features in an output object; earlier versions did not."""
    return features if isinstance(features, Tensor) else features.pooler_output


def _load_clip(folder: Path) -> tuple[Any, Any]:
    from transformers import CLIPModel, CLIPProcessor

    if not (folder / "config.json").is_file():
        raise ConfigError(
            f"There is no transformers CLIP in {str(folder)!r} (no config.json). Give the folder "
            "of a downloaded model; nothing is fetched."
        )
    try:
        model = CLIPModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
        processor = CLIPProcessor.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # transformers and safetensors each raise their own
        raise CheckpointError(
            f"The CLIP in {folder} cannot be read ({type(error).__name__}: {error})."
        ) from error
    return model.eval().requires_grad_(False), processor
