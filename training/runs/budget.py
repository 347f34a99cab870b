"""When a run ends: after minutes of training, after steps, or after what comes first."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """Steps and minutes of a run, resumed parts included; None sets no limit."""

    steps: int | None
    minutes: float | None

    def over(self, step: int, seconds: float) -> bool:
        """Whether so many steps or seconds are enough."""
        late = self.minutes is not None and seconds >= 60 * self.minutes
        return late or (self.steps is not None and step >= self.steps)

    def total(self) -> float:
        """What a progress bar counts to: seconds where there is a limit, else steps."""
        return round(60 * self.minutes) if self.minutes is not None else self.steps or 0

    def spent(self, step: int, seconds: float) -> float:
        """Of `total`, at most that."""
        return min(round(seconds) if self.minutes is not None else step, self.total())

    def progress(self, step: int, seconds: float) -> float:
        """Share of the budget spent, 0..1."""
        if self.over(step, seconds):
            return 1.0
        return seconds / (60 * self.minutes) if self.minutes else step / (self.steps or 1)
