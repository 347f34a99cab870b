"""`python training/bench.py`: how fast a training step is, against the hardware's own matmul peak.

Prints pictures a second, FLOPs a picture, the GEMM peak measured before and after, efficiency,
phase times and memory; with --compare, step time against a plain loop over the same model calls.
"""

from __future__ import annotations

import argparse
import logging
import resource
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[1]
log = logging.getLogger(__name__)


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    found = argparse.ArgumentParser(prog="python training/bench.py", description=__doc__)
    found.add_argument("--preset", default="tiny")
    found.add_argument("--repeats", type=int, default=3, help="measured steps")
    found.add_argument(
        "--compare",
        type=int,
        default=0,
        metavar="PAIRS",
        help="interleaved pairs with a plain loop",
    )
    found.add_argument("overrides", nargs="*", help="settings as rollout.group_size=16")
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    sys.path[0] = str(ROOT)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    options = parser().parse_args(arguments)
    from emofeedback.errors import EmoFeedbackError

    try:
        measure(options)
    except EmoFeedbackError as error:
        log.error("%s", error)
        return 2
    return 0


def measure(options: argparse.Namespace) -> None:
    """Measure and print."""

    from training.config_files import load_config, preset_path
    from training.families.choose import load_family
    from training.policy import Policy
    from training.prompts import load_prompts
    from training.reward_models import build_rewards
    from training.trainer import Trainer

    config = load_config(preset_path(options.preset), options.overrides)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    policy = Policy(load_family(config, device=device), config.model)
    prompts = load_prompts(config.data.prompts)
    trainer = Trainer(config, policy, build_rewards(config.reward), prompts)
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
        median = statistics.median(n[f"time/{name}_s"] for _, n in steps)
        log.info("%-22s %.3f s a step", name, median)
    model = statistics.median(
        n["time/rollout_s"] + n["time/update_s"] - n["time/decode_s"] - n["time/reward_submit_s"]
        for _, n in steps
    )
    log.info(
        "efficiency             %.1f %% of the peak in model time",
        100 * flops * pictures / peak / model,
    )
    log.info("micro-batch            %d", config.optim.micro_batch)
    log.info("peak memory            %.2f GiB", peak_memory(device) / 2**30)
    if options.compare:
        compare(trainer, options.compare, device)


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
        images = decode(torch.zeros(count, *shape))
        tasks, _ = trainer._share_of_step()
        trainer.rewards.collect([trainer.rewards.submit(images, tasks)])
    assert trainer.step == step
    return float(whole.get_total_flops() - outside.get_total_flops())


def compare(trainer: Any, pairs: int, device: Any) -> None:
    """Model time of a step against `plain_loop`, interleaved."""
    ratios = []
    plain_loop(trainer)
    for _ in range(pairs):
        numbers = trainer.train_step()
        _wait(device)
        ours = (
            numbers["time/rollout_s"] + numbers["time/update_s"]
            - numbers["time/decode_s"] - numbers["time/reward_submit_s"]
        )  # fmt: skip
        started = time.perf_counter()
        plain_loop(trainer)
        _wait(device)
        ratios.append(ours / (time.perf_counter() - started))
    log.info(
        "step time against the plain loop: median %.3f over %d pairs (%.3f to %.3f)",
        statistics.median(ratios), pairs, min(ratios), max(ratios),
    )  # fmt: skip


def plain_loop(trainer: Any) -> None:
    """The same algorithm as public code writes it: one replay a step of the window, reference by
    a second pass, text encoded beforehand; gradients are thrown away."""

    from training.dynamics import DYNAMICS, sde_window, sigma_schedule
    from training.measure import condition

    config, policy = trainer.config, trainer.policy
    rollout, family = config.rollout, policy.family
    tasks, pictures = trainer._share_of_step()
    asked = condition(policy, tasks, rollout.guidance_scale)
    device = asked.emotion.device
    sigmas = sigma_schedule(rollout.num_inference_steps, family.shift).to(device)
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


def peak_memory(device: Any) -> float:
    """Bytes: allocated on the GPU, else resident in this process."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    return 1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _wait(device: Any) -> None:

    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    sys.exit(main())
