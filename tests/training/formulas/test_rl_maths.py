"""Formulas of the RL training against float64 computations made another way."""

import itertools
import math

import numpy as np
import pytest
import torch

from emofeedback.errors import ConfigError
from training.formulas.advantages import group_advantages
from training.formulas.dynamics import (
    DYNAMICS,
    cps_step,
    dance_step,
    flow_sde_step,
    ode_step,
    sde_window,
    sigma_schedule,
)
from training.formulas.kl import mean_kl, velocity_kl
from training.formulas.losses import (
    MATCHING_POWERS,
    RATIO_LOSSES,
    PolicyMove,
    awm_loss,
    dppo_loss,
    guard_log_ratio,
    log_ratio,
    matching_likelihood,
    nft_loss,
)

RNG = np.random.default_rng(5)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def a_move(shift: float = 0.3) -> PolicyMove:
    std = torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64)
    return PolicyMove(
        normal(3, 4, 2, 2), shift * normal(3, 4, 2, 2, seed=1), std, -normal(3, seed=2).abs()
    )


def test_the_schedule_is_the_shifted_line() -> None:
    for shift in (1.0, 3.0):
        even = np.linspace(1, 0, 8)
        wanted = shift / (shift + np.divide(1, even, out=np.full(8, np.inf), where=even > 0) - 1)
        np.testing.assert_allclose(sigma_schedule(7, shift), wanted, rtol=1e-6)


@pytest.mark.parametrize("name", DYNAMICS)
@pytest.mark.parametrize("sigma", [1.0, 0.7, 0.2])
def test_without_noise_every_dynamics_is_the_ode(name: str, sigma: float) -> None:
    latents, velocity = normal(2, 3, 4), normal(2, 3, 4, seed=1)
    step = DYNAMICS[name](latents, velocity, sigma=sigma, sigma_next=sigma - 0.1, eta=0.0)
    wanted = ode_step(latents, velocity, torch.tensor(sigma), torch.tensor(sigma - 0.1))
    torch.testing.assert_close(step.mean, wanted)
    assert float(step.std.abs().max()) == 0


@pytest.mark.parametrize(("sigma", "level"), [(0.8, 0.8), (1.0, 0.7)])
def test_flow_sde_equals_the_formula_of_the_paper(sigma: float, level: float) -> None:
    x, v, eta, after = 0.4, -1.3, 0.7, 0.7 if sigma == 1 else 0.65
    dt = after - sigma
    rate = eta * math.sqrt(sigma / (1 - level))
    # equation 12: the drift written with the score of the linear path
    score = -(x + (1 - sigma) * v) / sigma
    mean = x + (v - rate**2 / 2 * score) * dt
    step = flow_sde_step(
        torch.full((1, 1), x, dtype=torch.float64),
        torch.full((1, 1), v, dtype=torch.float64),
        sigma=torch.tensor([sigma], dtype=torch.float64),
        sigma_next=torch.tensor([after], dtype=torch.float64),
        eta=eta,
    )
    assert float(step.mean) == pytest.approx(mean, rel=1e-12)
    assert float(step.std) == pytest.approx(rate * math.sqrt(-dt), rel=1e-12)


def test_cps_keeps_the_noise_coefficient_exactly() -> None:
    # with the true velocity, the next latents are (1 - s') clean + s' (a unit Gaussian)
    clean, noise, sigma, after, eta = 0.7, -0.2, 0.9, 0.6, 0.8
    latents = torch.full((1, 1), (1 - sigma) * clean + sigma * noise, dtype=torch.float64)
    velocity = torch.full((1, 1), noise - clean, dtype=torch.float64)
    step = cps_step(latents, velocity, sigma=sigma, sigma_next=after, eta=eta)
    kept = (float(step.mean) - (1 - after) * clean) / noise
    assert math.hypot(kept, float(step.std)) == pytest.approx(after, rel=1e-12)
    assert float(step.std) == pytest.approx(after * math.sin(eta * math.pi / 2), rel=1e-12)


def test_dance_equals_the_formula_of_the_paper() -> None:
    x, v, sigma, after, eta = 0.4, -1.3, 0.8, 0.65, 0.3
    dt, clean = after - sigma, x - sigma * v
    # the score of a Gaussian around (1 - sigma) * clean, as the authors' code writes it
    score = -(x - (1 - sigma) * clean) / sigma**2
    step = dance_step(
        torch.full((1, 1), x, dtype=torch.float64), torch.full((1, 1), v, dtype=torch.float64),
        sigma=sigma, sigma_next=after, eta=eta,
    )  # fmt: skip
    assert float(step.mean) == pytest.approx(x + (v - eta**2 / 2 * score) * dt, rel=1e-12)
    assert float(step.std) == pytest.approx(eta * math.sqrt(-dt), rel=1e-12)


def final_variance(num_steps: int, name: str) -> float:
    """Variance at sigma 0 of the exact model of N(0, 0.5^2) data, by recursion over the steps."""
    data, variance = 0.25, 1.0
    sigmas = sigma_schedule(num_steps, 1.0).double()
    for sigma, after in itertools.pairwise(sigmas):
        total = (1 - sigma) ** 2 * data + sigma**2
        slope = (sigma - (1 - sigma) * data) / total  # E[noise - clean | x] = slope * x
        one = torch.ones(1, 1, dtype=torch.float64)
        step = DYNAMICS[name](one, slope * one, sigma=sigma, sigma_next=after, eta=0.7)
        variance = float(step.mean) ** 2 * variance + float(step.std) ** 2
    return variance


@pytest.mark.parametrize("name", ["flow_sde", "dance"])
def test_an_sde_keeps_the_marginals_as_the_steps_grow(name: str) -> None:
    few, many = (abs(final_variance(count, name) - 0.25) for count in (10, 640))
    assert many < min(0.002, few / 5)
    assert abs(final_variance(640, "cps") - 0.25) > 0.02  # what cps does not promise


def test_sampled_flow_sde_ends_where_the_recursion_says() -> None:
    count, steps, data = 40_000, 40, 0.25
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(count, 1, generator=draw, dtype=torch.float64)
    sigmas = sigma_schedule(steps, 1.0).double()
    for sigma, after in itertools.pairwise(sigmas):
        total = (1 - sigma) ** 2 * data + sigma**2
        velocity = (sigma - (1 - sigma) * data) / total * x
        step = flow_sde_step(x, velocity, sigma=sigma, sigma_next=after, eta=0.7)
        x = step.mean + step.std * torch.randn(x.shape, generator=draw, dtype=torch.float64)
    wanted = final_variance(steps, "flow_sde")
    # five standard errors of a sample variance
    assert abs(float(x.var()) - wanted) < 5 * wanted * math.sqrt(2 / count)


def test_the_window_is_contiguous_seeded_and_inside() -> None:
    starts = set()
    for step in range(60):
        window = sde_window(3, step, num_steps=10, size=3, end=5)
        assert window == sde_window(3, step, num_steps=10, size=3, end=5)
        assert len(window) == 3 and window.stop <= 5
        starts.add(window.start)
    assert starts == {0, 1, 2}
    assert sde_window(0, 0, num_steps=10, size=0, end=5) == range(9)
    with pytest.raises(ConfigError, match="window is 6.*first 5 of 10"):
        sde_window(0, 0, num_steps=10, size=6, end=5)


def test_the_log_ratio_is_that_of_the_gaussian_densities() -> None:
    move = a_move()
    for row in range(3):
        std = move.std[row]
        old, new = (
            torch.distributions.Normal(m, std)
            for m in (torch.zeros(4, 2, 2, dtype=torch.float64), move.shift[row] * std)
        )
        taken = move.noise[row] * std
        wanted = (new.log_prob(taken) - old.log_prob(taken)).mean()
        assert float(log_ratio(move)[row]) == pytest.approx(float(wanted), rel=1e-9)


def test_guard_is_the_ratio_without_its_bias_and_spread() -> None:
    move = a_move()
    bias = move.shift.square().flatten(1).mean(1) / 2
    torch.testing.assert_close(guard_log_ratio(move), move.std * (log_ratio(move) + bias))


@pytest.mark.parametrize("name", ["clip", "guard"])
def test_the_ratio_losses_equal_ppo_row_by_row(name: str) -> None:
    move, limit = a_move(), 0.05
    advantages = torch.tensor([1.5, -2.0, 0.3], dtype=torch.float64)
    loss, metrics = RATIO_LOSSES[name](move, advantages, limit=limit)
    logs = (guard_log_ratio if name == "guard" else log_ratio)(move).tolist()
    for row, log in enumerate(logs):
        a, ratio = float(advantages[row]), math.exp(log)
        wanted = max(-a * ratio, -a * min(max(ratio, 1 - limit), 1 + limit))
        wanted /= -float(move.dt[row]) if name == "guard" else 1
        assert float(loss[row]) == pytest.approx(wanted, rel=1e-9)
    assert float(metrics["ratio_max"]) == pytest.approx(math.exp(max(logs)))


def test_dppo_leaves_out_what_is_far_off_and_goes_farther() -> None:
    assert "dppo" in RATIO_LOSSES
    dims, std = 50, 0.4
    noise = normal(6, dims)
    size = torch.tensor([0.5, 0.5, 0.5, 0.5, 0.01, 0.01], dtype=torch.float64)
    way = torch.tensor([1, 1, -1, -1, 1, -1], dtype=torch.float64)
    shift = (size * way)[:, None] * noise.sign()
    advantages = torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0, -1.0], dtype=torch.float64)
    given = shift.clone().requires_grad_()
    move = PolicyMove(noise, given, torch.full((6,), std).double(), -torch.ones(6).double())
    loss, metrics = dppo_loss(move, advantages, limit=0.01)
    loss.sum().backward()
    far = []
    for row in range(6):
        old, new = (
            torch.distributions.Normal(m, std)
            for m in (torch.zeros(dims).double(), shift[row] * std)
        )
        log = float((new.log_prob(noise[row] * std) - old.log_prob(noise[row] * std)).mean())
        divergence = float(torch.distributions.kl_divergence(old, new).mean())
        a = float(advantages[row])
        far.append(divergence >= 0.01 and a * log > 0)
        wanted = 0.0 if far[-1] else -a * math.exp(log)
        assert float(loss[row].detach()) == pytest.approx(wanted, rel=1e-9)
        assert bool(given.grad[row].abs().max() > 0) != far[-1]
    assert far == [True, False, False, True, False, False]
    assert float(metrics["masked_fraction"]) == pytest.approx(1 / 3)


@pytest.mark.parametrize("weight", MATCHING_POWERS)
def test_awm_equals_its_formula(weight: str) -> None:
    clean, noise, velocity = normal(3, 4, 2), normal(3, 4, 2, seed=1), normal(3, 4, 2, seed=2)
    sigma = torch.tensor([0.2, 0.6, 1.0], dtype=torch.float64)
    found = matching_likelihood(velocity, clean, noise, sigma=sigma, weight=weight)
    logs = []
    for row, s in enumerate(sigma.tolist()):
        gap = velocity[row].numpy() + clean[row].numpy() - noise[row].numpy()
        error = float(np.mean(gap**2))
        logs.append({
            "uniform": -error,
            "sigma": -s * error,
            "sigma2": -s * s * error,
            "huber": -s * (math.sqrt(error + 1e-10) - 1e-5),
            "ghuber": -4 * s * (math.sqrt(math.sqrt(error + 1e-10)) - 10**-2.5),
        }[weight])  # fmt: skip
    assert found.tolist() == pytest.approx(logs, rel=1e-9)
    advantages = torch.tensor([9.0, -2.0, 1.0], dtype=torch.float64)
    old = found + torch.tensor([-0.5, 0.1, 0.02], dtype=torch.float64)
    loss, _ = awm_loss(found, old, advantages, limit=0.2, advantage_limit=4.0)
    for row, (ratio, a) in enumerate(
        zip((math.exp(0.5), math.exp(-0.1), math.exp(-0.02)), (1.0, -0.5, 0.25))
    ):
        wanted = -min(a * ratio, a * min(max(ratio, 0.8), 1.2))
        assert float(loss[row]) == pytest.approx(wanted, rel=1e-9)


def test_the_log_ratio_shrinks_with_the_root_of_the_dims() -> None:
    """Why the clip range is scaled by 1 / sqrt(dims)."""
    spreads = []
    for dims in (256, 4096):
        noise, shift = normal(400, dims), 0.01 * normal(400, dims, seed=1)
        move = PolicyMove(noise, shift, torch.ones(400), -torch.ones(400))
        spreads.append(float(log_ratio(move).std()))
    assert spreads[0] / spreads[1] == pytest.approx(4, rel=0.2)


def test_nft_equals_its_formula_and_its_gradient_the_finite_difference() -> None:
    clean, noise, old = normal(2, 3, 2), normal(2, 3, 2, seed=1), normal(2, 3, 2, seed=2)
    sigma = torch.tensor([0.3, 0.8], dtype=torch.float64)
    level = sigma[:, None, None]
    noisy = (1 - level) * clean + level * noise
    advantages = torch.tensor([2.0, -1.0], dtype=torch.float64)
    velocity = normal(2, 3, 2, seed=3).requires_grad_()

    def loss_of(v: torch.Tensor) -> torch.Tensor:
        return nft_loss(
            v, old, noisy, clean, sigma=sigma, advantages=advantages, beta=0.5, advantage_limit=5.0
        )[0].sum()

    wanted, frozen = 0.0, []
    v = velocity.detach().numpy()
    for row, (s, a) in enumerate(zip(sigma.tolist(), advantages.tolist())):
        good = 0.5 + 0.5 * a / 5
        ends = [
            noisy[row].numpy() - s * ((1 - b) * old[row].numpy() + b * v[row]) for b in (0.5, -0.5)
        ]
        weights = [np.abs(end - clean[row].numpy()).mean() for end in ends]
        errors = [((e - clean[row].numpy()) ** 2).mean() / w for e, w in zip(ends, weights)]
        wanted += 5 / 0.5 * (good * errors[0] + (1 - good) * errors[1])
        frozen.append((s, good, weights))
    loss = loss_of(velocity)
    assert float(loss.detach()) == pytest.approx(wanted, rel=1e-9)
    loss.backward()

    def with_frozen_weights(flat: np.ndarray) -> float:
        moved, total = flat.reshape(2, 3, 2), 0.0
        for row, (s, good, weights) in enumerate(frozen):
            for b, w, share in ((0.5, weights[0], good), (-0.5, weights[1], 1 - good)):
                end = noisy[row].numpy() - s * ((1 - b) * old[row].numpy() + b * moved[row])
                total += 10 * share * ((end - clean[row].numpy()) ** 2).mean() / w
        return total

    flat = v.flatten()
    for place in range(flat.size):
        step = np.zeros(flat.size)
        step[place] = 1e-5
        slope = (with_frozen_weights(flat + step) - with_frozen_weights(flat - step)) / 2e-5
        assert float(velocity.grad.flatten()[place]) == pytest.approx(slope, rel=1e-5, abs=1e-8)


def test_both_kl_forms_equal_their_formula_and_have_a_gradient() -> None:
    mean, reference = normal(2, 5).requires_grad_(), normal(2, 5, seed=1)
    std, dt = torch.tensor([0.2, 0.4]).double(), torch.tensor([-0.1, -0.2]).double()
    square = (mean.detach() - reference).square().mean(1)
    torch.testing.assert_close(velocity_kl(mean, reference).detach(), square)
    kl = mean_kl(mean, reference, std=std, dt=dt)
    torch.testing.assert_close(kl.detach(), square / (2 * std.square() / -dt))
    kl.sum().backward()
    assert float(mean.grad.abs().min()) > 0


def test_advantages_equal_a_numpy_computation() -> None:
    rewards = RNG.random(12)
    groups = rewards.reshape(3, 4)
    wanted = (groups - groups.mean(1, keepdims=True)) / (rewards.std() + 1e-4)
    found = group_advantages(torch.tensor(rewards), group_size=4)
    np.testing.assert_allclose(found.values, wanted.ravel(), rtol=1e-5)
    np.testing.assert_allclose(found.values.reshape(3, 4).sum(1), 0, atol=1e-5)
    own = group_advantages(torch.tensor(rewards), group_size=4, scale="group")
    wanted = (groups - groups.mean(1, keepdims=True)) / (groups.std(1, keepdims=True) + 1e-4)
    np.testing.assert_allclose(own.values, wanted.ravel(), rtol=1e-5)


def test_a_constant_group_teaches_nothing_and_is_counted() -> None:
    found = group_advantages(torch.tensor([0.3, 0.3, 0.1, 0.9]), group_size=2)
    assert found.values[:2].tolist() == [0, 0]
    assert found.zero_std_ratio == 0.5
    assert group_advantages(torch.full((4,), 0.7), group_size=4).values.abs().max() == 0


def test_a_missing_reward_leaves_its_group_and_no_other_picture() -> None:
    rewards = torch.tensor([0.2, float("nan"), 0.6, 0.4, 0.1, 0.9])
    found = group_advantages(rewards, group_size=3)
    assert found.values[1] == 0 and found.nan_ratio == pytest.approx(1 / 6)
    assert found.values[0] == -found.values[2] != 0


def test_extreme_rewards_are_limited() -> None:
    rewards = torch.zeros(100)
    rewards[0] = 1e6
    assert group_advantages(rewards, group_size=100, limit=5).values.max() == 5
