"""The feedback loop as pure steps from state to state; `driver` and ComfyUI's graph call them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ..errors import LoopError, ScorerError
from ..images import check_images, from_png, to_png
from ..reading.base import Scorer
from ..reading.outcomes import read_each
from ..records.drawn import Drawn
from ..records.emotion import Emotion
from ..records.policy import LoopPolicy
from ..records.prompt import (
    checked_prompt,
)
from ..records.reading import (
    Outcome,
    Reading,
    Unread,
    measured,
    with_explanation,
)
from ..records.refinement import (
    Refinement,
)
from ..records.request import (
    RefineRequest,
)
from ..records.state import MAX_SEED, LoopState, RoundRecord, SkippedRound
from ..refining.base import (
    Refiner,
)
from .choice import basis_of, chosen_of
from .ranking import best_after, rank_readings
from .steering import first_request, handed_aim, next_aim
from .stopping import stop_reason


def start_loop(
    prompt: str,
    target: Emotion,
    policy: LoopPolicy | None = None,
    *,
    seed: int = 0,
    origin: bytes = b"",
) -> LoopState:
    """A loop that has not generated anything yet.

    Args:
        origin: a picture of the artist's as PNG, which a body may start from.
    Raises: ConfigError: empty prompt, or a seed out of range.
    """
    prompt = checked_prompt(prompt)
    return LoopState(
        artist_prompt=prompt,
        target=target,
        policy=policy or LoopPolicy(),
        seed=seed,
        prompt=prompt,
        origin=origin,
    )


def rewritten_for_target(state: LoopState, refiner: Refiner) -> LoopState:
    """The state whose first round generates what the refiner makes of prompt and target alone.

    Raises: LoopError: the loop has begun. ScorerError: the refiner failed.
    """
    if state.rounds:
        raise LoopError("The loop has begun; its first prompt can no longer be rewritten.")
    refinement = refiner.refine(first_request(state))
    prompt = checked_prompt(refinement.prompt)
    return state.advanced(["rewritten", prompt], prompt=prompt, first_refinement=refinement)


def round_seed(state: LoopState) -> int:
    """The seed of the coming round, by the policy's seed policy.

    A skipped round moves the seed on under every policy: its pictures would only come back.
    """
    offset = len(state.rounds) if state.policy.seed_policy == "per round" else 0
    return (state.seed + offset + len(state.skipped)) % (MAX_SEED + 1)


NO_CAUSES = "The causes in this picture could not be asked for: "


def read_candidates(
    scorer: Scorer, images: Tensor, state: LoopState, *, explain: bool = True
) -> list[Outcome]:
    """Scores a round's candidates in one batch and, if asked, explains the best one.

    The explained reading keeps the quick reading's emotion and uncertainty, so that all candidates
    are compared by one method; it adds words, cues and rationale. A picture that cannot be read
    has the reason in its place.

    Raises: ImageError. ScorerError: the scorer cannot be asked.
    """
    images = check_images(images)
    found = read_each(lambda part: scorer.score(part, prompt=state.artist_prompt), images)
    floor = state.policy.content_floor
    best = rank_readings(found, state.target, content_floor=floor)[0]
    reading = found[best]
    if explain and isinstance(reading, Reading):
        found[best] = _explained(scorer, images[best : best + 1], reading)
    return found


def _explained(scorer: Scorer, image: Tensor, reading: Reading) -> Reading:
    try:
        return with_explanation(reading, scorer.explain(image)[0])
    except ScorerError as error:  # what was measured is not lost with its causes
        return replace(reading, warnings=(*reading.warnings, f"{NO_CAUSES}{error}"))


def record_scores(
    state: LoopState,
    images: Tensor,
    readings: Sequence[Outcome],
    *,
    prompts: Sequence[str] = (),
    generate_seconds: float = 0.0,
    score_seconds: float = 0.0,
    steps: int = 0,
    latents: Sequence[bytes] = (),
    reused: Drawn | None = None,
) -> LoopState:
    """Adds a scored round, or an unread one if no picture was read; the state may be done.

    Args:
        images: [B, H, W, 3] float in 0..1.
        readings: one an image, or why there is none.
        prompts: one an image where they differ; default: the state's prompt for all.
        latents: what each image was decoded from, as in `Drawn`; empty where unknown.
        reused: the images as an earlier run made them.
    Raises: LoopError: the loop is done, or counts differ. ImageError: unusable images.
    """
    if state.done:
        raise LoopError(f"The loop has stopped ({state.stop_reason}); it takes no more rounds.")
    images = check_images(images)
    prompts = tuple(prompts) or (state.prompt,) * len(images)
    if not len(images) == len(readings) == len(prompts):
        raise LoopError(
            f"{len(images)} images came with {len(readings)} readings and {len(prompts)} prompts; "
            "each image needs one of each."
        )
    drawn = reused or Drawn(tuple(to_png(image) for image in images), tuple(latents))
    if len(drawn.latents) not in (0, len(images)):
        raise LoopError(
            f"{len(images)} images came with {len(drawn.latents)} latents; each image needs the "
            "one that it was decoded from."
        )
    pictures = drawn.images
    seed = round_seed(state)
    floor = state.policy.content_floor
    best = rank_readings(readings, state.target, content_floor=floor)[0]
    read = readings[best]
    told = [repr(each.emotion) if isinstance(each, Reading) else each.why for each in readings]
    event = [prompts, seed, list(pictures), told]
    if handed_aim(state) is not None:
        event.append([repr(each) for each in measured(readings)])
    if isinstance(read, Unread):
        unread = SkippedRound(
            number=state.coming_round,
            pictures=0 if reused else len(pictures),
            generate_seconds=generate_seconds,
            score_seconds=score_seconds,
            steps=steps,
            unread=tuple(each for each in readings if isinstance(each, Unread)),
            images=pictures,
            prompts=prompts,
            seed=seed,
            latents=drawn.latents,
        )
        after = state.advanced(event, skipped=(*state.skipped, unread))
        reason = stop_reason(after)
        return replace(after, stop_reason=reason, failure=read.why if reason == "unread" else "")
    record = RoundRecord(
        number=state.coming_round,
        prompts=prompts,
        seed=seed,
        images=pictures,
        readings=tuple(readings),
        best=best,
        gap=state.target.gap_from(read.emotion),
        generate_seconds=generate_seconds,
        score_seconds=score_seconds,
        steps=steps,
        tokens=sum(reading.tokens for reading in measured(readings)),
        reused=reused is not None,
        aim=handed_aim(state),
        latents=drawn.latents,
    )
    scored = state.advanced(event, rounds=(*state.rounds, record), best=best_after(state, record))
    scored = replace(scored, corrected=next_aim(scored))
    return replace(scored, stop_reason=stop_reason(scored))


def ended_by(state: LoopState, failure: str) -> LoopState:
    """The loop ends with the best picture so far, since a scorer or refiner cannot be asked."""
    return state.advanced(["failed", failure], stop_reason="scorer", failure=failure)


def check_read(state: LoopState) -> None:
    """A loop that is done without any reading has nothing to hand on.

    Raises: ScorerError: with what the scorer failed.
    """
    if state.done and state.best is None:
        raise ScorerError(f"The loop ended without a reading: {state.failure}")


def accept_best(state: LoopState) -> LoopState:
    """The artist takes the best picture so far: the loop is done.

    Raises: LoopError: no round has been read yet, or the loop is done already.
    """
    if state.done or state.best is None:
        why = f"it has stopped ({state.stop_reason})" if state.done else "no picture was read yet"
        raise LoopError(f"There is nothing to accept: {why}.")
    return state.advanced(["accepted"], stop_reason="accepted")


def may_skip(state: LoopState) -> bool:
    """Whether the coming round may be thrown away: not the last one of a loop without a picture."""
    return not state.done and (state.best is not None or state.coming_round < state.policy.rounds)


def skip_round(
    state: LoopState, *, pictures: int = 0, generate_seconds: float = 0.0, steps: int = 0
) -> LoopState:
    """The coming round is thrown away unread; the returned state may be done.

    Args:
        pictures, generate_seconds, steps: what was spent on it.
    Raises: LoopError: `may_skip` says no.
    """
    if not may_skip(state):
        raise LoopError(
            f"Round {state.coming_round} cannot be skipped: the loop would end without a picture. "
            "Ask for more rounds."
        )
    record = SkippedRound(
        number=state.coming_round,
        pictures=pictures,
        generate_seconds=generate_seconds,
        steps=steps,
    )
    skipped = state.advanced(["skipped", record.number], skipped=(*state.skipped, record))
    return replace(skipped, stop_reason=stop_reason(skipped))


def cut_short(
    state: LoopState, *, accept: bool, pictures: int, generate_seconds: float, steps: int
) -> LoopState:
    """The state without the coming round, and stopped with its best picture if that is accepted.

    Raises: LoopError: the round cannot be skipped, or there is nothing to accept.
    """
    skipped = skip_round(state, pictures=pictures, generate_seconds=generate_seconds, steps=steps)
    return accept_best(replace(skipped, stop_reason="")) if accept else skipped


def with_steps(state: LoopState, steps: int) -> LoopState:
    """The same state with the sampler steps of the last round's pictures filled in.

    Args:
        steps: a picture; known to the graph alone, after the round. A round of a loop that is
            gone on from has them.
    """
    if state.just_resumed:
        return state
    if state.just_skipped:
        skipped = replace(state.skipped[-1], steps=steps * state.skipped[-1].pictures)
        return replace(state, skipped=(*state.skipped[:-1], skipped))
    record = state.rounds[-1]
    counted = replace(record, steps=0 if record.reused else steps * len(record.images))
    return replace(state, rounds=(*state.rounds[:-1], counted))


def refine_request(state: LoopState) -> RefineRequest:
    """What to ask a refiner after the last scored round, of its pictures that were read.

    Where the artist chose a candidate, it is asked about that one, among those of its round.

    Raises: LoopError: no round has been scored yet.
    """
    if not state.rounds:
        raise LoopError(
            "No round has been scored yet; score a round's pictures before it is refined."
        )
    index, best = basis_of(state)
    record = state.rounds[index]
    read = [place for place, was_read in enumerate(record.was_read) if was_read]
    return RefineRequest(
        artist_prompt=state.artist_prompt,
        prompt=record.prompts[best],
        images=torch.stack([from_png(record.images[place]) for place in read]),
        readings=tuple(measured(record.readings)),
        target=state.target,
        best=read.index(best),
        history=(*state.rounds[:index], *state.rounds[index + 1 :]),
        aim=record.aim,
        prompts=tuple(record.prompts[place] for place in read),
    )


def record_refinement(state: LoopState, refinement: Refinement) -> LoopState:
    """Adds the refiner's answer to the last round and sets the coming round's prompt.

    Raises: LoopError: no round was scored, or this one was refined already.
    """
    if not state.rounds:
        raise LoopError(
            "No round has been scored yet; score a round's pictures before it is refined."
        )
    record = state.rounds[-1]
    if record.refinement is not None:
        raise LoopError(f"Round {record.number} was refined already; refine each round once.")
    index, best = basis_of(state)
    seen = state.rounds[index].reading_of(best).cues
    refinement = refinement.suggesting_nothing_of([cue.name for cue in seen])
    record = replace(
        record,
        refinement=refinement,
        refined_from=chosen_of(state),
        refine_seconds=refinement.seconds,
        tokens=record.tokens + refinement.tokens,
    )
    refined = state.advanced(
        ["refined", refinement.prompt],
        rounds=(*state.rounds[:-1], record),
        prompt=checked_prompt(refinement.prompt),
    )
    return replace(refined, corrected=next_aim(refined))
