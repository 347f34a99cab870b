"""The whole loop in one node, for those who do not want to wire it."""

from __future__ import annotations

from typing import Any

import comfy.samplers
from comfy_api.latest import io

from ..emofeedback.loop.candidate_prompts import ROUTES
from ..emofeedback.loop.driver import rewrite_first_prompt, run_loop
from ..emofeedback.loop.steering import by_words_alone
from ..emofeedback.loop.steps import start_loop
from ..emofeedback.reading.base import Scorer
from ..emofeedback.records.emotion import Emotion
from .comfy.bridge import show_text
from .comfy.kept_candidates import kept
from .comfy.live import keep_ended
from .comfy.reuse import FAILURES, DrawnPictures, remembering_refiner, remembering_scorer
from .comfy.sampled_loop import SampledLoop
from .comfy.sampling import SamplerSettings
from .comfy.words import round_in_words
from .widgets.chart import AUTO, theme_input
from .widgets.first_prompt import AS_WRITTEN, REWRITTEN, first_prompt_input
from .widgets.kept_candidates import keep_candidates_input
from .widgets.loop_result import result_outputs, result_values
from .widgets.names import EMOTION_FEEDBACK, ENCODE_EMOTION
from .widgets.policy import policy_from, policy_inputs, steering_inputs
from .widgets.resume import loop_to_resume, resume_input
from .widgets.sockets import (
    LOOP_CATEGORY,
    prompt_input,
    refiner_input,
    scorer_input,
    seed_input,
    target_input,
)

STRENGTH_TAKES_IT = "The aim needs an emotion_strength above 0, and a CLIP with an emotion adapter."


class EmotionFeedback(io.ComfyNode):
    """Generate, read, rewrite, again, until the picture feels right."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmoFB_EmotionFeedback",
            display_name=EMOTION_FEEDBACK,
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
                prompt_input(
                    "What the picture shows. These words stay in every round.",
                    placeholder="a boat on the sea",
                ),
                io.String.Input(
                    "negative",
                    default="",
                    multiline=True,
                    dynamic_prompts=True,
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
                    "model writes as many different prompts as candidates, in one answer. "
                    "'two where unsure': a second prompt shares the round where that should help.",
                ),
                io.Float.Input(
                    "emotion_strength",
                    default=0.0,
                    min=0.0,
                    max=2.0,
                    step=0.05,
                    round=0.01,
                    advanced=True,
                    tooltip="Also feeds the aim (the target, while words are steered) through the "
                    f"CLIP's emotion adapter, as {ENCODE_EMOTION} does; 0 leaves it to the words.",
                ),
                seed_input("The seed of the first round; the seed policy derives the others."),
                *_sampler_inputs(),
                refiner_input(),
                first_prompt_input(advanced=True),
                resume_input(),
                keep_candidates_input(),
                *steering_inputs(STRENGTH_TAKES_IT, advanced=True),
                theme_input(of_results=True),
            ],
            outputs=result_outputs(),
            is_output_node=True,
        )

    @classmethod
    def fingerprint_inputs(cls, **_: Any) -> int:
        """What failed is asked for again."""
        return FAILURES.count

    @classmethod
    def execute(
        cls,
        target: Emotion,
        prompt: str,
        seed: int,
        scorer: Scorer,
        prompts: str,
        refiner: Scorer | None = None,
        first_prompt: str = AS_WRITTEN,
        resume: str = "",
        *,
        keep_candidates: bool = False,
        theme: str = AUTO,
        **inputs: Any,
    ) -> io.NodeOutput:
        sampling = {name: inputs.pop(name) for name in SamplerSettings.widget_names()}
        policy = policy_from(inputs)
        state = (
            loop_to_resume(resume, prompt, target, policy)
            if resume.strip()
            else start_loop(prompt, target, policy, seed=seed)
        )
        settings = SamplerSettings(target=target, **sampling)
        if settings.emotion_strength == 0:
            state = by_words_alone(state, STRENGTH_TAKES_IT)
        loop, rewriting = SampledLoop(settings, state.policy.rounds), remembering_refiner(refiner)
        if first_prompt == REWRITTEN and not state.resumed:
            state = rewrite_first_prompt(state, rewriting, loop)
        begun, drawn = state, DrawnPictures([*SamplerSettings.widget_names(), "target"])
        for state in run_loop(
            loop.generate,
            remembering_scorer(scorer),
            rewriting,
            begun,
            observer=loop,
            route=prompts,
            steps_per_picture=settings.steps,
            at_hand=lambda prompts, seed: drawn.at_hand(prompts, seed, loop.aim),
            latents=loop.latents,
            take_aim=loop.take_aim,
        ):
            FAILURES.note(state)
            drawn.keep(state)
            if keep_candidates:
                show_text(f"{round_in_words(state)}\n{kept(state)}")
        values, shown = result_values(state, keep_ended(state), theme=theme)
        return io.NodeOutput(*values, ui=shown)


def _sampler_inputs() -> list[io.Input]:
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
