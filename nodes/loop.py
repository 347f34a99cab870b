"""The feedback loop as nodes: start, score, refine, end; the artist wires what makes pictures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from comfy_api.latest import io
from comfy_execution.graph_utils import ExecutionBlocker
from torch import Tensor

from ..emofeedback.errors import LoopError
from ..emofeedback.loop.driver import accepted, read_round, refine_round, rewrite_first_prompt
from ..emofeedback.loop.progress import MAKING
from ..emofeedback.loop.steps import round_seed, start_loop
from ..emofeedback.reading.base import (
    Scorer,
)
from ..emofeedback.records.emotion import Emotion
from ..emofeedback.records.state import LoopState
from .comfy.bridge import (
    RoundClock,
    running_node_id,
    show_loop_progress,
    show_text,
)
from .comfy.live import Page, run_id
from .comfy.loop_graph import LoopGraph, check_loop, next_round, open_node, sampler_steps
from .comfy.refiners import refiner_of
from .comfy.words import readings_in_words, round_in_words, suggestions_in_words
from .widgets.first_prompt import AS_WRITTEN, REWRITTEN, first_prompt_input
from .widgets.loop_result import result_outputs, result_values, shown_meanwhile
from .widgets.names import END_LOOP, OPEN_ROUND, REFINE_ROUND, SCORE_ROUND, START_LOOP
from .widgets.policy import policy_from, policy_inputs
from .widgets.sockets import (
    LOOP_CATEGORY,
    EmotionSocket,
    ReadingsSocket,
    StateSocket,
    refiner_input,
    scorer_input,
    seed_input,
    target_input,
)

CLOCK = RoundClock()
PAGE, LAST_PAGE = Page(), Page(counted=True)


def _round_outputs() -> list[io.Output]:
    """What a round starts from; the nodes that open a round share it, in this order."""
    return [
        StateSocket.Output(
            display_name="state", tooltip=f"To {SCORE_ROUND}, and to {END_LOOP}'s start input."
        ),
        io.String.Output(display_name="prompt", tooltip="This round's prompt."),
        io.Int.Output(display_name="seed", tooltip="This round's seed, for the sampler."),
        io.Int.Output(
            display_name="candidates", tooltip="Pictures of the round: the latent batch size."
        ),
        EmotionSocket.Output(display_name="target", tooltip="The wanted emotion."),
    ]


def _open_round(state: LoopState) -> io.NodeOutput:
    """Hands out the coming round and notes when it began."""
    policy = state.policy
    lines = [f"round {state.coming_round} of {policy.rounds}: {state.prompt}"]
    if state.first_refinement is not None and state.coming_round == 1:
        lines.append(suggestions_in_words(state.first_refinement))
    show_text("\n".join(lines).strip())
    CLOCK.start(state.digest)
    PAGE.told(state, MAKING)
    return io.NodeOutput(state, state.prompt, round_seed(state), policy.candidates, state.target)


class StartLoop(io.ComfyNode):
    """Opens a loop."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmoFB_StartLoop",
            display_name=START_LOOP,
            category=LOOP_CATEGORY,
            description="Starts an emotion feedback loop. Wire prompt, seed and candidates into "
            f"any nodes that make pictures, then {SCORE_ROUND}, {REFINE_ROUND} and {END_LOOP}.",
            search_aliases=[
                "start loop",
                "emotion loop",
                "feedback loop",
                "iterate",
                "for loop",
                "while loop",
            ],
            inputs=[
                io.String.Input(
                    "prompt",
                    default="",
                    multiline=True,
                    placeholder="a boat on the sea",
                    tooltip="What the picture shows. These words stay in every round.",
                ),
                target_input(),
                *policy_inputs(),
                seed_input("The seed of the first round; the seed policy derives the others."),
                first_prompt_input(),
                refiner_input(
                    "Only for first_prompt 'rewritten': a scorer whose language model rewrites "
                    f"it, usually the one at {REFINE_ROUND}. Leave it open to use the rule "
                    "refiner, which needs no model."
                ),
            ],
            outputs=_round_outputs(),
            hidden=[io.Hidden.dynprompt],
        )

    @classmethod
    def execute(
        cls,
        prompt: str,
        target: Emotion,
        seed: int,
        first_prompt: str = AS_WRITTEN,
        refiner: Scorer | None = None,
        **settings: Any,
    ) -> io.NodeOutput:
        node_id = running_node_id()
        if cls.hidden.dynprompt is not None and node_id is not None:
            check_loop(LoopGraph(cls.hidden.dynprompt), node_id)
        state = start_loop(prompt, target, policy_from(settings), seed=seed)
        if first_prompt == REWRITTEN:
            show_text("rewriting the prompt for the first round")
            state = rewrite_first_prompt(state, refiner_of(refiner), PAGE)
        return _open_round(state)


class OpenRound(io.ComfyNode):
    """Hands out what a round starts from; the end puts it in the start's place."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmoFB_OpenRound",
            display_name=OPEN_ROUND,
            category=LOOP_CATEGORY,
            description="Takes a loop's state apart: prompt, seed and number of candidates of the "
            f"coming round. {START_LOOP} does this itself; use it where another loop carries the "
            "state.",
            search_aliases=["unpack state", "next round"],
            inputs=[StateSocket.Input("state", tooltip="The state after the round before.")],
            outputs=_round_outputs(),
        )

    @classmethod
    def execute(cls, state: LoopState) -> io.NodeOutput:
        return _open_round(state)


class ScoreRound(io.ComfyNode):
    """Reads the candidates of a round."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmoFB_ScoreRound",
            display_name=SCORE_ROUND,
            category=LOOP_CATEGORY,
            description="Reads the emotion of all candidates of this round in one batch and keeps "
            "the best so far.",
            search_aliases=["score candidates", "read emotion", "evaluate"],
            inputs=[
                StateSocket.Input("state", tooltip=f"From {START_LOOP}."),
                io.Image.Input("images", tooltip="The candidates of this round."),
                scorer_input("The model that reads the pictures."),
                io.Boolean.Input(
                    "explain",
                    default=True,
                    tooltip="Also ask for the visible causes and a reason, once a round, for the "
                    "best candidate.",
                ),
            ],
            outputs=[
                StateSocket.Output(
                    display_name="state", tooltip=f"To {REFINE_ROUND} or {END_LOOP}."
                ),
                ReadingsSocket.Output(
                    display_name="readings", tooltip="One reading a candidate of this round."
                ),
            ],
        )

    @classmethod
    def execute(
        cls, state: LoopState, images: Tensor, scorer: Scorer, explain: bool = True
    ) -> io.NodeOutput:
        seconds = CLOCK.seconds(state.digest)
        scored = read_round(state, images, scorer, PAGE, explain=explain, generate_seconds=seconds)
        if scored.just_skipped:
            return io.NodeOutput(scored, ExecutionBlocker(None))  # no readings: nothing to run on
        readings = scored.rounds[-1].readings
        show_text(readings_in_words(readings))
        return io.NodeOutput(scored, readings)


class RefineRound(io.ComfyNode):
    """Writes the next round's prompt."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmoFB_RefineRound",
            display_name=REFINE_ROUND,
            category=LOOP_CATEGORY,
            description="Writes the next round's prompt from this round's pictures and readings. "
            "Leave the node out to keep the prompt and only try more seeds.",
            search_aliases=["rewrite prompt", "feedback", "suggestions"],
            inputs=[
                StateSocket.Input("state", tooltip=f"From {SCORE_ROUND}."),
                refiner_input(),
            ],
            outputs=[
                StateSocket.Output(display_name="state", tooltip=f"To {END_LOOP}."),
                io.String.Output(display_name="prompt", tooltip="The next round's prompt."),
                io.String.Output(display_name="suggestions", tooltip="What changes, and why."),
            ],
        )

    @classmethod
    def execute(cls, state: LoopState, refiner: Scorer | None = None) -> io.NodeOutput:
        state = accepted(state, PAGE)
        if state.done or state.just_skipped:
            return io.NodeOutput(state, state.prompt, "")
        refined, _ = refine_round(state, refiner_of(refiner), PAGE)
        refinement = refined.rounds[-1].refinement
        text = suggestions_in_words(refinement) if refinement else ""
        show_text(text)
        return io.NodeOutput(refined, refined.prompt, text)


class EndLoop(io.ComfyNode):
    """Closes a loop: asks for another round, or hands on the results."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmoFB_EndLoop",
            display_name=END_LOOP,
            category=LOOP_CATEGORY,
            description=f"Ends a round: runs the nodes since {START_LOOP} again until the target "
            "is reached or the rounds are used up, then hands on the best picture and the report.",
            search_aliases=[
                "end loop",
                "emotion loop",
                "feedback loop",
                "best image",
                "close loop",
            ],
            inputs=[
                StateSocket.Input(
                    "start",
                    raw_link=True,
                    tooltip=f"The state output of {START_LOOP} itself: says where a round begins.",
                ),
                StateSocket.Input("state", tooltip=f"From {REFINE_ROUND} or {SCORE_ROUND}."),
            ],
            outputs=result_outputs(),
            hidden=[io.Hidden.dynprompt, io.Hidden.unique_id],
            is_output_node=True,
            enable_expand=True,
        )

    @classmethod
    def execute(cls, start: Any, state: LoopState) -> io.NodeOutput:
        graph, end_id = LoopGraph(cls.hidden.dynprompt), cls.hidden.unique_id
        open_id = open_node(graph, start)
        body = check_loop(graph, open_id)
        if state.coming_round == 1:
            raise LoopError(
                f"The round ended without a reading. Put {SCORE_ROUND} between the pictures and "
                f"{END_LOOP}."
            )
        state = accepted(_with_steps(state, sampler_steps(graph, body)), LAST_PAGE)
        show_loop_progress(state.coming_round - 1, state.policy.rounds, round_in_words(state))
        LAST_PAGE.told(state)
        if state.done:
            values, shown = result_values(state, run_id(state))
            return io.NodeOutput(*values, ui=shown)
        links, copies = next_round(graph, open_id, end_id, body, state)
        return io.NodeOutput(*links, expand=copies, ui=shown_meanwhile(run_id(state)))


def _with_steps(state: LoopState, steps: int) -> LoopState:
    """The same state with the last round's sampler steps filled in, which only the graph knows."""
    if state.just_skipped:
        skipped = replace(state.skipped[-1], steps=steps * state.skipped[-1].pictures)
        return replace(state, skipped=(*state.skipped[:-1], skipped))
    record = state.rounds[-1]
    counted = replace(record, steps=steps * len(record.images))
    return replace(state, rounds=(*state.rounds[:-1], counted))
