"""Recipe of the embedded vision-language model: `python -m training.world train lvlm`.

A tiny Qwen2.5-VL from scratch. Each step shows one batch of pictures to the vision tower once and
asks about parts of them in three ways: rate, explain, refine. A plain linear head on the picture
features learns cues, place and subject of all of them beside it and is thrown away: it gives the
vision tower a direct and cheap gradient, which the answer tokens give only late. The first steps
are for seeing alone, but for a model that starts from an earlier one and sees already.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emofeedback.embedded.scorer import load_lvlm
from emofeedback.lvlm.local import TransformersLvlm
from emofeedback.lvlm.readout import DIGITS, expected_digits

from ..runs.run import Run, RunOptions, StepRandom
from ..world.dataset import PictureSet, picture_set
from ..world.scene import NEUTRAL_CUES, Scene
from .augment import augment
from .clip import HEADS, heads_loss, labels
from .lvlm_model import LvlmConfig, build, save
from .lvlm_tasks import Lesson, digit_weights, explain_lesson, rate_prompt, refine_lesson
from .lvlm_tokenizer import load_or_train_tokenizer
from .repainted import put_repainted, repainted_set

IGNORED = -100
NO_PICTURE = 0.5
"""Even grey stands for no picture: the model then changes a neutral picture of the prompt."""


def train(options: RunOptions) -> None:
    """Train or resume; see the module's docstring."""
    config = LvlmConfig() if options.size is None else LvlmConfig(size=options.size)
    if options.pictures is not None:
        config = replace(config, pictures=options.pictures)
    if options.repainted is not None:
        config = replace(config, repainted_pictures=options.repainted)
    if options.start is not None:
        config = replace(config, seeing_steps=0)
    train_with(config, options)


def train_with(config: LvlmConfig, options: RunOptions) -> Run:
    """As `train`, with every value given; returns the finished run."""
    torch.manual_seed(options.seed)
    earlier = None if options.start is None else load_lvlm(options.start / "drawn_lvlm")
    tokenizer = (
        earlier.processor.tokenizer
        if earlier
        else load_or_train_tokenizer(options.run_dir / "tokenizer", vocab_size=config.vocab_size)
    )
    lvlm = build(config, tokenizer)
    if earlier:
        lvlm.model.load_state_dict(earlier.model.state_dict())
    helper = nn.Linear(config.width, sum(HEADS) + 2)
    run = Run(
        "lvlm",
        options,
        config=config,
        modules={"lvlm": lvlm.model, "helper": helper},
        optim=config.optim,
        default_minutes=25,
    )
    lessons = Lessons(
        picture_set(config.pictures, seed=config.picture_seed, size=config.size, split="train"),
        lvlm,
        repainted_set(
            config.repainted_pictures, seed=config.picture_seed, size=config.size, split="train"
        ),
    )
    check = picture_set(256, seed=config.picture_seed, size=config.size, split="held_out")
    run.fit(
        lambda random: step_loss(config, lvlm, helper, lessons, random),
        report=lambda _: rating_errors(lvlm, check),
        report_every=250,
    )
    if options.export:
        with run.averaged():
            save(lvlm, options.weights / "drawn_lvlm", run.describe())
    return run


class Lessons:
    """Batches of prompts and answers for a picture set, encoded once where they do not vary."""

    def __init__(
        self, pictures: PictureSet, lvlm: TransformersLvlm, repainted: PictureSet | None = None
    ) -> None:
        self.repainted = repainted
        self.scenes, self.pictures, self.lvlm = pictures.scenes, pictures.pictures, lvlm
        self.tokenizer = lvlm.processor.tokenizer
        self.rate_ids = self.prompt_ids(rate_prompt())
        self.digits = [self.tokenizer.convert_tokens_to_ids(digit) for digit in DIGITS]
        self.end = self.tokenizer.convert_tokens_to_ids("<|im_end|>")

    def prompt_ids(self, text: str) -> list[int]:
        """Token ids of one user turn with one picture, up to where the answer begins."""
        return list(self.lvlm.processor.ids(self.lvlm.chat(text)))

    def rating(self, scenes: list[Scene], random: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Token ids [B, L] with a drawn valence digit, and digit weights [B, 2, 9]."""
        weights = np.stack([[digit_weights(value) for value in s.emotion] for s in scenes])
        # the arousal digit must follow any plausible valence digit, not the mean one
        drawn = (weights[:, 0].cumsum(-1) < random.random((len(scenes), 1))).sum(-1)
        rows = [[*self.rate_ids, self.digits[min(place, 8)]] for place in drawn]
        return torch.tensor(rows), torch.from_numpy(weights)

    def answers(self, lessons: list[Lesson]) -> tuple[Tensor, Tensor, Tensor]:
        """Padded ids, labels and attention mask, each [B, L]; the loss falls on answers only."""
        pad = self.tokenizer.pad_token_id
        prompts = [self.prompt_ids(lesson.prompt) for lesson in lessons]
        written = [
            [*self.tokenizer.encode(lesson.answer, add_special_tokens=False), self.end]
            for lesson in lessons
        ]
        length = max(len(p) + len(a) for p, a in zip(prompts, written, strict=True))
        ids = torch.full((len(lessons), length), pad)
        labels = torch.full((len(lessons), length), IGNORED)
        mask = torch.zeros(len(lessons), length, dtype=torch.long)
        for row, (prompt, answer) in enumerate(zip(prompts, written, strict=True)):
            whole = len(prompt) + len(answer)
            ids[row, :whole] = torch.tensor(prompt + answer)
            labels[row, len(prompt) : whole] = torch.tensor(answer)
            mask[row, :whole] = 1
        return ids, labels, mask


def step_loss(
    config: LvlmConfig,
    lvlm: TransformersLvlm,
    helper: nn.Linear,
    lessons: Lessons,
    random: StepRandom,
) -> tuple[Tensor, Mapping[str, float | Tensor]]:
    """Loss of one step: ratings, written answers, helper heads."""
    chosen = random.numpy.choice(len(lessons.scenes), config.seen, replace=False)
    scenes = [lessons.scenes[index] for index in chosen]
    pictures = lessons.pictures[np.sort(chosen)][_ranks(chosen)]
    images = augment(pictures, random.numpy, clean=config.clean, mirror=False)
    if lessons.repainted is not None:
        # the unseen ones are the last
        places = random.numpy.permutation(config.seen - config.unseen)[: config.repainted]
        put_repainted(images, scenes, places, lessons.repainted, random.numpy)
    if random.step < config.seeing_steps:
        with torch.autocast("cpu", torch.bfloat16):
            seen = _see(lvlm, images)
            return config.head_weight * _helper_loss(helper, seen, scenes), {}
    for index in range(config.seen - config.unseen, config.seen):
        images[index] = NO_PICTURE
        scenes[index] = replace(scenes[index], cues=NEUTRAL_CUES)
    rated, explain, refine = _shares(config)
    with torch.autocast("cpu", torch.bfloat16):
        features = _see(lvlm, images)
        rate = _rating_loss(lvlm, lessons, features[rated], scenes[rated], random.numpy)
        told = _answer_loss(
            lvlm, lessons, features[explain], [explain_lesson(s) for s in scenes[explain]]
        )
        changed = _answer_loss(
            lvlm,
            lessons,
            features[refine],
            [refine_lesson(s, random.numpy) for s in scenes[refine]],
        )
        hint = _helper_loss(helper, features[: -config.unseen], scenes[: -config.unseen])
    loss = rate + told + changed + config.head_weight * hint
    numbers = {"rating": rate, "explain": told, "refine": changed, "helper": hint}
    return loss, {name: value.detach() for name, value in numbers.items()}


def _see(lvlm: TransformersLvlm, images: Tensor) -> Tensor:
    """What the vision tower makes of pictures: [B, N, C]."""
    pixels, grid = lvlm.processor.patches(images)
    seen = lvlm.model.model.get_image_features(pixels, grid, return_dict=True)
    return torch.stack(list(seen.pooler_output))


def _ranks(chosen: np.ndarray) -> np.ndarray:
    """Where each chosen index lies in the sorted order (disk reads want sorted indices)."""
    return np.argsort(np.argsort(chosen))


def _shares(config: LvlmConfig) -> tuple[slice, slice, slice]:
    told = config.rated + config.explained
    refined = slice(config.seen - config.refined, config.seen)  # the unseen ones are the last
    return slice(config.rated), slice(config.rated, told), refined


def _logits(lvlm: TransformersLvlm, ids: Tensor, features: Tensor, mask: Tensor | None) -> Tensor:
    """Next-token logits [B, L, V] of rows that all begin with the picture."""
    model = lvlm.model
    grid = lvlm.processor.grid
    places = ids == model.config.image_token_id
    positions, _ = model.model.get_rope_index(
        ids,
        mm_token_type_ids=places.int(),
        image_grid_thw=torch.tensor([[1, grid, grid]]).expand(len(ids), -1),
        attention_mask=mask,
    )
    embeds = model.get_input_embeddings()(ids)
    embeds = embeds.masked_scatter(places.unsqueeze(-1), features.to(embeds.dtype))
    result: Tensor = model(
        inputs_embeds=embeds, position_ids=positions, attention_mask=mask, use_cache=False
    ).logits
    return result


def _rating_loss(
    lvlm: TransformersLvlm,
    lessons: Lessons,
    features: Tensor,
    scenes: list[Scene],
    random: np.random.Generator,
) -> Tensor:
    ids, weights = lessons.rating(scenes, random)
    logits = _logits(lvlm, ids, features, None)[:, -2:].float()  # before and after the first digit
    return -(weights * logits.log_softmax(-1)[..., lessons.digits]).sum((-2, -1)).mean()


def _answer_loss(
    lvlm: TransformersLvlm, lessons: Lessons, features: Tensor, asked: list[Lesson]
) -> Tensor:
    ids, labels, mask = lessons.answers(asked)
    logits = _logits(lvlm, ids, features, mask)[:, :-1].float()
    return F.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten(), ignore_index=IGNORED)


def _helper_loss(helper: nn.Linear, features: Tensor, scenes: list[Scene]) -> Tensor:
    out = helper(features.mean(1)).float()
    names, emotion = out.split([sum(HEADS), 2], dim=1)
    felt = F.smooth_l1_loss(emotion, torch.tensor([scene.emotion for scene in scenes]))
    return heads_loss(names, torch.tensor([labels(scene) for scene in scenes])) + felt


def rating_errors(lvlm: TransformersLvlm, check: PictureSet, batch: int = 64) -> dict[str, float]:
    """Mean absolute errors of the expected-value reading on held-out pictures."""
    errors = []
    for start in range(0, len(check.scenes), batch):
        images = torch.from_numpy(np.array(check.pictures[start : start + batch])).float() / 255
        joint = lvlm.digits(images)
        read = torch.stack([expected_digits(joint.logsumexp(axis))[0] for axis in (2, 1)], dim=1)
        truth = torch.tensor([s.emotion for s in check.scenes[start : start + batch]])
        errors.append((read - truth).abs())
    valence, arousal = torch.cat(errors).mean(0).tolist()
    return {"v_error": valence, "a_error": arousal}
