"""The closing table: base against trained policy on held-out prompts, by the judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from emofeedback.plane.metrics import GRID, paired_difference, spearman

from ..data.prompts import Task, grid_tasks
from ..rl.measure import Judged, cue_variety, judged, paint
from ..rl.policy import Policy
from ..settings.config import TrainConfig

CONSTANT = 2 * sum(abs(value) for value in GRID) / len(GRID)


@dataclass(frozen=True)
class Comparison:
    """Two systems on the same tasks and noise."""

    base: Judged
    trained: Judged
    tasks: list[Task]

    def numbers(self) -> dict[str, float]:
        """Measured values for logs and checkpoint metadata."""
        found = paired_difference(self.trained.gap_sum.tolist(), self.base.gap_sum.tolist())
        return {
            "pictures": float(len(self.tasks)),
            "v_error_base": float(self.base.gaps[:, 0].mean()),
            "a_error_base": float(self.base.gaps[:, 1].mean()),
            "v_error": float(self.trained.gaps[:, 0].mean()),
            "a_error": float(self.trained.gaps[:, 1].mean()),
            "error_change": found.mean,
            "error_change_low": found.low,
            "error_change_high": found.high,
            "content_base": float(self.base.content.nanmean()),
            "content": float(self.trained.content.nanmean()),
            "cue_variety_base": cue_variety(self.base.cues, self._targets),
            "cue_variety": cue_variety(self.trained.cues, self._targets),
        }

    @property
    def _targets(self) -> list[tuple[float, float]]:
        return [task.target for task in self.tasks]


def compare(policy: Policy, config: TrainConfig, prompts: Sequence[str]) -> Comparison:
    """Both policies on every prompt at 25 targets, same noise, same sampler."""
    tasks = grid_tasks(prompts)
    settings = {
        "steps": config.watch.table_steps,
        "guidance": config.rollout.guidance_scale,
        "seed": config.seed,
        "micro_batch": config.rollout.micro_batch,
    }
    trained = paint(policy, tasks, **settings)  # type: ignore[arg-type]
    with policy.reference():
        base = paint(policy, tasks, **settings)  # type: ignore[arg-type]
    return Comparison(judged(base, tasks), judged(trained, tasks), tasks)


def markdown(comparison: Comparison) -> str:
    """The table that people read."""
    numbers = comparison.numbers()
    lines = [
        "| judged, held-out prompts | base | trained |",
        "| --- | --- | --- |",
        f"| V-Error (constant predictor {CONSTANT / 2:.2f}) | {numbers['v_error_base']:.3f} | "
        f"{numbers['v_error']:.3f} |",
        f"| A-Error (constant predictor {CONSTANT / 2:.2f}) | {numbers['a_error_base']:.3f} | "
        f"{numbers['a_error']:.3f} |",
    ]
    for axis, name in enumerate(("V", "A")):
        ranks = [
            _rank(side.readings[:, axis], [task.target[axis] for task in comparison.tasks])
            for side in (comparison.base, comparison.trained)
        ]
        lines.append(f"| {name} Spearman | {ranks[0]:.3f} | {ranks[1]:.3f} |")
    for name in ("place", "subject"):
        shares = [
            float(getattr(side, f"{name}_right").nanmean())
            for side in (comparison.base, comparison.trained)
        ]
        lines.append(f"| {name} right | {shares[0]:.1%} | {shares[1]:.1%} |")
    lines.append(
        f"| cues of a family that say one target | {numbers['cue_variety_base']:.2f} | "
        f"{numbers['cue_variety']:.2f} |"
    )
    before = numbers["v_error_base"] + numbers["a_error_base"]
    lines += [
        "",
        f"V-Error + A-Error: {numbers['error_change']:+.3f} "
        f"({numbers['error_change'] / before:+.1%}), paired 95 % interval "
        f"[{numbers['error_change_low']:+.3f}, {numbers['error_change_high']:+.3f}], "
        f"{len(comparison.tasks)} pictures each, same noise.",
    ]
    return "\n".join(lines)


def _rank(readings: Tensor, targets: Sequence[float]) -> float:
    return spearman(list(targets), readings.tolist())
