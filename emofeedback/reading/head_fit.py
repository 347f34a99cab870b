"""Fitting a head: ridge, kernel ridge or support vectors, chosen inside folds grouped by theme.

scikit-learn is needed here and nowhere else. What a head is worth is told by an outer round of
folds: neither the choice, nor the calibration, nor the spread has seen the pictures it is told on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import ConfigError, MissingDependencyError
from .calibration import FEWEST, fit_axis, theme_folds
from .heads import Head, nearest_distance, outlier_score

Array = NDArray[np.float64]
KEPT = 0.985
"""Of held-out themes' pictures, for each of the two signs of a foreign one."""


@dataclass(frozen=True, slots=True)
class Form:
    """One kind of head: "ridge", "kernel ridge" or "svr", its strength and its kernel's width."""

    kind: str
    strength: float
    gamma: float = 0.0


FORMS = (
    *(Form("ridge", strength) for strength in (0.1, 0.3, 1.0, 3.0)),
    *(Form("kernel ridge", s, g) for s in (0.1, 0.3, 1.0) for g in (0.3, 1.0)),
    *(Form("svr", s, g) for s in (0.5, 1.0, 2.0, 4.0) for g in (0.3, 1.0)),
)


@dataclass(frozen=True)
class FittedAxis:
    """One axis on standardised features: sum of weight over the support, and a bias."""

    form: Form
    weight: Array
    bias: float
    spread: float

    def read(self, z: Array, support: Array) -> Array:
        """[B] of [B, F]."""
        return np.asarray(kernel(z, support, self.form.gamma) @ self.weight + self.bias)


def kernel(first: Array, second: Array, gamma: float) -> Array:
    """[B, N]: the inner product, or exp(-gamma d^2)."""
    product: Array = first @ second.T
    if gamma == 0:
        return product
    squares = (first**2).sum(1)[:, None] + (second**2).sum(1) - 2 * product
    return np.asarray(np.exp(-gamma * np.maximum(squares, 0)))


def standardiser(blocks: Sequence[Array]) -> tuple[Array, Array]:
    """Mean and deviation [F] so that every encoder's block [N, F_i] has mean square 1 in sum."""
    mean = np.concatenate([block.mean(0) for block in blocks])
    std = np.concatenate(
        [(block.std(0) + 1e-6) * np.sqrt(block.shape[1] * len(blocks)) for block in blocks]
    )
    return mean, std


def fit_form(form: Form, gram: Array, y: Array) -> tuple[Array, float]:
    """Weights [N] and bias on a kernel [N, N].

    Raises: MissingDependencyError: no scikit-learn.
    """
    middle = float(y.mean())
    if form.kind != "svr":
        solved = np.linalg.solve(gram + form.strength * np.eye(len(y)), y - middle)
        return np.asarray(solved, float), middle
    try:
        from sklearn.svm import SVR
    except ImportError as error:
        raise MissingDependencyError(
            f"Fitting a head needs scikit-learn ({error}). Run: pip install scikit-learn"
        ) from error
    machine = SVR(kernel="precomputed", C=form.strength, epsilon=0.1).fit(gram, y - middle)
    weight = np.zeros(len(y))
    weight[machine.support_] = machine.dual_coef_[0]
    return weight, float(machine.intercept_[0]) + middle


def fit_chosen(z: Array, y: Array, folds: Sequence[NDArray[np.int64]]) -> FittedAxis:
    """The form that reads held-out folds best, fitted on all, calibrated; its misses its spread."""
    best: tuple[float, Form, Array] | None = None
    grams = {form.gamma: kernel(z, z, form.gamma) for form in FORMS}
    for form in FORMS:
        gram, read = grams[form.gamma], np.empty_like(y)
        for fold in folds:
            rest = np.setdiff1d(np.arange(len(y)), fold)
            weight, bias = fit_form(form, gram[np.ix_(rest, rest)], y[rest])
            read[fold] = gram[np.ix_(fold, rest)] @ weight + bias
        error = float(np.mean((read - y) ** 2))
        if best is None or error < best[0]:
            best = error, form, read
    assert best is not None
    _, form, read = best
    scale, offset = fit_axis(y, read)
    spread = float(np.sqrt(np.mean((scale * read + offset - y) ** 2)))
    weight, bias = fit_form(form, grams[form.gamma], y)
    return FittedAxis(form, scale * weight, scale * bias + offset, spread)


@dataclass(frozen=True)
class HeldOut:
    """What outer folds say: readings and spreads [N, 2] and warnings [N] of unseen themes."""

    read: Array
    spread: Array
    foreign: NDArray[np.bool_]


def fit_head(
    blocks: Sequence[Array],
    ratings: Array,
    themes: Sequence[str],
    outliers: Array,
    probe: Array,
    facts: Mapping[str, Any],
    *,
    seed: int = 0,
) -> Head:
    """A head on all pictures.

    Args:
        blocks: features of each encoder, [N, F_i].
        ratings: [N, 2] on [-3, 3].
        themes: of each picture.
        outliers: [M, F] features of pictures that are none of the kind.
        probe: [F] features of the fixed picture.
    Raises: ConfigError: too few pictures or themes. MissingDependencyError: no scikit-learn.
    """
    if len(ratings) < FEWEST:
        raise ConfigError(f"{len(ratings)} rated pictures are too few for a head; rate {FEWEST}.")
    folds = theme_folds(themes, seed=seed)
    mean, std = standardiser(blocks)
    z = (np.concatenate(blocks, 1) - mean) / std
    axes = [fit_chosen(z, ratings[:, axis], folds) for axis in (0, 1)]
    apart = (outliers - mean) / std
    limits = _limits(z, apart, folds)
    values = {
        "mean": mean,
        "std": std,
        "support": z,
        "weight": np.stack([axis.weight for axis in axes]),
        "bias": np.array([axis.bias for axis in axes]),
        "gamma": np.array([axis.form.gamma for axis in axes]),
        "spread": np.array([axis.spread for axis in axes]),
        "probe": probe,
        "outlier_weight": _discriminant(z, apart),
        "outlier_limit": limits[:1],
        "distance_limit": limits[1:],
    }
    forms = [f"{axis.form.kind} {axis.form.strength:g} {axis.form.gamma:g}" for axis in axes]
    tensors = {name: torch.from_numpy(np.asarray(value)).float() for name, value in values.items()}
    return Head(**tensors, facts={**facts, "forms": forms})


def hold_out(
    blocks: Sequence[Array],
    ratings: Array,
    themes: Sequence[str],
    outliers: Array,
    *,
    seed: int = 0,
) -> HeldOut:
    """Each picture read by a head that was fitted, choice included, on other themes."""
    read, spread = np.empty_like(ratings), np.empty_like(ratings)
    foreign = np.empty(len(ratings), bool)
    whole = np.concatenate(blocks, 1)
    for fold in theme_folds(themes, seed=seed):
        rest = np.setdiff1d(np.arange(len(ratings)), fold)
        head = fit_head(
            [block[rest] for block in blocks],
            ratings[rest],
            [themes[index] for index in rest],
            outliers,
            whole[0],
            {},
            seed=seed + 1,
        )
        features = torch.from_numpy(whole[fold]).float()
        read[fold] = head.emotions(features).clamp(-3, 3).numpy()
        spread[fold] = head.spread.numpy()
        foreign[fold] = head.foreign(features).numpy()
    return HeldOut(read, spread, foreign)


def _discriminant(z: Array, apart: Array) -> Array:
    """[F + 1]: a ridge regression, 1 for outliers and -1 for pictures, both alike heavy."""
    rows = np.concatenate([z, apart])
    rows = np.concatenate([rows, np.ones((len(rows), 1))], 1)
    says = np.repeat([-1.0, 1.0], [len(z), len(apart)])
    heavy = np.repeat([1 / len(z), 1 / len(apart)], [len(z), len(apart)]) * len(rows) / 2
    root = np.sqrt(heavy)[:, None]
    scaled = rows * root
    dual = np.linalg.solve(scaled @ scaled.T + 0.03 * np.eye(len(rows)), says * root[:, 0])
    return np.asarray(scaled.T @ dual)


def _limits(z: Array, apart: Array, folds: Sequence[NDArray[np.int64]]) -> Array:
    """What held-out themes seldom exceed: the outlier score and the distance, [2]."""
    score, distance = np.empty(len(z)), np.empty(len(z))
    for fold in folds:
        rest = np.setdiff1d(np.arange(len(z)), fold)
        held, kept = torch.from_numpy(z[fold]), torch.from_numpy(z[rest])
        weight = torch.from_numpy(_discriminant(z[rest], apart))
        score[fold] = outlier_score(held, weight).numpy()
        distance[fold] = nearest_distance(held, kept).numpy()
    return np.array([np.quantile(score, KEPT), np.quantile(distance, KEPT)])
