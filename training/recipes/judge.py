"""Recipe of the judge: `python -m training.world train judge`.

Its pictures come from another seed than those of the models it measures, and from all pairs of
place and subject, since it must know the held-out pairs too. Augmentation degrades most of them the
way a generator and an autoencoder do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from emofeedback.records.emotion import LIMIT

from ..runs.optim import Optim
from ..runs.run import Run, RunOptions, StepRandom
from ..world.dataset import PictureSet, picture_set
from ..world.judge import FILE, JudgeNet, JudgeShape, judge, load_judge
from ..world.scene import Scene
from .augment import augment
from .clip import labels
from .files import export
from .repainted import put_repainted, repainted_set


@dataclass(frozen=True, kw_only=True)
class JudgeConfig:
    """All values of the recipe."""

    shape: JudgeShape = field(default_factory=JudgeShape)
    pictures: int = 12_000
    picture_seed: int = 977
    """Far from every other recipe's, so that no picture is shared."""
    check_seed: int = 978
    batch: int = 48
    repainted_pictures: int = 3072
    """Drawn pictures that the embedded generator repaints, so that its brush does not deceive the
    judge; their truth is that of the drawing. 0: none."""
    repainted: int = 16
    """Of a step's pictures, how many are repainted ones."""
    optim: Optim = field(default_factory=lambda: Optim(learning_rate=3e-3, weight_decay=0.02))


def train(options: RunOptions) -> None:
    """Train or resume; see the module's docstring."""
    config = JudgeConfig()
    if options.size is not None:
        config = replace(config, shape=JudgeShape(size=options.size))
    if options.repainted is not None:
        config = replace(config, repainted_pictures=options.repainted)
    train_with(config, options)


def train_with(config: JudgeConfig, options: RunOptions) -> Run:
    """As `train`, with every value given; returns the finished run."""
    torch.manual_seed(options.seed + config.picture_seed)
    net = JudgeNet(config.shape)
    if options.start is not None:
        net.load_state_dict(load_judge(options.start / FILE).state_dict())
    run = Run(
        "judge",
        options,
        config=config,
        modules={"judge": net},
        optim=config.optim,
        default_minutes=8,
    )
    size = config.shape.size
    pictures = picture_set(config.pictures, seed=config.picture_seed, size=size, split="any")
    repainted = repainted_set(
        config.repainted_pictures, seed=config.picture_seed, size=size, split="any"
    )
    check = picture_set(256, seed=config.check_seed, size=size, split="any")
    run.fit(
        lambda random: step_loss(config, net, pictures, repainted, random),
        report=lambda _: check_judge(net, check),
        report_every=250,
    )
    if options.export:
        export(options.weights / FILE, net.state_dict(), run.describe())
    return run


def step_loss(
    config: JudgeConfig,
    net: JudgeNet,
    pictures: PictureSet,
    repainted: PictureSet | None,
    random: StepRandom,
) -> tuple[Tensor, Mapping[str, float | Tensor]]:
    """Cross entropies of place, subject and cues, and smooth L1 on valence and arousal."""
    count = min(config.batch, len(pictures.scenes))
    chosen = np.sort(random.numpy.choice(len(pictures.scenes), count, replace=False))
    scenes = [pictures.scenes[index] for index in chosen]
    images = augment(pictures.pictures[chosen], random.numpy)
    if repainted is not None:
        places = np.arange(min(config.repainted, count))
        put_repainted(images, scenes, places, repainted, random.numpy, mirror=True)
    images = images.permute(0, 3, 1, 2)
    with torch.autocast("cpu", torch.bfloat16):
        heads = net(images.contiguous(memory_format=torch.channels_last))
    truth = torch.tensor([labels(scene) for scene in scenes])
    named = torch.stack([F.cross_entropy(head, truth[:, i]) for i, head in enumerate(heads)])
    emotion = torch.tensor([scene.emotion for scene in scenes])
    felt = F.smooth_l1_loss(net.emotion(heads).clamp(-LIMIT, LIMIT), emotion, beta=0.5)
    numbers = {"emotion": felt.detach(), "content": named[:2].mean(), "cues": named[2:].mean()}
    return felt + named.mean(), {name: value.detach() for name, value in numbers.items()}


def check_judge(net: JudgeNet, check: PictureSet) -> dict[str, float]:
    """Errors and accuracies on unseen pictures."""
    images = torch.from_numpy(np.array(check.pictures)).float() / 255
    seen = judge(images, net)
    scenes: list[Scene] = check.scenes
    truth = torch.tensor([scene.emotion for scene in scenes])
    return {
        "v_error": float((seen.valence - truth[:, 0]).abs().mean()),
        "a_error": float((seen.arousal - truth[:, 1]).abs().mean()),
        "place": float(np.mean([a == s.place for a, s in zip(seen.places, scenes, strict=True)])),
        "subject": float(
            np.mean([a == s.subject for a, s in zip(seen.subjects, scenes, strict=True)])
        ),
    }
