"""Stage `adapter`: a supervised start of the emotion adapter, the generator frozen.

From pictures with known emotions by rectified flow, or from pairs of prompts (`word_start`).
Emotions of the data crowd where people rated often; each pair is weighted by the inverse of its
density (EmotiCrafter, arXiv 2501.05710, weights 1 / density; the square in its public code is not
taken over).
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from emofeedback.control.checkpoint import EmotionFacts, save_checkpoint
from emofeedback.errors import ConfigError

from ..data.prompts import Task, load_prompts
from ..data.word_pairs import WordPair, load_word_pairs
from ..families.base import Family
from ..families.kept_words import FOLDER
from ..formulas.dynamics import per_picture
from ..runs.optim import Optim
from ..runs.run import Run, RunOptions, StepRandom
from ..runs.stopping import stoppable
from ..settings.config import TrainConfig
from ..settings.files import config_hash
from ..settings.start import StartConfig
from .ahead import encode_ahead
from .policy import Policy
from .rollout import seeded_noise

log = logging.getLogger(__name__)
HEAVIEST = 5.0
"""No pair counts more than this many times the mean."""


def density_weights(emotions: np.ndarray) -> np.ndarray:
    """Inverse density of each point, mean 1.

    Args:
        emotions: [N, 2].
    Returns: [N], at most 5. Source: Gaussian kernels of Silverman's width.
    Raises: ConfigError: all on one line, or fewer than three.
    """
    from scipy.stats import gaussian_kde

    try:
        weights = 1 / gaussian_kde(emotions.T, bw_method="silverman")(emotions.T)
    except (ValueError, np.linalg.LinAlgError) as error:
        raise ConfigError(
            f"The {len(emotions)} emotions to start from lie on one line of the valence-arousal "
            "plane, so how dense they are there cannot be told: add pairs off that line."
        ) from error
    weights = np.minimum(weights / weights.mean(), HEAVIEST)
    return np.asarray(weights / weights.mean())


def train_adapter(config: TrainConfig, folder: Path) -> None:
    """Train the adapter and write `NAME_emotion.safetensors`.

    What the folder holds of an earlier part of the run is gone on with, to the same bits.

    Raises: ConfigError: no such pairs; or the model has no encoder for pictures here (embedded
        only), which start.loss=pictures needs. KeyboardInterrupt: a signal came.
    """
    from ..families.choose import load_family

    pairs = start_pairs(config)
    told = json.dumps([astuple(pair) for pair in pairs])
    learnt = Learnt(**asdict(config.start), pairs_sha256=hashlib.sha256(told.encode()).hexdigest())
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    family = load_family(config, device=device)
    policy = Policy(family, config.model, seed=config.seed, kept=folder / FOLDER)
    loss_of = start_loss(policy, config, pairs)

    def loss(random: StepRandom) -> tuple[Tensor, Mapping[str, float]]:
        return loss_of(random.step), {}

    options = RunOptions(
        run_dir=folder, steps=config.steps, minutes=config.minutes or None, seed=config.seed,
        threads=torch.get_num_threads(), tensorboard=config.tensorboard, wandb=config.wandb,
    )  # fmt: skip
    optim = Optim(
        learning_rate=config.optim.adapter_rate, final_rate=1.0, warmup_steps=0,
        weight_decay=config.optim.weight_decay, betas=(0.9, 0.999),
        grad_clip=config.optim.clip_norm, ema_decay=config.optim.ema_decay,
    )  # fmt: skip
    with stoppable(at_once=True):
        run = Run(
            "adapter", options, config=learnt, modules={"adapter": policy.adapter},
            optim=optim,
        )  # fmt: skip
        run.fit(loss)
    facts = EmotionFacts(
        base_family=family.name,
        trained=f"training/train.py, adapter from {config.start.loss}",
        config_hash=config_hash(config),
    )
    with run.averaged():
        files = save_checkpoint(folder, family.name, policy.adapter, facts)
    log.info("checkpoint: %s", files["emotion"])


@dataclass(frozen=True, kw_only=True)
class Learnt(StartConfig):
    """Settings of a start, and what they stand for, which must be the same when it goes on."""

    pairs_sha256: str = ""
    """Of the pairs of prompts that start.pairs and data.prompts have brought."""


def start_pairs(config: TrainConfig) -> list[WordPair]:
    """Pairs of prompts to learn from; none where pictures are learnt from.

    Raises: ConfigError: as `load_word_pairs`, `load_prompts`.
    """
    if config.start.loss == "pictures":
        return []
    prompts = load_prompts(config.data.prompts).training
    return load_word_pairs(config.start.pairs, prompts, count=config.start.count, seed=config.seed)


def start_loss(
    policy: Policy, config: TrainConfig, pairs: Sequence[WordPair]
) -> Callable[[int], Tensor]:
    """The loss of a step's number, for what the adapter shall learn from."""
    if config.start.loss == "pictures":
        pictures = drawn_pairs(config, policy.family)
        return lambda step: flow_loss(policy, pictures, config, step)
    from .word_start import word_loss

    weights = torch.from_numpy(density_weights(np.array([each.emotion for each in pairs]))).float()
    encode_ahead(policy, [text for each in pairs for text in (each.neutral, each.emotional)])
    return lambda step: word_loss(policy, pairs, weights, config, step)


class Pairs:
    """Latents [N, ...] with their tasks and weights [N]."""

    def __init__(self, latents: Tensor, tasks: Sequence[Task]) -> None:
        self.latents, self.tasks = latents, list(tasks)
        self.weights = torch.from_numpy(
            density_weights(np.array([task.target for task in tasks]))
        ).float()


def flow_loss(policy: Policy, pairs: Pairs, config: TrainConfig, step: int) -> Tensor:
    """Weighted error of the velocity on one batch; a function of seed and step."""
    random = np.random.default_rng((config.seed, step))
    chosen = random.choice(len(pairs.tasks), config.optim.micro_batch, replace=True)
    clean = pairs.latents[chosen]
    noise = seeded_noise(clean.shape[1:], config.seed, step, chosen.tolist(), 0).to(clean.device)
    sigma = torch.from_numpy(random.random(len(chosen))).float().to(clean.device)
    level = per_picture(sigma, clean)
    asked = policy.encode([pairs.tasks[index] for index in chosen], 1.0)
    velocity = policy.velocity((1 - level) * clean + level * noise, sigma, asked)
    error = (velocity - (noise - clean)).square().flatten(1).mean(1)
    return (pairs.weights[chosen].to(error.device) * error).mean()


def drawn_pairs(config: TrainConfig, family: Family, count: int = 256) -> Pairs:
    """Drawn pictures, encoded, under neutral prompts with their true emotions."""
    from ..world.captions import neutral_prompt
    from ..world.render import render
    from ..world.scene import sample_scene

    side = family.latent_shape[1] * 8
    latents, tasks = [], []
    for index in range(count):
        random = np.random.default_rng((config.seed, index, 9))
        scene = sample_scene(random, draw="even")
        picture = torch.from_numpy(np.array(render(scene, side))).float() / 255
        latents.append(family.encode_pictures(picture[None]))
        tasks.append(Task(neutral_prompt(scene, random), scene.emotion))
    return Pairs(torch.cat(latents), tasks)
