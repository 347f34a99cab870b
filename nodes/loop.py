"""Where a round begins and ends, as nodes; the artist wires what makes pictures between them."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from comfy_execution.graph_utils import ExecutionBlocker
from torch import Tensor

from ..emofeedback.errors import LoopError
from ..emofeedback.images import check_images, from_png, to_png
from ..emofeedback.loop.driver import decided, rewrite_first_prompt
from ..emofeedback.loop.progress import MAKING
from ..emofeedback.loop.steering import by_words_alone
from ..emofeedback.loop.steps import round_seed, start_loop, with_steps
from ..emofeedback.loop.stopping import stopped_unpromising
from ..emofeedback.reading.base import (
    Scorer,
)
from ..emofeedback.records.emotion import Emotion
from ..emofeedback.records.policy import WORDS
from ..emofeedback.records.state import LoopState
from .comfy.bridge import (
    CLOCK,
    running_node_id,
    running_prompt,
    show_loop_progress,
    show_text,
)
from .comfy.kept_candidates import kept
from .comfy.live import PAGE, Page, keep_ended, run_id
from .comfy.loop_graph import (
    LoopGraph,
    check_loop,
    next_round,
    open_node,
    sampler_steps,
    wired_results,
)
from .comfy.reuse import (
    bodies_fingerprint,
    remembering_refiner,
    with_pictures_at_hand,
)
from .comfy.wiring import CONNECT_AIM, running_body_takes_aim, warnings_of_running
from .comfy.words import round_in_words, suggestions_in_words
from .widgets.chart import AUTO, theme_input
from .widgets.first_prompt import AS_WRITTEN, REWRITTEN, first_prompt_input
from .widgets.kept_candidates import keep_candidates_input
from .widgets.loop_result import result_outputs, result_values, shown_meanwhile
from .widgets.names import (
    EMOTION_SAMPLER,
    ENCODE_EMOTION,
    END_LOOP,
    OPEN_ROUND,
    REFINE_ROUND,
    SCORE_ROUND,
    START_LOOP,
)
from .widgets.policy import policy_from, policy_inputs, steering_inputs
from .widgets.resume import loop_to_resume, resume_input
from .widgets.sockets import (
    LOOP_CATEGORY,
    RESEARCH_CATEGORY,
    EmotionSocket,
    StateSocket,
    prompt_input,
    refiner_input,
    seed_input,
    target_input,
)

LAST_PAGE = Page(counted=True)
NO_PICTURE = (
    f"{START_LOOP} has no picture to start from: connect one to its picture input, for example "
    "from Load Image."
)


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
        io.Image.Output(
            display_name="picture",
            tooltip="What an image-to-image body starts from: the candidate that you clicked in "
            "the panel, else the picture that came in.",
        ),
        EmotionSocket.Output(
            display_name="aim",
            tooltip="The emotion to hand to what makes the pictures: the target, corrected by what "
            "was read where steer is 'aim' or 'both'. For "
            f"{ENCODE_EMOTION}, {EMOTION_SAMPLER} and the like.",
        ),
    ]


def _open_round(state: LoopState) -> io.NodeOutput:
    """Hands out the coming round and notes when it began."""
    policy = state.policy
    lines = [
        *warnings_of_running(),
        *([f"goes on after round {state.coming_round} of an earlier run"] if state.known else []),
        f"round {state.coming_round} of {policy.rounds}: {state.prompt}",
    ]
    if state.policy.steer != WORDS:
        lines.append(f"aim: {state.aim}")
    if state.first_refinement is not None and state.coming_round == 1:
        lines.append(suggestions_in_words(state.first_refinement))
    show_text("\n".join(lines).strip())
    state, blocked = with_pictures_at_hand(state)
    CLOCK.start(state.digest)
    PAGE.told(state, "" if state.at_hand or state.known else MAKING)
    start = state.start_image
    picture = from_png(start).unsqueeze(0) if start else ExecutionBlocker(NO_PICTURE)
    outputs = (
        state,
        state.prompt,
        round_seed(state),
        policy.candidates,
        state.target,
        picture,
        state.aim,
    )
    kept = (
        ExecutionBlocker(None) if index in blocked else output
        for index, output in enumerate(outputs)
    )
    return io.NodeOutput(*kept)


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
                prompt_input(
                    "What the picture shows. These words stay in every round.",
                    placeholder="a boat on the sea",
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
                resume_input(),
                io.Image.Input(
                    "picture",
                    optional=True,
                    tooltip="For bodies that start from a picture (image to image): handed out by "
                    "the picture output until you click a candidate. Of a batch, the first.",
                ),
                *steering_inputs(
                    "The aim needs the aim output wired to what makes the pictures, for example "
                    f"to the emotion input of {ENCODE_EMOTION}."
                ),
            ],
            outputs=_round_outputs(),
            hidden=[io.Hidden.dynprompt],
        )

    @classmethod
    def fingerprint_inputs(cls, **_: Any) -> str:
        """Opens again when what it opens has changed: pictures at hand may be so no more."""
        return bodies_fingerprint()

    @classmethod
    def execute(
        cls,
        prompt: str,
        target: Emotion,
        seed: int,
        first_prompt: str = AS_WRITTEN,
        refiner: Scorer | None = None,
        picture: Tensor | None = None,
        resume: str = "",
        **settings: Any,
    ) -> io.NodeOutput:
        node_id = running_node_id()
        if cls.hidden.dynprompt is not None and node_id is not None:
            check_loop(LoopGraph(cls.hidden.dynprompt), node_id)
        policy = policy_from(settings)
        origin = b"" if picture is None else to_png(check_images(picture)[0])
        state = (
            loop_to_resume(resume, prompt, target, policy, origin=origin)
            if resume.strip()
            else start_loop(prompt, target, policy, seed=seed, origin=origin)
        )
        if not running_body_takes_aim():
            state = by_words_alone(state, CONNECT_AIM)
        if first_prompt == REWRITTEN and not state.resumed:
            show_text("rewriting the prompt for the first round")
            state = rewrite_first_prompt(state, remembering_refiner(refiner), PAGE)
        return _open_round(state)


class OpenRound(io.ComfyNode):
    """Hands out what a round starts from; the end puts it in the start's place."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmoFB_OpenRound",
            display_name=OPEN_ROUND,
            category=RESEARCH_CATEGORY,
            description="Takes a loop's state apart: prompt, seed and number of candidates of the "
            f"coming round. {START_LOOP} does this itself; use it where another loop carries the "
            "state.",
            search_aliases=["unpack state", "next round"],
            inputs=[StateSocket.Input("state", tooltip="The state after the round before.")],
            outputs=_round_outputs(),
        )

    @classmethod
    def fingerprint_inputs(cls, **_: Any) -> str:
        """As the start's."""
        return bodies_fingerprint()

    @classmethod
    def execute(cls, state: LoopState) -> io.NodeOutput:
        return _open_round(state)


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
                keep_candidates_input(),
                theme_input(of_results=True),
            ],
            outputs=result_outputs(),
            hidden=[io.Hidden.dynprompt, io.Hidden.unique_id],
            is_output_node=True,
            enable_expand=True,
        )

    @classmethod
    def fingerprint_inputs(cls, **_: Any) -> str:
        """Ends again where another output is wired, since only wired ones are made."""
        return str(sorted(wired_results(running_prompt())))

    @classmethod
    def execute(
        cls, start: Any, state: LoopState, *, keep_candidates: bool = False, theme: str = AUTO
    ) -> io.NodeOutput:
        graph, end_id = LoopGraph(cls.hidden.dynprompt), cls.hidden.unique_id
        open_id = open_node(graph, start)
        body = check_loop(graph, open_id)
        if state.coming_round == 1:
            raise LoopError(
                f"The round ended without a reading. Put {SCORE_ROUND} between the pictures and "
                f"{END_LOOP}."
            )
        state = decided(with_steps(state, sampler_steps(graph, body)), LAST_PAGE)
        state = stopped_unpromising(state)
        told = [round_in_words(state), kept(state) if keep_candidates else ""]
        show_loop_progress(state.coming_round - 1, state.policy.rounds, "\n".join(told).strip())
        LAST_PAGE.told(state)
        if state.done:
            run = keep_ended(state)
            wired = wired_results(graph.dynprompt)
            values, shown = result_values(state, run, wired, theme=theme)
            return io.NodeOutput(*values, ui=shown)
        links, copies = next_round(graph, open_id, end_id, body, state)
        return io.NodeOutput(*links, expand=copies, ui=shown_meanwhile(run_id(state)))
