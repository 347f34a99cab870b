"""The prompt's own mood, to start from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from comfy_api.latest import io

from ..emofeedback.reading.base import (
    Scorer,
)
from ..emofeedback.reading.lexicon import read_by_lexicon, read_lexicon
from ..emofeedback.reading.phrases import NAME as TABLE
from ..emofeedback.reading.phrases import UNKNOWN, read_phrases
from ..emofeedback.records.reading import (
    Reading,
)
from .comfy.bridge import show_text, stop_if_interrupted
from .comfy.model_folders import find_lexicon, list_lexicons
from .comfy.words import readings_in_words
from .widgets.names import EMOTION_CHART, EMOTION_OF_TEXT
from .widgets.sockets import CATEGORY, EmotionSocket, ReadingsSocket, ScorerSocket, prompt_input


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
                prompt_input(
                    "The words to read, as you would give them to the generator.",
                    placeholder="a lonely boat under a dark storm sky",
                ),
                ScorerSocket.Input(
                    "scorer",
                    optional=True,
                    tooltip="A scorer with a vision-language model, which reads any words. Without "
                    "one (or with the embedded one, which reads pictures only) a table of emotion "
                    "words and cue phrases reads what it knows.",
                ),
                io.Combo.Input(
                    "lexicon",
                    options=[TABLE, *list_lexicons()],
                    default=TABLE,
                    optional=True,
                    tooltip="What reads where no language model does: the table of phrases, or a "
                    "file of rated words in models/emotion/lexicons (Glasgow Norms, Warriner, "
                    "NRC-VAD).",
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
    def fingerprint_inputs(cls, lexicon: str = TABLE, **_: Any) -> float:
        return 0.0 if lexicon == TABLE else find_lexicon(lexicon).stat().st_mtime

    @classmethod
    def execute(
        cls, prompt: str, scorer: Scorer | None = None, lexicon: str = TABLE
    ) -> io.NodeOutput:
        stop_if_interrupted()
        reading = _read_prompt(prompt, scorer, lexicon)
        text = readings_in_words([reading])
        if UNKNOWN in reading.words:
            text = f"{UNKNOWN}\n\n{reading.warnings[0]}"
        elif reading.model not in ("", getattr(scorer, "name", "")):
            text = f"{text}\n\n{reading.rationale}"
        show_text(text)
        return io.NodeOutput(reading.emotion, text, (reading,))


def _read_prompt(prompt: str, scorer: Scorer | None, lexicon: str) -> Reading:
    """By the scorer's language model, else by the lexicon or the phrase table.

    Raises: ConfigError: the prompt is empty, or the lexicon no such file. ScorerError: the model
        failed.
    """
    if scorer is not None and "read text" in scorer.abilities:
        read: Reading = scorer.read_text(prompt)
        return read
    if lexicon == TABLE:
        reading = read_phrases(prompt)
    else:
        reading = read_by_lexicon(prompt, read_lexicon(find_lexicon(lexicon)))
    if scorer is None:
        return reading
    told = f"The scorer {scorer.name!r} reads pictures only, so {reading.model} read the prompt."
    return replace(reading, warnings=(*reading.warnings, told))
