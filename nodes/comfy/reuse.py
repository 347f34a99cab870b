"""Nothing is drawn, read or rewritten twice: what a loop in the graph finds of earlier runs.

Pictures of a round are known by its prompt, seed and candidates, and by everything else that feeds
Score Round's images. Where they are at hand Score Round does not ask for its images, and the open
node blocks the outputs that only pictures are made of, or previews inside the loop would draw them
all the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from comfy_execution.graph_utils import is_link

from ...emofeedback.errors import LoopError
from ...emofeedback.loop.memory import LoopMemory, RememberingRefiner, RememberingScorer
from ...emofeedback.loop.steps import round_seed
from ...emofeedback.reading.base import Scorer
from ...emofeedback.records.drawn import Drawn
from ...emofeedback.records.emotion import Emotion
from ...emofeedback.records.reading import Reading
from ...emofeedback.records.state import LoopState, RoundRecord, SkippedRound
from ...emofeedback.refining.base import Refiner
from .bridge import running_node_id, running_prompt
from .live import drawn_rounds
from .loop_graph import OPENING, LoopGraph, drawing_outputs, open_node, round_of
from .refiners import refiner_of
from .signatures import NoSignature, Outputs, signature_of

MEMORY = LoopMemory()


class Failures:
    """How often a node went on in spite of a failure.

    That is a success to ComfyUI, whose cache would bring it back at every Run: the count stands in
    the fingerprint of the nodes that ask.
    """

    def __init__(self) -> None:
        self.count = 0

    def note(self, state: LoopState) -> None:
        """Counts what the last step of a loop could not do."""
        unread = state.made and not all(isinstance(o, Reading) for o in state.made[-1].outcomes)
        self.count += bool(state.failure or unread)


FAILURES = Failures()


def with_pictures_at_hand(state: LoopState) -> tuple[LoopState, frozenset[int]]:
    """The state in the open node that runs now, and which of the node's outputs to block."""
    graph, open_id = _here()
    if graph is None:
        return state, frozenset()
    try:
        body = round_of(graph, open_id)
        if state.known is not None:
            return state, drawing_outputs(graph, body)
        key = _pictures_key(graph, body.open_id, body.score_id, state)
    except (LoopError, NoSignature):
        return state, frozenset()
    known = drawn_rounds().get(key)
    if known is None:
        return state, frozenset()
    # The state holds the pictures: an output that ComfyUI keeps blocked never outlives them.
    return replace(state, at_hand=known), drawing_outputs(graph, body)


def bodies_fingerprint() -> str:
    """Names what all loops of the prompt draw with, so that an open node runs when that changes.

    An open node's own inputs do not tell: it would hand out what was blocked for another body.
    """
    graph = LoopGraph(running_prompt())
    told = []
    for node_id in sorted(graph.dynprompt.get_original_prompt()):
        if graph.class_of(node_id) in OPENING:
            try:
                body = round_of(graph, node_id)
                drawn = _signatures(graph, body.score_id, {node_id: lambda output: output})
                told.append([drawn, sorted(drawing_outputs(graph, body))])
            except (LoopError, NoSignature):
                told.append([])
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def pictures_at_hand(state: LoopState) -> Drawn | None:
    """The coming round's pictures for the Score Round that runs now, None where unknown."""
    key = _key_here(state)
    return state.at_hand or (drawn_rounds().get(key) if key else None)


def keep_pictures(before: LoopState, scored: LoopState) -> None:
    """Keeps what Score Round has just asked about, if it can be told from all else.

    Args:
        before: the state that it was given.
    """
    key = _key_here(before)
    if key and scored.made and scored.made[-1].number == before.coming_round:
        _keep(key, scored.made[-1])


class DrawnPictures:
    """What the loop that one node draws itself finds of earlier runs.

    Args:
        drawn: names of the node's inputs that pictures depend on, prompt and seed apart.
    """

    def __init__(self, drawn: Sequence[str]) -> None:
        graph, node_id = _here()
        inputs = {} if graph is None else graph.inputs(node_id)
        try:
            self._node: Hashable = tuple(
                signature_of(graph, inputs[name], {}) if is_link(inputs[name]) else inputs[name]
                for name in drawn
                if graph is not None and name in inputs
            )
        except NoSignature:
            self._node = ()

    def at_hand(self, prompts: Sequence[str], seed: int, aim: Emotion) -> Drawn | None:
        """The pictures of these prompts and this aim, None where none are known."""
        return drawn_rounds().get(self._key(prompts, seed, aim))

    def keep(self, state: LoopState) -> None:
        """Keeps the pictures of the last round, if this loop made them: others had other inputs."""
        record = state.made[-1] if state.made and not state.just_resumed else None
        if self._node and record and record.number == state.coming_round - 1:
            # a round that was not read does not move the aim
            aim = state.aim if isinstance(record, SkippedRound) else record.aim or state.target
            _keep(self._key(record.prompts, record.seed, aim), record)

    def _key(self, prompts: Sequence[str], seed: int, aim: Emotion) -> Hashable:
        return self._node, tuple(prompts), seed, aim


def remembering_scorer(scorer: Scorer) -> Scorer:
    """The scorer of the node that runs now, asked for each batch once."""
    signature = _signature_here("scorer")
    return RememberingScorer(scorer, MEMORY, signature) if signature else scorer


def remembering_refiner(scorer: Scorer | None) -> Refiner:
    """The refiner of the node that runs now, asked for each request once.

    Raises: ScorerError: the scorer cannot rewrite prompts.
    """
    refiner = refiner_of(scorer)
    signature = _signature_here("refiner") if scorer is not None else refiner.name
    return RememberingRefiner(refiner, MEMORY, signature) if signature else refiner


def _keep(key: Hashable, record: RoundRecord | SkippedRound) -> None:
    """Keeps the pictures of a round, whether they could be read or not."""
    drawn_rounds().keep(key, Drawn(record.images, record.latents))


def _here() -> tuple[LoopGraph | None, str]:
    node_id = running_node_id()
    return (None, "") if node_id is None else (LoopGraph(running_prompt()), node_id)


def _signature_here(name: str) -> str:
    graph, node_id = _here()
    try:
        return signature_of(graph, graph.inputs(node_id).get(name), {}) if graph else ""
    except NoSignature:
        return ""


def _key_here(state: LoopState) -> Hashable:
    graph, score_id = _here()
    if graph is None:
        return ""
    try:
        body = round_of(graph, open_node(graph, graph.inputs(score_id).get("state")))
        return _pictures_key(graph, body.open_id, score_id, state)
    except (LoopError, NoSignature):
        return ""


def _pictures_key(graph: LoopGraph, open_id: str, score_id: str, state: LoopState) -> Hashable:
    values: tuple[Any, ...] = (
        state.digest,
        state.prompt,
        round_seed(state),
        state.policy.candidates,
        repr(state.target),
        hashlib.sha256(state.start_image).hexdigest(),
        repr(state.aim),
    )
    opened: dict[str, Outputs] = {open_id: lambda output: (output, values[output])}
    return _signatures(graph, score_id, opened), values[1:4]


def _signatures(graph: LoopGraph, score_id: str, opened: Mapping[str, Outputs]) -> tuple[str, ...]:
    """Of what is drawn for a Score Round: its images, and their latents where they are wired."""
    asked = graph.inputs(score_id)
    drawn = [asked.get("images"), *([asked["latents"]] if "latents" in asked else [])]
    return tuple(signature_of(graph, link, opened) for link in drawn)
