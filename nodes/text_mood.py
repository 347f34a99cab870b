"""The prompt's own mood, to start from."""

from __future__ import annotations

from dataclasses import replace

from comfy_api.latest import io

from ..emofeedback.reading.base import (
    Scorer,
)
from ..emofeedback.reading.phrases import read_phrases
from ..emofeedback.records.reading import (
    Reading,
)
from .comfy.bridge import show_text, stop_if_interrupted
from .comfy.words import readings_in_words
from .widgets.names import EMOTION_CHART, EMOTION_OF_TEXT
from .widgets.sockets import CATEGORY, EmotionSocket, ReadingsSocket, ScorerSocket


class EmotionOfText(io.ComfyNode):
    """Where a prompt lies on the plane before anything is drawn."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmoFB_EmotionOfText",
            display_name=EMOTION_OF_TEXT,
            category=CATEGORY,
            description="Reads the emotion that a prompt itself carries, so that you can start "
            "from there: by a vision-language model, or by a table of phrases.",
            search_aliases=["prompt mood", "sentiment", "text emotion", "read prompt"],
            inputs=[
                io.String.Input(
                    "prompt",
                    default="",
                    multiline=True,
                    dynamic_prompts=True,
                    placeholder="a lonely boat under a dark storm sky",
                    tooltip="The words to read, as you would give them to the generator.",
                ),
                ScorerSocket.Input(
                    "scorer",
                    optional=True,
                    tooltip="A scorer with a vision-language model, which reads any words. Without "
                    "one (or with the embedded one, which reads pictures only) a table of emotion "
                    "words and cue phrases reads what it knows.",
                ),
            ],
            outputs=[
                EmotionSocket.Output(
                    display_name="emotion", tooltip="What an ordinary picture of it would evoke."
                ),
                io.String.Output(display_name="text", tooltip="The same in words, and why."),
                ReadingsSocket.Output(
                    display_name="readings", tooltip=f"The whole reading, for {EMOTION_CHART}."
                ),
            ],
        )

    @classmethod
    def execute(cls, prompt: str, scorer: Scorer | None = None) -> io.NodeOutput:
        stop_if_interrupted()
        reading = _read_prompt(prompt, scorer)
        text = readings_in_words([reading])
        show_text(text)
        return io.NodeOutput(reading.emotion, text, (reading,))


def _read_prompt(prompt: str, scorer: Scorer | None) -> Reading:
    """By the scorer's language model, else by the phrase table.

    Raises: ConfigError: the prompt is empty. ScorerError: the model failed.
    """
    if scorer is None:
        return read_phrases(prompt)
    if "read text" in scorer.abilities:
        read: Reading = scorer.read_text(prompt)
        return read
    reading = read_phrases(prompt)
    told = f"The scorer {scorer.name!r} reads pictures only, so the phrase table read the prompt."
    return replace(reading, warnings=(*reading.warnings, told))
