"""What happens to a round's pictures inside a loop: they are read, and the prompt rewritten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from comfy_api.latest import io
from comfy_execution.graph_utils import ExecutionBlocker
from torch import Tensor, stack

from ..emofeedback.errors import LoopError
from ..emofeedback.images import check_images, from_png
from ..emofeedback.loop.driver import decided, read_round, refine_round
from ..emofeedback.loop.steps import check_read
from ..emofeedback.reading.base import Scorer
from ..emofeedback.records.drawn import to_bytes
from ..emofeedback.records.policy import AIM
from ..emofeedback.records.state import LoopState
from .comfy.bridge import CLOCK, show_text
from .comfy.live import PAGE
from .comfy.reuse import (
    FAILURES,
    keep_pictures,
    pictures_at_hand,
    remembering_refiner,
    remembering_scorer,
)
from .comfy.whole_rounds import WHOLE_ROUNDS
from .comfy.words import readings_in_words, suggestions_in_words
from .widgets.names import END_LOOP, REFINE_ROUND, SCORE_ROUND, START_LOOP
from .widgets.sockets import (
    LOOP_CATEGORY,
    ReadingsSocket,
    StateSocket,
    refiner_input,
    scorer_input,
)


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
                io.Image.Input("images", lazy=True, tooltip="The candidates of this round."),
                scorer_input("The model that reads the pictures."),
                io.Boolean.Input(
                    "explain",
                    default=True,
                    tooltip="Also ask for the visible causes and a reason, once a round, for the "
                    "best candidate.",
                ),
                io.Latent.Input(
                    "latents",
                    optional=True,
                    lazy=True,
                    tooltip=f"What the pictures were decoded from; only for {END_LOOP}'s latent "
                    "output.",
                ),
            ],
            outputs=[
                StateSocket.Output(
                    display_name="state", tooltip=f"To {REFINE_ROUND} or {END_LOOP}."
                ),
                ReadingsSocket.Output(
                    display_name="readings",
                    tooltip="One reading a candidate of this round, or why there is none.",
                ),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, **_: Any) -> int:
        """Readings that failed are asked for again."""
        return FAILURES.count

    @classmethod
    def check_lazy_status(cls, state: LoopState, **inputs: Any) -> Sequence[str]:
        """Asks for pictures that no earlier run has made, and for their latents if wired."""
        wanted = [name for name in ("images", "latents") if name in inputs]
        wanted = [name for name in wanted if inputs[name] is None]
        known = not wanted or state.known is not None or pictures_at_hand(state)
        return [] if known else wanted

    @classmethod
    def execute(
        cls,
        state: LoopState,
        images: Tensor | None,
        scorer: Scorer,
        explain: bool = True,
        latents: dict[str, Any] | None = None,
    ) -> io.NodeOutput:
        if state.known is not None:  # an earlier loop read this round
            PAGE.told(state.known)
            readings = state.known.rounds[-1].readings
            show_text(readings_in_words(readings))
            return io.NodeOutput(state.known, readings)
        reused = pictures_at_hand(state) if images is None else None
        # none at all: between ComfyUI's question and this one, others took the memory's room
        pictures = (
            stack([from_png(data) for data in reused.images]) if reused else check_images(images)
        )
        WHOLE_ROUNDS.check(state, pictures)
        scored = read_round(
            state,
            pictures,
            remembering_scorer(scorer),
            PAGE,
            explain=explain,
            generate_seconds=0.0 if reused else CLOCK.seconds(state.digest),
            latents=() if reused else _latent_bytes(latents),
            reused=reused,
        )
        FAILURES.note(scored)
        keep_pictures(state, scored)
        check_read(scored)
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
    def fingerprint_inputs(cls, **_: Any) -> int:
        """A prompt that could not be asked for is asked for again."""
        return FAILURES.count

    @classmethod
    def execute(cls, state: LoopState, refiner: Scorer | None = None) -> io.NodeOutput:
        state = decided(state, PAGE)
        if state.done or (state.just_skipped and not state.awaits_refinement):
            return io.NodeOutput(state, state.prompt, "")
        refined, _ = refine_round(state, remembering_refiner(refiner), PAGE)
        FAILURES.note(refined)
        refinement = refined.rounds[-1].refinement
        text = suggestions_in_words(refinement) if refinement else ""
        if refined.policy.steer == AIM:
            text = f"The words stay; the next aim is {refined.aim}."
        show_text(text)
        return io.NodeOutput(refined, refined.prompt, text)


def _latent_bytes(latents: dict[str, Any] | None) -> tuple[bytes, ...]:
    """A LATENT as a round keeps it, nothing for none.

    Raises: LoopError: it holds something else than one tensor.
    """
    if latents is None:
        return ()
    samples = latents.get("samples")
    if not isinstance(samples, Tensor) or samples.is_nested:
        raise LoopError(
            f"The latents are {type(samples).__name__}, not one batch of pictures' latents. Leave "
            "the latents input open."
        )
    return tuple(map(to_bytes, samples))
