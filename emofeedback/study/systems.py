"""A system under test: one way of spending pictures on a prompt and a target."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..embedded.scorer import load_scorer
from ..loop.driver import Generate, TakeAim, rewrite_first_prompt, run_loop
from ..loop.steps import start_loop
from ..reading.base import Scorer
from ..records.emotion import Emotion
from ..records.policy import AIM, BOTH, WORDS, LoopPolicy
from ..records.state import LoopState
from ..refining.base import Refiner
from ..refining.rules import RuleRefiner
from .insertion import RoleInsertion


@dataclass(frozen=True, kw_only=True)
class System:
    """One way of spending pictures on a prompt and a target, by the loop's driver.

    Args:
        refiner: "none", "scorer" (the scorer's own, the rules where it has none), "embedded",
            "rules" or "roles" (affect words by role).
        rewrite_first: rewrite the prompt before the first round, without picture and reading.
        refine_rounds: refine between the rounds; else they only choose.
        emotion_input: the target also reaches the generator through its adapter.
        explain: have the scorer explain for the refiner; the rules need no cues.
        steer: what the loop moves, as `LoopPolicy.steer`; the aim needs an `emotion_input`.
        oracle: the part that somebody who knows stands in for ("reader", "refiner" or "aim"); for
            finding what limits. Whoever runs the system brings it.
    """

    name: str
    rounds: int = 3
    candidates: int = 4
    refiner: str = "none"
    rewrite_first: bool = False
    refine_rounds: bool = True
    emotion_input: bool = False
    explain: bool = True
    steer: str = WORDS
    oracle: str = ""

    @property
    def pictures(self) -> int:
        """Pictures of one prompt and target."""
        return self.rounds * self.candidates

    def run(
        self,
        prompt: str,
        target: Emotion,
        generate: Generate,
        scorer: Scorer,
        *,
        seed: int,
        floor: float = 0.0,
        take_aim: TakeAim | None = None,
        refiner: Refiner | None = None,
    ) -> LoopState:
        """Spends them.

        Args:
            seed: of the first round; every round has the next.
            floor: the policy's content floor.
            take_aim: of what generates, where the system steers the aim.
            refiner: in the place of the system's own.
        """
        policy = LoopPolicy(
            rounds=self.rounds,
            candidates=self.candidates,
            tolerance=0.0,
            content_floor=floor,
            steer=self.steer,
        )
        refiner = refiner or refiner_of(self, scorer)
        state = start_loop(prompt, target, policy, seed=seed)
        if self.rewrite_first and refiner is not None:
            state = rewrite_first_prompt(state, refiner)
        between = refiner if self.refine_rounds else None
        *_, state = run_loop(
            generate, scorer, between, state, explain=self.explain, take_aim=take_aim
        )
        return state


BY_ROLE = System(
    name="affect words by role, best of 12",
    refiner="roles",
    rewrite_first=True,
    refine_rounds=False,
)
INPUT = System(name="V-A input, best of 12", emotion_input=True)
BY_AIM = System(name="loop by aim", emotion_input=True, steer=AIM)
BY_BOTH = tuple(
    System(
        name=f"loop by both, {told}",
        refiner=kind,
        rewrite_first=True,
        emotion_input=True,
        steer=BOTH,
    )
    for kind, told in (("embedded", "LVLM refiner"), ("rules", "rule refiner"))
)
"""Rivals and loops that hand the body an emotion, at twelve pictures each."""


def study_systems(rounds: int, candidates: int, *, emotion_input: bool) -> tuple[System, ...]:
    """What a study compares: the prompt, one rewrite, best of N, the loop.

    Args:
        emotion_input: the generator also takes valence and arousal: best of N and the loop are
            tried with it, too, and loops that steer it, by the aim alone and by both.
    """
    number = rounds * candidates
    one = System(name="prompt", rounds=1, candidates=1)
    loop = System(
        name="loop by words",
        rounds=rounds,
        candidates=candidates,
        refiner="scorer",
        rewrite_first=True,
    )
    systems = (
        one,
        replace(loop, name="rewritten once", rounds=1, candidates=1, refine_rounds=False),
        replace(one, name=f"best of {number}", rounds=rounds, candidates=candidates),
        loop,
    )
    with_input = (
        replace(INPUT, name=f"best of {number} with input", rounds=rounds, candidates=candidates),
        replace(loop, name="loop by words and input", emotion_input=True),
        replace(BY_AIM, rounds=rounds, candidates=candidates),
        replace(loop, name="loop by both", emotion_input=True, steer=BOTH),
    )
    return (*systems, *with_input) if emotion_input else systems


def refiner_of(system: System, scorer: Scorer) -> Refiner | None:
    """The refiner that a system names; None where it only draws."""
    name = system.refiner
    if name == "none":
        return None
    if name == "embedded":
        return load_scorer().refiner()
    if name == "scorer" and "refine" in scorer.abilities:
        return scorer.refiner()
    return RoleInsertion() if name == "roles" else RuleRefiner()
