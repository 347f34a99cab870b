"""The widget that names an ended loop to go on from, and the state that it stands for."""

from __future__ import annotations

from comfy_api.latest import io

from ...emofeedback.errors import LoopError
from ...emofeedback.loop.going_on import parsed_resume, resumed_loop
from ...emofeedback.records.emotion import Emotion
from ...emofeedback.records.policy import LoopPolicy
from ...emofeedback.records.state import LoopState
from ..comfy.live import ended_loops


def resume_input() -> io.Input:
    """Empty for a new loop."""
    return io.String.Input(
        "resume",
        default="",
        optional=True,
        advanced=True,
        tooltip="Filled by the panel's button Continue: the ended loop, the candidate and the "
        "number of rounds to go on with. Empty starts a new loop.",
    )


def loop_to_resume(
    text: str, prompt: str, target: Emotion, policy: LoopPolicy, *, origin: bytes = b""
) -> LoopState:
    """The ended loop that a `resume` widget names, ready to go on.

    Raises: ConfigError: the text is no such name. LoopError: the loop is not kept any more, or was
        another prompt's or target's.
    """
    resume = parsed_resume(text)
    ended = ended_loops().load(resume.run)
    for name, was, now in (
        ("prompt", ended.artist_prompt, prompt.strip()),
        ("target", ended.target, target),
    ):
        if was != now:
            raise LoopError(
                f"The loop to go on from had the {name} {str(was)!r}, now it is {str(now)!r}. Set "
                "it back, or empty the input resume to start a new loop."
            )
    return resumed_loop(ended, resume, policy, origin=origin)
