"""The one driver of the loop: its phases, each told to an observer, and rounds until it is done.

ComfyUI's graph runs the phases itself, a node each; everything else runs `run_loop`. Best-of-N is
the same loop without a refiner, so both compare at equal cost.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from ..errors import ScorerError
from ..images import from_png
from ..reading.base import Scorer
from ..records.drawn import Drawn
from ..records.emotion import Emotion
from ..records.policy import AIM
from ..records.reading import Unread
from ..records.state import LoopState
from ..refining.base import Refiner
from ..refining.falling_back import RulesInstead
from .candidate_prompts import ONE_EACH, SHARED, refined_prompts
from .choice import chosen_of, prefer
from .observer import HEADLESS, CutShort, Observer, Wish
from .progress import MAKING, READING, REWRITING
from .report import unread_in_words
from .steering import by_words_alone
from .steps import (
    accept_best,
    check_read,
    cut_short,
    ended_by,
    read_candidates,
    record_refinement,
    record_scores,
    refine_request,
    rewritten_for_target,
    round_seed,
)
from .stopping import stopped_unpromising

log = logging.getLogger(__name__)

Generate = Callable[[Sequence[str], int], Tensor]
"""(one prompt a candidate, seed) -> pictures [B, H, W, 3] in 0..1."""
AtHand = Callable[[Sequence[str], int], Drawn | None]
"""The same pictures, where an earlier run made them."""
TakeAim = Callable[[Emotion], None]
"""Is told the coming round's aim before `Generate` and `AtHand` are asked for it."""


def nothing_at_hand(prompts: Sequence[str], seed: int) -> None:
    """Every picture is made."""
    del prompts, seed


def rewrite_first_prompt(
    state: LoopState, refiner: Refiner, observer: Observer = HEADLESS
) -> LoopState:
    """The state whose first round draws words rewritten for the target.

    Raises: LoopError: the loop has begun. ScorerError: the refiner failed.
    """
    observer.told(state, REWRITING)
    state = rewritten_for_target(state, refiner)
    observer.told(state)
    return state


def read_round(
    state: LoopState,
    images: Tensor,
    scorer: Scorer,
    observer: Observer = HEADLESS,
    *,
    explain: bool = True,
    prompts: Sequence[str] = (),
    generate_seconds: float = 0.0,
    steps: int = 0,
    latents: Sequence[bytes] = (),
    reused: Drawn | None = None,
) -> LoopState:
    """The state after the coming round: its pictures read, or thrown away if that is wanted.

    A picture that cannot be read has no reading and says why. A scorer that cannot be asked at all
    ends the loop with the best picture so far; the state may then be done without any reading, see
    `steps.check_read`.

    Args:
        images: [B, H, W, 3] float in 0..1.
        explain: also ask for the causes in the best candidate.
        prompts: one an image where they differ.
        generate_seconds, steps: what the pictures cost.
        latents: what each image was decoded from, as in `Drawn`; empty where unknown.
        reused: the images as an earlier run made them.
    """
    wish = observer.cut_wanted(state, last=True)
    if wish:
        made = 0 if reused else len(images)
        return _without_round(state, wish, observer, made, generate_seconds, steps)
    observer.told(state, READING)
    started, failure = time.perf_counter(), ""
    try:
        readings = read_candidates(scorer, images, state, explain=explain)
    except ScorerError as error:
        failure = str(error)
        readings = [Unread(why=failure)] * len(images)
    state = record_scores(
        state,
        images,
        readings,
        prompts=prompts,
        generate_seconds=generate_seconds,
        score_seconds=time.perf_counter() - started,
        steps=steps,
        latents=latents,
        reused=reused,
    )
    for told in unread_in_words(state.made[-1]):
        log.warning("%s", told)
    if failure:
        state = ended_by(state, failure)
    observer.told(state)
    return state


def decided(state: LoopState, observer: Observer) -> LoopState:
    """The state with the artist's choice as its best, stopped if that is wanted now."""
    state = _chosen(state, observer)
    if state.done or observer.cut_wanted(state) != "accept":
        return state
    state = accept_best(state)
    observer.told(state)
    return state


def _chosen(state: LoopState, observer: Observer) -> LoopState:
    choice = observer.choice(state)
    if choice == chosen_of(state):
        return state
    state = prefer(state, choice)
    observer.told(state)
    return state


def refine_round(
    state: LoopState,
    refiner: Refiner,
    observer: Observer = HEADLESS,
    *,
    route: str = SHARED,
    prompts: tuple[str, ...] = (),
) -> tuple[LoopState, tuple[str, ...]]:
    """The state with the coming round's prompt, and that round's prompts, one a candidate.

    Args:
        route: one of `ROUTES`.
        prompts: the last round's, one a candidate, where they may differ.
    Raises: LoopError: no round was read, or it was refined already.

    A refiner whose answers cannot be used is replaced by the rules; one that cannot be asked ends
    the loop with the best picture so far. Where the aim alone is steered, the words stay and nobody
    is asked.
    """
    if state.policy.steer == AIM:
        return state, prompts or (state.prompt,) * state.policy.candidates

    def tick() -> None:
        observer.told(state, REWRITING)

    tick()
    request = refine_request(state)
    was_read = state.rounds[-1].was_read
    if chosen_of(state) is not None:  # all candidates follow it
        route, prompts = SHARED if route == ONE_EACH else route, ()
    prompts = prompts or (request.prompt,) * len(was_read)
    read = tuple(prompt for prompt, known in zip(prompts, was_read, strict=True) if known)
    try:
        made, refinement = refined_prompts(route, RulesInstead(refiner), request, read, tick=tick)
    except ScorerError as error:
        log.warning("The prompt was not rewritten: %s", error)
        state = ended_by(state, str(error))
    else:
        state = record_refinement(state, refinement)
        # candidates that could not be read go on from the best one's prompt
        prompts = (*made, *(refinement.prompt,) * (len(prompts) - len(made)))
    observer.told(state)
    return state, prompts


def run_loop(
    generate: Generate,
    scorer: Scorer,
    refiner: Refiner | None,
    state: LoopState,
    *,
    observer: Observer = HEADLESS,
    route: str = SHARED,
    explain: bool = True,
    steps_per_picture: int = 0,
    at_hand: AtHand = nothing_at_hand,
    latents: Callable[[], Sequence[bytes]] = tuple,
    take_aim: TakeAim | None = None,
) -> Iterator[LoopState]:
    """Runs the loop, yielding the state after every round.

    Args:
        generate: makes the pictures; may raise `CutShort` where the observer wants it.
        refiner: None keeps the prompt: best-of-N, whose readings nobody has to explain.
        route: one of `ROUTES`: how the candidates' prompts differ.
        steps_per_picture: for the cost report.
        at_hand: asked before `generate`.
        latents: asked after it: what each of its pictures was decoded from, as in `Drawn`.
        take_aim: for a policy that steers the aim; None where nothing takes it: then the loop
            steers by words, and says so.
    Raises: ScorerError: the loop has ended, and no picture was read.
    """
    if take_aim is None:
        state = by_words_alone(state, "Give run_loop a take_aim.")
    count = state.policy.candidates
    prompts = (state.prompt,) * count
    if state.known is not None:
        state = state.known
        observer.told(state)
        if refiner is not None and state.awaits_refinement:
            last = state.rounds[-1].prompts
            state, made = refine_round(state, refiner, observer, route=route, prompts=last)
            prompts = (made * count)[:count]
        yield state
    while not state.done:
        if take_aim is not None:
            take_aim(state.aim)
        reused = at_hand(prompts, round_seed(state))
        observer.told(state, "" if reused else MAKING)
        started = time.perf_counter()
        try:
            images = (
                torch.stack([from_png(data) for data in reused.images])
                if reused
                else generate(prompts, round_seed(state))
            )
        except CutShort:
            seconds = time.perf_counter() - started
            wish = observer.cut_wanted(state) or "skip"
            state = _without_round(state, wish, observer, 0, seconds, 0)
        else:
            state = read_round(
                state,
                images,
                scorer,
                observer,
                explain=explain and refiner is not None,
                prompts=prompts,
                generate_seconds=0.0 if reused else time.perf_counter() - started,
                steps=0 if reused else steps_per_picture * len(images),
                latents=() if reused else latents(),
                reused=reused,
            )
        state = decided(state, observer)
        if refiner is not None and state.awaits_refinement:
            state, prompts = refine_round(state, refiner, observer, route=route, prompts=prompts)
        stopped = stopped_unpromising(state, prompts)
        if stopped is not state:
            state = stopped
            observer.told(state)
        yield state
    check_read(state)


def _without_round(
    state: LoopState, wish: Wish, observer: Observer, pictures: int, seconds: float, steps: int
) -> LoopState:
    state = cut_short(
        _chosen(state, observer),
        accept=wish == "accept",
        pictures=pictures,
        generate_seconds=seconds,
        steps=steps,
    )
    observer.told(state)
    return state
