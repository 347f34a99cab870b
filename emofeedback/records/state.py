"""The feedback loop's memory: one immutable value that carries everything from round to round.

`LoopState` is a `Mapping` that shows only a digest, the round and whether the loop is done: that is
what ComfyUI's cache hashes, so equal histories are equal inputs, and pictures are never compared.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..errors import ConfigError
from .drawn import Drawn
from .emotion import Emotion, Gap
from .policy import LoopPolicy
from .prompt import checked_prompt
from .reading import Outcome, Reading, Unread
from .refinement import Refinement, Suggestion

MAX_SEED = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Chosen:
    """A candidate that the artist points at, both counted from 1."""

    round: int
    candidate: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundRecord:
    """One finished round.

    Args:
        number: 1 for the first round.
        prompts: what each candidate was generated from; equal unless prompts differ by candidate.
        images: PNG bytes, one a candidate.
        readings: one a candidate; at least one of them was read.
        best: index of the round's best candidate.
        gap: target minus the best candidate's reading.
        steps: generator steps spent (pictures x sampler steps); 0 where unknown.
        tokens: LVLM tokens for scoring and refining.
        reused: an earlier run made the pictures; this one spent nothing on them.
        refined_from: the artist's choice that the refinement started from; None: the best of this.
        latents: what each picture was decoded from, as in `Drawn`.
        aim: the emotion that was handed to what made the pictures; None where it is not steered.
    """

    number: int
    prompts: tuple[str, ...]
    seed: int
    images: tuple[bytes, ...]
    readings: tuple[Outcome, ...]
    best: int
    gap: Gap
    refinement: Refinement | None = None
    generate_seconds: float = 0.0
    score_seconds: float = 0.0
    refine_seconds: float = 0.0
    steps: int = 0
    tokens: int = 0
    reused: bool = False
    refined_from: Chosen | None = None
    latents: tuple[bytes, ...] = ()
    aim: Emotion | None = None

    @property
    def prompt(self) -> str:
        """The prompt of the round's best candidate."""
        return self.prompts[self.best]

    @property
    def best_reading(self) -> Reading:
        """The reading of the round's best candidate."""
        return self.reading_of(self.best)

    def reading_of(self, candidate: int) -> Reading:
        """The reading of a candidate that was read, counted from 0."""
        reading = self.readings[candidate]
        assert isinstance(reading, Reading), "a picture without a reading cannot win"
        return reading

    @property
    def was_read(self) -> tuple[bool, ...]:
        """Which candidates have a reading."""
        return tuple(isinstance(outcome, Reading) for outcome in self.readings)

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """One a candidate, as of a round without a reading."""
        return self.readings

    @property
    def suggestions(self) -> tuple[Suggestion, ...]:
        """What the refiner proposed after this round, empty if it was not asked."""
        return self.refinement.suggestions if self.refinement else ()

    @property
    def seconds(self) -> float:
        """Wall time of the round's work."""
        return self.generate_seconds + self.score_seconds + self.refine_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedRound:
    """A round without a reading; it counts as a round and as cost.

    The artist threw it away before it was read, or none of its pictures could be read: then they
    are kept.

    Args:
        number: its place among all rounds, 1 for the first.
        pictures: how many were made for it; none where an earlier run made them.
        steps: generator steps spent; 0 where unknown.
        unread: why each picture could not be read; empty where the artist threw it away.
        images: PNG bytes, one for each of `unread`.
        prompts: what each was generated from.
        seed: of the round.
        latents: as of a round with readings.
    """

    number: int
    pictures: int = 0
    generate_seconds: float = 0.0
    steps: int = 0
    score_seconds: float = 0.0
    unread: tuple[Unread, ...] = ()
    images: tuple[bytes, ...] = ()
    prompts: tuple[str, ...] = ()
    seed: int = 0
    latents: tuple[bytes, ...] = ()

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """One a picture, none of them a reading."""
        return self.unread


@dataclass(frozen=True, slots=True)
class Best:
    """The best picture so far: `round_index` counts from 0, `candidate` within the round.

    Where it is `chosen` by the artist, no smaller gap takes its place.
    """

    round_index: int
    candidate: int
    gap: Gap
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Resumed:
    """That a loop goes on from one that had ended.

    Args:
        run: the id of that one.
        read, made: rounds that it had read, and all that it had made.
        seconds: what it had spent.
    """

    run: str
    read: int
    made: int
    seconds: float


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class LoopState(Mapping[str, Any]):
    """Everything the loop knows. Make one with `emofeedback.loop.steps.start_loop`.

    Args:
        artist_prompt: what the artist wrote.
        prompt: what the coming round generates from.
        seed: the loop's own seed; `loop.steps.round_seed` derives each round's.
        rounds: finished rounds, oldest first.
        skipped: rounds without a reading, oldest first.
        best: best picture so far, None before the first round.
        stop_reason: empty while the loop goes on.
        failure: what a scorer or refiner failed with that ended the loop; else empty.
        first_refinement: how the first round's prompt was rewritten; None: it is the artist's own.
        digest: identifies prompt, target, policy, seed, pictures and readings.
        origin: the artist's own picture as PNG, which a body may start from; else empty.
        resumed: the loop that this one goes on from.
        at_hand: the coming round's pictures, where an earlier run made the same.
        known: the state after the coming round, where that is known already.
        corrected: the coming round's aim, None while it is the target.
        told: what the loop could not do as it was asked to.
    """

    artist_prompt: str
    target: Emotion
    policy: LoopPolicy
    seed: int
    prompt: str
    rounds: tuple[RoundRecord, ...] = ()
    skipped: tuple[SkippedRound, ...] = ()
    best: Best | None = None
    stop_reason: str = ""
    failure: str = ""
    first_refinement: Refinement | None = None
    digest: str = ""
    origin: bytes = b""
    resumed: Resumed | None = None
    at_hand: Drawn | None = None
    known: LoopState | None = None
    corrected: Emotion | None = None
    told: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        checked_prompt(self.artist_prompt)
        if not 0 <= self.seed <= MAX_SEED:
            raise ConfigError(f"The seed is {self.seed}; use a whole number from 0 to {MAX_SEED}.")
        if not self.digest:
            start = [self.artist_prompt, repr(self.target), repr(self.policy), self.seed]
            start += [self.origin] if self.origin else []
            object.__setattr__(self, "digest", _digest("", start))

    @property
    def done(self) -> bool:
        """The loop has stopped; `stop_reason` says why."""
        return bool(self.stop_reason)

    @property
    def aim(self) -> Emotion:
        """What the coming round hands to the body: the target, corrected by what was measured."""
        return self.corrected or self.target

    @property
    def coming_round(self) -> int:
        """Number of the round to generate next, counted from 1."""
        return len(self.rounds) + len(self.skipped) + 1

    @property
    def best_round(self) -> RoundRecord:
        """The round of the best picture so far; only where `best` is known."""
        assert self.best is not None, "no round has been read yet"
        return self.rounds[self.best.round_index]

    @property
    def best_image(self) -> bytes:
        """The best picture so far as PNG; only where `best` is known."""
        assert self.best is not None, "no round has been read yet"
        return self.best_round.images[self.best.candidate]

    @property
    def awaits_refinement(self) -> bool:
        """The loop goes on, and its last round that was read has no prompt for the next."""
        return not self.done and bool(self.rounds) and self.rounds[-1].refinement is None

    @property
    def just_skipped(self) -> bool:
        """The round before the coming one has no reading."""
        return bool(self.skipped) and self.skipped[-1].number == self.coming_round - 1

    @property
    def just_resumed(self) -> bool:
        """The round before the coming one is the last of the loop that this one goes on from."""
        return self.resumed is not None and self.resumed.made == self.coming_round - 1

    @property
    def best_reading(self) -> Reading:
        """The reading of the best picture so far; only where `best` is known."""
        assert self.best is not None, "no round has been read yet"
        return self.best_round.reading_of(self.best.candidate)

    @property
    def start_image(self) -> bytes:
        """What the coming round's pictures may start from: the artist's choice, else `origin`."""
        chosen = self.best is not None and self.best.chosen
        return self.best_image if chosen else self.origin

    @property
    def made(self) -> tuple[RoundRecord | SkippedRound, ...]:
        """Every round whose pictures are kept, oldest first."""
        kept = [record for record in self.skipped if record.unread]
        return tuple(sorted((*self.rounds, *kept), key=lambda record: record.number))

    def advanced(self, event: object, **changes: Any) -> LoopState:
        """A copy with `changes`, whose digest also covers `event` (JSON values or bytes)."""
        return replace(
            self, digest=_digest(self.digest, event), at_hand=None, known=None, **changes
        )

    def _shown(self) -> dict[str, Any]:
        return {"digest": self.digest, "round": len(self.rounds), "done": self.done}

    def __getitem__(self, key: str) -> Any:
        return self._shown()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._shown())

    def __len__(self) -> int:
        return len(self._shown())

    def __repr__(self) -> str:
        # Error reports print their inputs: the pictures must stay out of them.
        return f"LoopState(round={len(self.rounds)}, stop_reason={self.stop_reason!r})"

    def __hash__(self) -> int:
        return hash(self.digest)


def _digest(previous: str, event: object) -> str:
    text = json.dumps([previous, event], default=lambda data: hashlib.sha256(data).hexdigest())
    return hashlib.sha256(text.encode()).hexdigest()
