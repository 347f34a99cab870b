"""What is wired so that a loop runs, but not as it is meant: said when the prompt is queued.

Looks at a prompt as the page sends it, `{node id: {"class_type": ..., "inputs": {...}}}`, and runs
nothing. A link is `[node id, output]`; everything else is a value of the artist's.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from comfy_execution.graph_utils import is_link

from ...emofeedback.loop.steering import NOTHING_TAKES_IT
from ...emofeedback.records.policy import AIM as BY_AIM
from ...emofeedback.records.policy import BOTH
from ..widgets.names import EMOTION_TARGET, ENCODE_EMOTION, SCORE_ROUND, START_LOOP
from .bridge import running_prompt, visible_node_id

Prompt = Mapping[str, Mapping[str, Any]]
Link = tuple[str, int]

START, SCORE = "EmoFB_StartLoop", "EmoFB_ScoreRound"
STATE_NODES = (SCORE, "EmoFB_RefineRound")
PROMPT, SEED, CANDIDATES, TARGET, AIM = 1, 2, 3, 4, 6  # outputs of the start
FEELING = {
    "EmoFB_EncodeEmotion", "EmoFB_EmotionSampler", "EmoFB_EmotionGuider", "EmoFB_EmotionModelPatch",
}  # fmt: skip
TEXTS = {"text", "prompt", "text_g", "text_l", "clip_l", "t5xxl"}
SEEDS = ("seed", "noise_seed")
NOISE = "RandomNoise"
NUMBERS = ("batch_size", "amount")
STEERED = (BY_AIM, BOTH)
CONNECT_AIM = (
    f"Connect the aim output of {START_LOOP} to what makes the pictures, for example to the "
    f"emotion input of {ENCODE_EMOTION}."
)

log = logging.getLogger(__name__)


def wiring_warnings(prompt: Prompt) -> dict[str, list[str]]:
    """A line for each thing that is probably wired wrongly, by the id of the loop's first node.

    Nothing is said of nodes whose inputs it does not know, nor of a loop without Score Round.
    """
    known = _known(prompt)
    return {
        node_id: lines
        for node_id, node in known.items()
        if node.get("class_type") == START and (lines := list(_Round(known, node_id).warnings()))
    }


def _known(prompt: Prompt) -> dict[str, Mapping[str, Any]]:
    return {
        node_id: node
        for node_id, node in prompt.items()
        if isinstance(node, Mapping) and isinstance(node.get("inputs"), Mapping)
    }


def warnings_of_running() -> list[str]:
    """The same for the node that is running, by the prompt that it came with; none elsewhere."""
    node_id = visible_node_id()
    if node_id is None:
        return []
    return wiring_warnings(running_prompt().original_prompt).get(node_id, [])


def running_body_takes_aim() -> bool:
    """Whether something that makes the pictures of the start that runs now takes its aim.

    True where no graph is known.
    """
    node_id = visible_node_id()
    if node_id is None:
        return True
    known = _known(running_prompt().original_prompt)
    return node_id not in known or _Round(known, node_id).used(AIM)


class _Round:
    """What makes the pictures of one loop."""

    def __init__(self, prompt: Prompt, start: str) -> None:
        self.prompt = prompt
        self.start = start
        scores = [node_id for node_id in self._carrying_state() if self._class(node_id) == SCORE]
        pictures = [link[0] for score in scores if (link := self._link(score, "images"))]
        self.drawing = self._upstream(pictures)

    def warnings(self) -> Iterator[str]:
        samplers = [node_id for node_id in self.drawing if self._draws_noise(node_id)]
        numbers = dict(self._numbers())
        wanted = self.prompt[self.start]["inputs"].get("candidates")
        draws = bool(samplers) or any(map(self._reads_text, self.drawing))
        if draws and not self.used(PROMPT):
            yield self._unused("prompt", "every round draws the same words. Connect it to the text")
        if samplers and not self.used(SEED):
            yield self._unused("seed", "every round draws the same noise. Connect it to the seed")
        elif self.used(SEED):
            for node_id in samplers:
                if (own := self._own_seed(node_id)) and self._follows_start(node_id):
                    yield (
                        f"Warning: {self._name(node_id)} has a {own} of its own, while the "
                        "loop's seed goes elsewhere: its noise is the same in every round."
                    )
        if not self.used(CANDIDATES) and isinstance(wanted, int):
            differing = {i: number for i, number in numbers.items() if number != wanted}
            for node_id, number in differing.items():
                yield (
                    f"Warning: {self._name(node_id)} makes {number} pictures, {START_LOOP} asks "
                    f"for {wanted}. Connect its candidates to that number."
                )
            if not numbers and samplers and wanted != 1:
                why = "the graph says how many pictures there are. Connect it to the batch size"
                yield self._unused("candidates", why)
        if self.prompt[self.start]["inputs"].get("steer") in STEERED and not self.used(AIM):
            yield f"Warning: {NOTHING_TAKES_IT.format(way=CONNECT_AIM)}"
        yield from self._other_feelings()

    def _other_feelings(self) -> Iterator[str]:
        target = self._link(self.start, "target")
        for node_id in self.drawing:
            felt = self._link(node_id, "emotion")
            if self._class(node_id) not in FEELING or felt is None:
                continue
            if felt != target and felt[0] != self.start:
                yield (
                    f"Warning: {self._name(node_id)} aims at another emotion than the loop. "
                    f"Connect the target output of {START_LOOP}, or the same {EMOTION_TARGET}."
                )

    def _unused(self, output: str, why: str) -> str:
        return (
            f"Warning: the {output} output of {START_LOOP} reaches nothing before {SCORE_ROUND}: "
            f"{why} of what makes the pictures."
        )

    def _carrying_state(self) -> Iterator[str]:
        found, todo = {self.start}, [self.start]
        while todo:
            source = todo.pop()
            for node_id in self.prompt:
                link = self._link(node_id, "state")
                if link and link[0] == source and node_id not in found:
                    found.add(node_id)
                    if self._class(node_id) in STATE_NODES:
                        todo.append(node_id)
                        yield node_id

    def _upstream(self, ends: list[str]) -> list[str]:
        """The nodes that feed these, themselves included, without the start and what feeds it."""
        found: dict[str, None] = {}
        todo = list(ends)
        while todo:
            node_id = todo.pop()
            if node_id in found or node_id == self.start or node_id not in self.prompt:
                continue
            found[node_id] = None
            todo += [link[0] for link in self._links(node_id).values()]
        return list(found)

    def _follows_start(self, node_id: str) -> bool:
        """Whether the loop reaches a node at all; what draws a picture to edit is none of it."""
        links = (link for each in self._upstream([node_id]) for link in self._links(each).values())
        return any(source == self.start for source, _ in links)

    def used(self, output: int) -> bool:
        """Whether an output of the start feeds what makes the pictures."""
        return any(
            (self.start, output) in self._links(node_id).values() for node_id in self.drawing
        )

    def _numbers(self) -> Iterator[tuple[str, int]]:
        """How many pictures latents and images of the round have by a number of their own."""
        for node_id in self.drawing:
            inputs = self.prompt[node_id]["inputs"]
            for name in NUMBERS:
                if isinstance(inputs.get(name), int):
                    yield node_id, inputs[name]

    def _draws_noise(self, node_id: str) -> bool:
        inputs = self.prompt[node_id]["inputs"]
        seeded = any(name in inputs for name in SEEDS)
        if not seeded or inputs.get("add_noise") == "disable":
            return False
        return self._class(node_id) == NOISE or "model" in self._links(node_id)

    def _own_seed(self, node_id: str) -> str:
        inputs = self.prompt[node_id]["inputs"]
        return next((name for name in SEEDS if isinstance(inputs.get(name), int)), "")

    def _reads_text(self, node_id: str) -> bool:
        return "clip" in self._links(node_id) and bool(TEXTS & set(self.prompt[node_id]["inputs"]))

    def _links(self, node_id: str) -> dict[str, Link]:
        given = self.prompt[node_id]["inputs"]
        return {name: link for name in given if (link := self._link(node_id, name))}

    def _link(self, node_id: str, name: str) -> Link | None:
        value = self.prompt[node_id]["inputs"].get(name)
        return (str(value[0]), int(value[1])) if is_link(value) else None

    def _class(self, node_id: str) -> str:
        return str(self.prompt[node_id].get("class_type"))

    def _name(self, node_id: str) -> str:
        titled = self.prompt[node_id].get("_meta", {}).get("title")
        return f"{titled or self._class(node_id)} #{node_id}"


def tell_wiring(json_data: dict[str, Any]) -> dict[str, Any]:
    """ComfyUI's hook for a queued prompt: shows the warnings on their nodes, stops nothing."""
    from server import PromptServer  # late: in-process use has no server module loaded

    prompt = json_data.get("prompt")
    for node_id, lines in wiring_warnings(prompt if isinstance(prompt, dict) else {}).items():
        log.warning("wiring of node %s: %s", node_id, " ".join(lines))
        if client := json_data.get("client_id"):
            PromptServer.instance.send_progress_text("\n".join(lines), node_id, client)
    return json_data
