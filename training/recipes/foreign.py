"""Recipe of the foreign-picture detector: `python -m training.world train foreign`.

Drawn pictures, whole and degraded, against synthetic outliers. Where the embedded generator and
autoencoder are trained already, their pictures count as drawn too. The threshold is the logit that
one in two hundred unseen drawn pictures passes.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from emofeedback.embedded.foreign import FILE, SIZE, ForeignNet, shrunk
from emofeedback.errors import CheckpointError

from ..runs.optim import Optim
from ..runs.run import Run, RunOptions, StepRandom
from ..world.captions import caption
from ..world.dataset import PictureSet, picture_set
from ..world.outliers import outlier
from ..world.scene import sample_scene
from .augment import augment
from .files import export, to_uint8

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ForeignConfig:
    """All values of the recipe."""

    size: int = 128
    """Side at which pictures are drawn and degraded, before they are shrunk."""
    pictures: int = 12_000
    picture_seed: int = 0
    outliers: int = 8_000
    """Made once; the network meets each several times, mirrored."""
    batch: int = 64
    """Drawn pictures a step, and as many outliers."""
    generated: int = 8
    """Of the drawn ones, how many are replaced by generated ones where there is a generator."""
    generated_pool: int = 256
    """Generated once, with random captions."""
    warned: float = 0.005
    """Share of unseen drawn pictures above the threshold."""
    optim: Optim = field(default_factory=lambda: Optim(learning_rate=3e-3, weight_decay=0.02))


def train(options: RunOptions) -> None:
    """Train or resume; see the module's docstring."""
    config = ForeignConfig() if options.size is None else ForeignConfig(size=options.size)
    train_with(config, options)


def train_with(
    config: ForeignConfig, options: RunOptions, *, generated: Tensor | None = None
) -> Run:
    """As `train`, with every value given; returns the finished run.

    Args:
        generated: pictures [N, H, W, 3] in 0..1 of the embedded generator, known as drawn.
    """
    torch.manual_seed(options.seed)
    net = ForeignNet()
    run = Run(
        "foreign",
        options,
        config=config,
        modules={"foreign": net},
        optim=config.optim,
        default_minutes=4,
    )
    drawn = picture_set(config.pictures, seed=config.picture_seed, size=config.size, split="train")
    check = picture_set(1024, seed=config.picture_seed, size=config.size, split="held_out")
    outliers = make_outliers(config, drawn, options.run_dir / "outliers.npy")
    if generated is None:
        generated = generated_pictures(config, options)
    known = None if generated is None else shrunk(generated)
    run.fit(
        lambda random: step_loss(config, net, drawn, outliers, known, random),
        report=lambda _: {"threshold": threshold_of(net, check, config.warned)},
        report_every=250,
    )
    if options.export:
        net.eval()
        threshold = torch.tensor(threshold_of(net, check, config.warned))
        tensors = {**net.state_dict(), "threshold": threshold}
        export(options.weights / FILE, tensors, run.describe())
    return run


def step_loss(
    config: ForeignConfig,
    net: ForeignNet,
    drawn: PictureSet,
    outliers: np.ndarray,
    generated: Tensor | None,
    random: StepRandom,
) -> tuple[Tensor, Mapping[str, float | Tensor]]:
    """Binary cross-entropy of drawn (0) against outlier (1)."""
    count = min(config.batch, len(drawn.scenes))
    chosen = np.sort(random.numpy.choice(len(drawn.scenes), count, replace=False))
    known = shrunk(augment(drawn.pictures[chosen], random.numpy, clean=0.4))
    if generated is not None:
        places = random.numpy.integers(0, len(generated), min(config.generated, count))
        known[: len(places)] = generated[torch.from_numpy(places)]
    picked = random.numpy.integers(0, len(outliers), count)
    other = torch.from_numpy(outliers[picked]).float().permute(0, 3, 1, 2) / 255
    other = other.flip(3) if random.numpy.random() < 0.5 else other
    with torch.autocast("cpu", torch.bfloat16):
        logits = net(torch.cat([known, other]))
    truth = torch.cat([torch.zeros(count), torch.ones(count)])
    return F.binary_cross_entropy_with_logits(logits, truth), {}


def threshold_of(net: ForeignNet, check: PictureSet, warned: float) -> float:
    """The logit that a share of unseen drawn pictures exceeds."""
    with torch.inference_mode():
        logits = net(shrunk(torch.from_numpy(np.array(check.pictures)).float() / 255))
    return float(torch.quantile(logits, 1 - warned))


def make_outliers(config: ForeignConfig, drawn: PictureSet, path: Path) -> np.ndarray:
    """The recipe's outliers, uint8 [N, 64, 64, 3]; kept beside the run."""
    if path.is_file():
        return np.asarray(np.load(path, allow_pickle=False))
    from tqdm import tqdm

    made = np.empty((config.outliers, SIZE, SIZE, 3), np.uint8)
    for index in tqdm(range(config.outliers), desc="outliers", unit="picture"):
        random = np.random.default_rng((config.picture_seed, index))
        source = np.array(drawn.pictures[random.integers(len(drawn.scenes))])[None]
        small = shrunk(torch.from_numpy(source).float() / 255)[0].permute(1, 2, 0).numpy()
        made[index] = (outlier(random, small) * 255).round()
    np.save(path, made)
    return made


def generated_pictures(config: ForeignConfig, options: RunOptions) -> Tensor | None:
    """Pictures of the embedded generator for random captions; None where it is not trained yet."""
    path = options.run_dir / "generated.npy"
    if path.is_file():
        return torch.from_numpy(np.load(path, allow_pickle=False)).float() / 255
    from emofeedback.embedded.generator import generate

    random, made = np.random.default_rng(config.picture_seed), []
    try:
        for start in range(0, config.generated_pool, 16):
            captions = [caption(sample_scene(random), random) for _ in range(16)]
            made.append(generate(captions, seed=start, steps=12, folder=options.weights))
    except CheckpointError as error:
        log.info("only drawn pictures are known: %s", error)
        return None
    pictures = torch.cat(made)
    np.save(path, to_uint8(pictures).numpy())
    return pictures
