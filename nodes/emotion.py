"""The wanted emotion: one point on the plane, or a grid of them."""

from __future__ import annotations

from comfy_api.latest import io

from ..emofeedback.plane.words import ALL_PRESETS, CUSTOM, preset_emotion, sources_in_words
from ..emofeedback.records.emotion import LIMIT, Emotion
from ..emofeedback.records.limits import check_number
from .widgets.names import EMOTION_GRID, EMOTION_TARGET
from .widgets.sockets import AXIS_STEP, CATEGORY, EmotionSocket

# For the pad on the page: word -> valence and arousal.
PLACES = {
    word: (preset.emotion.valence, preset.emotion.arousal) for word, preset in ALL_PRESETS.items()
}
LARGEST_GRID = 11


def _axis_input(name: str, low: str, high: str) -> io.Input:
    """One axis of the plane as a number widget."""
    return io.Float.Input(
        name,
        default=0.0,
        min=-LIMIT,
        max=LIMIT,
        step=AXIS_STEP,
        round=AXIS_STEP,
        tooltip=f"{name.capitalize()} from -3 ({low}) to 3 ({high}); 0 is neutral. "
        "What a viewer of the picture should feel.",
    )


class EmotionTarget(io.ComfyNode):
    """A point on the valence-arousal plane."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmoFB_EmotionTarget",
            display_name=EMOTION_TARGET,
            category=CATEGORY,
            description="The emotion that viewers of the picture should feel: valence (unpleasant "
            "to pleasant) and arousal (calm to activated), or a word for both.",
            search_aliases=["valence", "arousal", "mood", "feeling", "affect", "circumplex"],
            inputs=[
                _axis_input("valence", "unpleasant", "pleasant"),
                _axis_input("arousal", "calm", "activated"),
                io.Combo.Input(
                    "preset",
                    options=[CUSTOM, *ALL_PRESETS],
                    default=CUSTOM,
                    tooltip="A word with a known place on the plane. With 'custom' the two numbers "
                    f"above count, with a word they do not. {sources_in_words()}",
                    extra_dict={"emofb_places": PLACES},
                ),
            ],
            outputs=[
                EmotionSocket.Output(display_name="emotion", tooltip="The wanted emotion."),
                io.String.Output(display_name="text", tooltip="The same in words and numbers."),
            ],
        )

    @classmethod
    def execute(cls, valence: float, arousal: float, preset: str) -> io.NodeOutput:
        emotion = Emotion(valence, arousal) if preset == CUSTOM else preset_emotion(preset)
        felt = [emotion.valence, emotion.arousal]  # the pad shows what came over links
        return io.NodeOutput(emotion, str(emotion), ui={"emofb_emotion": [felt]})


class EmotionGrid(io.ComfyNode):
    """Emotions all over the plane, one picture each."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmoFB_EmotionGrid",
            display_name=EMOTION_GRID,
            category=CATEGORY,
            description="A square grid of emotions as a list: the nodes behind it run once for "
            "each. Row by row, from activated to calm, in a row from unpleasant to pleasant.",
            search_aliases=["sweep", "xy plot", "emotion sweep", "valence arousal grid"],
            inputs=[
                io.Int.Input(
                    "side",
                    default=5,
                    min=2,
                    max=LARGEST_GRID,
                    tooltip="Emotions a row and a column: 5 makes 25 pictures.",
                ),
                io.Float.Input(
                    "reach",
                    default=3.0,
                    min=0.1,
                    max=LIMIT,
                    step=AXIS_STEP,
                    round=AXIS_STEP,
                    tooltip="Largest valence and arousal of the grid, on both sides of neutral.",
                ),
            ],
            outputs=[
                EmotionSocket.Output(
                    display_name="emotions",
                    is_output_list=True,
                    tooltip="A list of side x side emotions; Make Image Grid with as many columns "
                    "lays the pictures out like the plane.",
                ),
                io.String.Output(
                    display_name="texts", is_output_list=True, tooltip="The same in words."
                ),
            ],
        )

    @classmethod
    def execute(cls, side: int, reach: float) -> io.NodeOutput:
        check_number("side", side, 2, LARGEST_GRID)
        levels = [reach * (2 * index / (side - 1) - 1) for index in range(side)]
        emotions = [
            Emotion(round(valence, 4), round(arousal, 4))
            for arousal in reversed(levels)
            for valence in levels
        ]
        return io.NodeOutput(emotions, [str(emotion) for emotion in emotions])
