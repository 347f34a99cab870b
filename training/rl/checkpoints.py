"""What of a trainer is kept: its state as files hold it, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from emofeedback.control.checkpoint import EDITIONS, outdated
from emofeedback.errors import CheckpointError, ConfigError

from ..data.prompts import TaskSet
from ..runs.run_state import RunState
from .engine import laid_out, whole

if TYPE_CHECKING:
    from .step import Stepper

BEST, EDITION = "best", "base_edition"


def state_of(trainer: Stepper) -> RunState:
    """The trainer's state, whole in the first process; all must call it."""
    kept = trainer.processes.first
    family = trainer.policy.family.name
    facts = {"question": trainer.rewards.question, EDITION: EDITIONS.get(family, "")}
    facts |= trainer.prompts.digests
    if trainer.best is not None:
        facts[BEST] = repr(trainer.best)
    return RunState(
        step=trainer.step,
        seconds=trainer.seconds,
        values=whole(trainer.policy.parameters(), kept=kept),
        start=trainer.policy.start_adapter.state_dict(),
        average=whole(trainer.average, kept=kept),
        old=whole(trainer.old, kept=kept),
        optimizer=trainer.policy.engine.optimizer_state(kept=kept),
        first_watch=trainer.first_watch,
        rng=torch.get_rng_state(),
        facts=facts,
    )


def check_edition(facts: Mapping[str, str], family: str) -> None:
    """Raises: CheckpointError: the run began on weights that have been made anew since."""
    if told := outdated(family, facts.get(EDITION, "")):
        raise CheckpointError(f"The run {told}")


def check_prompts(facts: Mapping[str, str], prompts: TaskSet) -> None:
    """Raises: ConfigError: they are not those that the run began with."""
    changed = [name for name, is_ in prompts.digests.items() if facts.get(name, is_) != is_]
    if changed:
        raise ConfigError(
            f"The prompts of {' and '.join(changed)} are not those that the run began with, so it "
            "would not go on as it was. Put the old ones back, or start a new run."
        )


def take_up(trainer: Stepper, state: RunState) -> None:
    """Make the trainer what it was, whatever engine and number of processes that had.

    Raises: CheckpointError: the run began on weights that have been made anew since.
    """
    check_edition(state.facts, trainer.policy.family.name)
    trainer.policy.load(state.values)
    trainer.policy.start_adapter.load_state_dict(state.start)
    trained = trainer.policy.parameters()
    trainer.average = {k: laid_out(v, trained[k]) for k, v in state.average.items()}
    trainer.old = {k: laid_out(v, trained[k]) for k, v in state.old.items()}
    trainer.policy.engine.load_optimizer(state.optimizer)
    trainer.step, trainer.seconds = state.step, state.seconds
    trainer.first_watch = state.first_watch
    trainer.best = float(state.facts[BEST]) if BEST in state.facts else None
    if state.rng is not None:
        torch.set_rng_state(state.rng)
