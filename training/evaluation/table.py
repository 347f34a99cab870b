"""The closing table: base against trained policy on held-out prompts, by the judge."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from emofeedback.plane.metrics import GRID, axis_metrics, paired_difference

from ..data.prompt_files import Prompt
from ..data.prompts import Task, grid_tasks
from ..rl.measure import Judged, cue_variety, judged, paint
from ..rl.policy import Policy
from ..settings.config import TrainConfig


@dataclass(frozen=True)
class Comparison:
    """Two systems on the same tasks and noise."""

    base: Judged
    trained: Judged
    tasks: list[Task]

    def numbers(self) -> dict[str, float]:
        """Measured values for logs and checkpoint metadata; no content where the judge knows no
        prompt's."""
        found = paired_difference(self.trained.gap_sum.tolist(), self.base.gap_sum.tolist())
        numbers = {
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
        return {name: value for name, value in numbers.items() if not math.isnan(value)}

    @property
    def _targets(self) -> list[tuple[float, float]]:
        return [task.target for task in self.tasks]


def compare(policy: Policy, config: TrainConfig, prompts: Sequence[Prompt]) -> Comparison:
    """Both policies on the same tasks, noise and sampler: prompts at their own targets, else at 25,
    25 x watch.table_prompts pictures at most."""
    most = len(GRID) ** 2 * config.watch.table_prompts
    tasks = grid_tasks(prompts[:most])[:most]
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
    lines = ["| judged, held-out prompts | base | trained |", "| --- | --- | --- |"]
    metrics = [
        [axis_metrics([task.target[axis] for task in comparison.tasks], readings.tolist())
         for readings in (comparison.base.readings[:, axis], comparison.trained.readings[:, axis])]
        for axis in (0, 1)
    ]  # fmt: skip
    lines += [
        f"| {name}-Error (constant predictor {base.constant_error:.2f}) | {base.error:.3f} | "
        f"{trained.error:.3f} |"
        for name, (base, trained) in zip("VA", metrics, strict=True)
    ]
    lines += [
        f"| {name} Spearman | {base.spearman:.3f} | {trained.spearman:.3f} |"
        for name, (base, trained) in zip("VA", metrics, strict=True)
        if not math.isnan(trained.spearman)  # one target has no ranks
    ]
    for name in ("place", "subject"):
        base, trained = (
            float(getattr(side, f"{name}_right").nanmean())
            for side in (comparison.base, comparison.trained)
        )
        if not math.isnan(base):  # prompts of the drawn world
            lines.append(f"| {name} right | {base:.1%} | {trained:.1%} |")
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
