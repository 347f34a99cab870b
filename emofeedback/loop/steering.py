"""What a loop hands to the body beside the words: the aim of the coming round.

By the aim alone, the words stay and the aim follows what the last round was read as. By both, one
predicted gap is shared: the refiner closes what it can with the aim as it stands, and the aim moves
against what the evidence still expects to be missing of the prompt that was written.
"""

from __future__ import annotations

from dataclasses import replace

from ..plane.aiming import corrected_aim, measured_mean
from ..records.emotion import Emotion
from ..records.policy import AIM, WORDS
from ..records.reading import measured
from ..records.request import RefineRequest, blind_request
from ..records.state import LoopState
from ..refining.cues import named_cues
from ..refining.evidence import Evidence
from ..refining.rules import tried_in

NOTHING_TAKES_IT = (
    "Nothing that makes the pictures takes the aim, so the loop steers by words. {way}"
)


def handed_aim(state: LoopState) -> Emotion | None:
    """What the coming round hands to the body; None where the aim is not steered."""
    return None if state.policy.steer == WORDS else state.aim


def next_aim(state: LoopState) -> Emotion | None:
    """The coming round's aim by all that was read; None where the aim is not steered."""
    if state.policy.steer == WORDS or not state.rounds:
        return state.corrected
    record, target = state.rounds[-1], state.target
    aim = record.aim or target
    if state.policy.steer == AIM:
        seen = measured_mean(measured(record.readings))
        return corrected_aim(aim, target.gap_from(seen.emotion), seen.doubt)
    evidence, cues = Evidence.of(tried_in(state.rounds)), named_cues(state.prompt)
    expected = Emotion(*evidence.feeling(cues, aim))
    doubt = evidence.doubt(cues, aim)
    return corrected_aim(aim, target.gap_from(expected), (doubt, doubt), gain=evidence.gain)


def by_words_alone(state: LoopState, way: str) -> LoopState:
    """The state of a loop whose body takes no aim: it steers by words, and says so.

    Args:
        way: what the artist can do about it.
    """
    if state.policy.steer == WORDS:
        return state
    told = NOTHING_TAKES_IT.format(way=way)
    policy = replace(state.policy, steer=WORDS)
    words = state.advanced(["by words"], policy=policy, told=(*state.told, told))
    known = state.known and by_words_alone(state.known, way)
    return replace(words, known=known, at_hand=state.at_hand)


def first_request(state: LoopState) -> RefineRequest:
    """What a refiner is asked before there is a picture: the aim's share of the gap is closed."""
    aim = handed_aim(state)
    assumed = None
    if aim is not None:
        cues = named_cues(state.artist_prompt)
        assumed = Emotion(*Evidence.of(()).feeling(cues, aim))
    return blind_request(state.artist_prompt, state.target, aim=aim, assumed=assumed)
