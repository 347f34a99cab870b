"""The whole loop in one node, for those who do not want to wire it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import comfy.samplers
from comfy_api.latest import io

from ..emofeedback.loop.steps import (
    read_candidates,
    record_refinement,
    record_scores,
    round_seed,
    start_loop,
)
from ..emofeedback.reading.base import (
    Scorer,
)
from ..emofeedback.records.emotion import Emotion
from ..emofeedback.records.state import LoopState
from ..emofeedback.refining.base import (
    Refiner,
)
from .comfy.bridge import Stopwatch, show_text, stop_if_interrupted
from .comfy.candidates import ROUTES, PromptPlan
from .comfy.live import MAKING, READING, REWRITING, accepted, cut_short, tell, wanted
from .comfy.sampling import LoopProgress, RoundCutShort, SamplerSettings, sample_candidates
from .refining import refiner_of
from .widgets.first_prompt import AS_WRITTEN, REWRITTEN, first_prompt_input, with_first_prompt
from .widgets.loop_result import result_outputs, result_values, round_in_words
from .widgets.policy import policy_from, policy_inputs
from .widgets.sockets import (
    LOOP_CATEGORY,
    refiner_input,
    scorer_input,
    seed_input,
    target_input,
)


class EmotionFeedback(io.ComfyNode):
    """Generate, read, rewrite, again, until the picture feels right."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmoFB_EmotionFeedback",
            display_name="Emotion Feedback",
            category=LOOP_CATEGORY,
            description="The whole feedback loop in one node: makes candidates, reads their "
            "emotion, rewrites the prompt and goes round until the target is reached.",
            search_aliases=["emotion loop", "emotion sampler", "feedback sampler", "ksampler"],
            inputs=[
                io.Model.Input("model", tooltip="The generator."),
                io.Clip.Input("clip", tooltip="Its text encoder."),
                io.Vae.Input("vae", tooltip="Its VAE."),
                scorer_input("The model that reads the pictures."),
                target_input(),
                io.String.Input(
                    "prompt",
                    default="",
                    multiline=True,
                    placeholder="a boat on the sea",
                    tooltip="What the picture shows. These words stay in every round.",
                ),
                io.String.Input(
                    "negative",
                    default="",
                    multiline=True,
                    tooltip="What the picture should not show; used in every round.",
                ),
                *policy_inputs(),
                io.Combo.Input(
                    "prompts",
                    options=list(ROUTES),
                    default=ROUTES[0],
                    advanced=True,
                    tooltip="'shared': one prompt for all candidates of a round, from the best "
                    "one. 'one each': every candidate's prompt is rewritten on its own, so that "
                    "several directions are tried at once. 'several at once': a vision-language "
                    "model writes as many different prompts as candidates, in one answer.",
                ),
                io.Float.Input(
                    "emotion_strength",
                    default=0.0,
                    min=0.0,
                    max=2.0,
                    step=0.05,
                    round=0.01,
                    advanced=True,
                    tooltip="Also feeds the target through the CLIP's emotion adapter, as Encode "
                    "Emotion does; 0 leaves it to the words.",
                ),
                seed_input("The seed of the first round; the seed policy derives the others."),
                *sampler_inputs(),
                refiner_input(),
                first_prompt_input(advanced=True),
            ],
            outputs=result_outputs(),
            is_output_node=True,
        )

    @classmethod
    def execute(cls, **inputs: Any) -> io.NodeOutput:
        state = FeedbackRun.from_inputs(inputs).finish()
        values, shown = result_values(state, tell(state, final=True))
        return io.NodeOutput(*values, ui=shown)


def sampler_inputs() -> list[io.Input]:
    """The widgets of KSampler and of the empty latent, in their order."""
    return [
        io.Int.Input("width", default=256, min=16, max=4096, step=16, tooltip="Picture width."),
        io.Int.Input("height", default=256, min=16, max=4096, step=16, tooltip="Picture height."),
        io.Int.Input("steps", default=20, min=1, max=1000, tooltip="Sampler steps a picture."),
        io.Float.Input(
            "cfg",
            default=3.0,
            min=0.0,
            max=100.0,
            step=0.1,
            round=0.01,
            tooltip="How closely the words are followed; 1 is off and twice as fast.",
        ),
        io.Combo.Input(
            "sampler_name",
            options=comfy.samplers.KSampler.SAMPLERS,
            default="euler",
            tooltip="The sampling method, as in KSampler.",
        ),
        io.Combo.Input(
            "scheduler",
            options=comfy.samplers.KSampler.SCHEDULERS,
            default="simple",
            tooltip="How the noise is taken away over the steps, as in KSampler.",
        ),
    ]


@dataclass(frozen=True)
class FeedbackRun:
    """One run of the node: the tools of every round and the state it starts from."""

    settings: SamplerSettings
    scorer: Scorer
    refiner: Refiner
    route: str
    first_prompt: str
    state: LoopState
    progress: LoopProgress

    @classmethod
    def from_inputs(cls, inputs: dict[str, Any]) -> FeedbackRun:
        """Unpacks the node's inputs.

        Raises: ConfigError: empty prompt or a policy out of range.
        """
        inputs = dict(inputs)
        target: Emotion = inputs.pop("target")
        prompt, seed = inputs.pop("prompt"), inputs.pop("seed")
        scorer, refiner = inputs.pop("scorer"), inputs.pop("refiner", None)
        route, first_prompt = inputs.pop("prompts"), inputs.pop("first_prompt", AS_WRITTEN)
        sampling = {name: inputs.pop(name) for name in SamplerSettings.widget_names()}
        state = start_loop(prompt, target, policy_from(inputs), seed=seed)
        settings = SamplerSettings(target=target, **sampling)
        progress = LoopProgress(settings.model, state.policy.rounds, settings.steps)
        return cls(settings, scorer, refiner_of(refiner), route, first_prompt, state, progress)

    def finish(self) -> LoopState:
        """Rounds until the loop is done.

        Raises: what the models raise, and ComfyUI's interrupt.
        """
        state = self.state
        if self.first_prompt == REWRITTEN:
            state = with_first_prompt(state, self.refiner)
        plan = PromptPlan.start(self.route, state)
        while True:
            state = accepted(self._one_round(state, plan))
            show_text(round_in_words(state))
            tell(state)
            if state.done:
                return state
            stop_if_interrupted()
            if state.just_skipped:
                continue
            tell(state, REWRITING)
            plan, refinement = plan.refined(self.refiner, state)
            state = record_refinement(state, refinement)
            tell(state)

    def _one_round(self, state: LoopState, plan: PromptPlan) -> LoopState:
        show_text(f"round {state.coming_round} of {state.policy.rounds}: {plan.prompts[0]}")
        tell(state, MAKING)
        watch = Stopwatch()
        try:
            images = sample_candidates(
                self.settings,
                plan.prompts,
                round_seed(state),
                progress=self.progress.of_round(state),
            )
        except RoundCutShort:
            return cut_short(state, generate_seconds=watch.seconds())
        generate_seconds = watch.seconds()
        stop_if_interrupted()
        if wanted(state, last=True):
            spent = {"pictures": len(images), "steps": self.settings.steps * len(images)}
            return cut_short(state, generate_seconds=generate_seconds, **spent)
        tell(state, READING)
        watch = Stopwatch()
        readings = read_candidates(self.scorer, images, state)
        return record_scores(
            state,
            images,
            readings,
            prompts=plan.prompts,
            generate_seconds=generate_seconds,
            score_seconds=watch.seconds(),
            steps=self.settings.steps * len(images),
        )
