"""What bench.py measures: time, FLOPs and memory of training steps, and ratios within one run."""

from __future__ import annotations

import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from emofeedback.errors import ConfigError

from ..data.prompts import load_prompts
from ..families.choose import load_family
from ..formulas.dynamics import DYNAMICS, sde_window
from ..formulas.losses import RATIO_LOSSES
from ..rewards.models import build_rewards
from ..rl.policy import Policy
from ..rl.trainer import Trainer
from ..runs.memory import peak_memory
from ..runs.tracking import Tracker
from ..settings.files import load_config, preset_path
from .agreement import report_agreement
from .public_shape import PublicLoop

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class SpeedOptions:
    """What is measured; meanings are the command's."""

    preset: str = "tiny"
    repeats: int = 3
    compare: int = 0
    """Interleaved pairs with a plain loop, and with one in the shape of public code."""
    against: str | None = None
    """Another preset whose steps are interleaved."""
    overhead: int = 0
    """Steps over which logs, sheets and checkpoints are counted."""
    agreement: int = 0
    """Steps whose gradients are compared."""
    overrides: Sequence[str] = ()


def measure(options: SpeedOptions) -> None:
    """Measure and print."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    report_speed(new_trainer(options.preset, options.overrides, device), options, device)


def report_speed(trainer: Any, options: SpeedOptions, device: Any) -> None:
    """Steps of a trainer against the hardware's own matmul peak."""
    config = trainer.config
    if config.threads:
        torch.set_num_threads(config.threads)
    dtype = getattr(torch, config.model.dtype)
    pictures = config.rollout.group_size * config.data.prompts_per_step
    trainer.train_step()
    peaks = [gemm_peak(device, dtype)]
    steps = []
    for _ in range(options.repeats):
        started = time.perf_counter()
        numbers = trainer.train_step()
        _wait(device)
        steps.append((time.perf_counter() - started, numbers))
    peaks.append(gemm_peak(device, dtype))
    seconds = statistics.median(each for each, _ in steps)
    flops, peak = step_flops(trainer) / pictures, statistics.mean(peaks)
    log.info("pictures a second      %.3f", pictures / seconds)
    log.info("GFLOP a picture        %.2f (model only, rollout and update)", flops / 1e9)
    log.info("GEMM peak              %.1f GFLOP/s (%s, before and after)", peak / 1e9, dtype)
    for name in ("rollout", "decode", "reward_submit", "reward", "update"):
        median = statistics.median(n.get(f"time/{name}_s", 0.0) for _, n in steps)
        log.info("%-22s %.3f s a step", name, median)
    model = statistics.median(model_seconds(n) for _, n in steps)
    log.info(
        "efficiency             %.1f %% of the peak in model time",
        100 * flops * pictures / peak / model,
    )
    log.info("micro-batch            %d", config.optim.micro_batch)
    log.info("peak memory            %.2f GiB", peak_memory() / 2**30)
    if options.compare:
        compare(trainer, options.compare, device)
        public = PublicLoop(trainer).step
        compare(trainer, options.compare, device, public, "the shape of public flow_grpo")
    if options.against:
        other = new_trainer(options.against, options.overrides, device)
        against(trainer, other, options.repeats, device)
    if options.overhead:
        overhead(trainer, options.overhead, device)
    if options.agreement:
        report_agreement(trainer, options.agreement)


def new_trainer(preset: str, overrides: Sequence[str], device: Any) -> Any:
    """A trainer of a preset, ready to step."""
    config = load_config(preset_path(preset), overrides)
    policy = Policy(load_family(config, device=device), config.model)
    prompts = load_prompts(config.data.prompts)
    rewards = build_rewards(
        config.reward, gradient=config.loss.pathwise, functions=config.rewards, device=device
    )
    return Trainer(config, policy, rewards, prompts)


def gemm_peak(device: Any, dtype: Any, side: int = 0) -> float:
    """FLOP/s of a large matrix product: the median of five."""
    side = side or (8192 if device.type == "cuda" else 1024)
    one, other = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    seconds = []
    for _ in range(6):
        _wait(device)
        started = time.perf_counter()
        one @ other
        _wait(device)
        seconds.append(time.perf_counter() - started)
    return 2 * side**3 / statistics.median(seconds[1:])


def step_flops(trainer: Any) -> float:
    """FLOPs of the model in one training step, by torch's counter on one step."""
    from torch.utils.flop_counter import FlopCounterMode

    decode = trainer.policy.family.decode
    with FlopCounterMode(display=False) as whole:
        trainer.train_step()
    step = trainer.step
    shape = trainer.policy.family.latent_shape
    count = trainer.config.rollout.group_size * trainer.config.data.prompts_per_step
    with FlopCounterMode(display=False) as outside:
        pathwise = trainer.config.loss.pathwise
        images = decode(torch.zeros(count, *shape, requires_grad=pathwise), quick=True)
        tasks, _ = trainer.share_of_step()
        rewards = trainer.rewards.collect([trainer.rewards.submit(images, tasks)])
        if pathwise:
            rewards.total.sum().backward()
    assert trainer.step == step
    return float(whole.get_total_flops() - outside.get_total_flops())


def compare(
    trainer: Any,
    pairs: int,
    device: Any,
    other: Callable[[], None] | None = None,
    named: str = "the plain loop",
) -> None:
    """Model time of a step against another loop's, interleaved.

    Args:
        other: makes a step of the same settings; None: `plain_loop`.
    Raises: ConfigError: the loss is none of the reverse process, which the plain loop is.
    """
    if trainer.config.loss.kind not in RATIO_LOSSES:
        raise ConfigError(
            f"--compare knows losses of the reverse process, not {trainer.config.loss.kind!r}: use "
            "--preset tiny-window, or loss.kind=guard."
        )
    ratios, other = [], other or partial(plain_loop, trainer)
    other()
    for _ in range(pairs):
        numbers = trainer.train_step()
        _wait(device)
        ours = model_seconds(numbers)
        started = time.perf_counter()
        other()
        _wait(device)
        ratios.append(ours / (time.perf_counter() - started))
    log.info(
        "step time against %s: median %.3f over %d pairs (%.3f to %.3f)",
        named, statistics.median(ratios), pairs, min(ratios), max(ratios),
    )  # fmt: skip


def against(trainer: Any, other: Any, pairs: int, device: Any) -> None:
    """Seconds a picture of two presets in the model and in the whole step, interleaved."""
    found: dict[str, list[float]] = {"model": [], "whole step": []}
    other.train_step()
    for _ in range(pairs):
        seconds = [_seconds_a_picture(each, device) for each in (trainer, other)]
        for name, index in (("model", 0), ("whole step", 1)):
            found[name].append(seconds[1][index] / seconds[0][index])
    for name, ratios in found.items():
        log.info(
            "the other preset needs %.2f times the seconds a picture (%s; median of %d pairs)",
            statistics.median(ratios), name, pairs,
        )  # fmt: skip


def overhead(trainer: Any, steps: int, device: Any) -> None:
    """Share of time that logs, sheets and checkpoints add to steps, all in one run."""
    plain = statistics.median(_seconds_a_picture(trainer, device)[1] for _ in range(steps))
    config = trainer.config
    pictures = config.rollout.group_size * config.data.prompts_per_step
    with tempfile.TemporaryDirectory() as folder:
        trainer.folder = Path(folder)
        trainer.tracker = Tracker(Path(folder), tensorboard=config.tensorboard)
        numbers = trainer.train_step()
        images = torch.rand(pictures, 128, 128, 3)
        parts = {
            "logs": (lambda: trainer.tracker.log(trainer.step, numbers), 1),
            "sheets": (lambda: trainer.tracker.sheet(1, images, 8), config.sheet_every),
            "checkpoints": (trainer.save, config.checkpoint_every),
        }
        for name, (work, every) in parts.items():
            started = time.perf_counter()
            for _ in range(steps):
                work()
            seconds = (time.perf_counter() - started) / steps / max(every, 1)
            log.info("%-12s add %.2f %% to a step", name, 100 * seconds / (plain * pictures))
        trainer.tracker.close()
        trainer.folder = trainer.tracker = None


def _seconds_a_picture(trainer: Any, device: Any) -> tuple[float, float]:
    """Of one step: in the model, and altogether."""
    started = time.perf_counter()
    numbers = trainer.train_step()
    _wait(device)
    whole = time.perf_counter() - started
    pictures = trainer.config.rollout.group_size * trainer.config.data.prompts_per_step
    return model_seconds(numbers) / pictures, whole / pictures


def model_seconds(numbers: dict[str, float]) -> float:
    """Rollout and update of a step without decoding and scoring; pathwise steps cannot be told
    apart and count whole."""
    extra = numbers.get("time/decode_s", 0.0) + numbers.get("time/reward_submit_s", 0.0)
    return numbers.get("time/rollout_s", 0.0) + numbers["time/update_s"] - extra


def plain_loop(trainer: Any) -> None:
    """The same algorithm as public code writes it: one replay a step of the window, reference by
    a second pass, text encoded beforehand; gradients are thrown away."""
    config, policy = trainer.config, trainer.policy
    rollout, family = config.rollout, policy.family
    tasks, pictures = trainer.share_of_step()
    asked = policy.encode(tasks, rollout.guidance_scale, detached=rollout.guidance_detached)
    device = asked.emotion.device
    sigmas = family.sigmas(rollout.num_inference_steps).to(device)
    window = sde_window(
        config.seed, trainer.step, num_steps=rollout.num_inference_steps,
        size=rollout.window, end=rollout.window_end,
    )  # fmt: skip
    step = DYNAMICS[rollout.dynamics]
    size, share = rollout.micro_batch, len(pictures)
    for start in range(0, share, size):
        part = asked[slice(start, start + size)]
        latents, kept = torch.randn(len(part.emotion), *family.latent_shape, device=device), []
        for index in range(rollout.num_inference_steps):
            sigma, after = sigmas[index], sigmas[index + 1]
            with torch.no_grad():
                velocity = policy.velocity(latents, sigma.expand(len(latents)), part)
            if index in window:
                move = step(latents, velocity, sigma=sigma, sigma_next=after, eta=rollout.eta)
                moved = move.mean + move.std * torch.randn_like(latents)
                kept.append((latents, moved, move.mean, index))
                latents = moved
            else:
                latents = latents + (after - sigma) * velocity
        for before, moved, old, index in kept:
            sigma, after = sigmas[index], sigmas[index + 1]
            velocity = policy.velocity(before, sigma.expand(len(before)), part)
            move = step(before, velocity, sigma=sigma, sigma_next=after, eta=rollout.eta)
            density = -((moved - move.mean) ** 2 - (moved - old) ** 2) / (2 * move.std**2)
            ratio = density.flatten(1).mean(1).exp()
            loss = torch.maximum(-ratio, -ratio.clamp(1 - 1e-4, 1 + 1e-4)).mean()
            if config.loss.kl_coef:
                with torch.no_grad(), policy.reference():
                    reference = policy.velocity(before, sigma.expand(len(before)), part)
                loss = loss + config.loss.kl_coef * (velocity - reference).square().mean()
            loss.backward()
    trainer.optimizer.zero_grad(set_to_none=True)


def _wait(device: Any) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
