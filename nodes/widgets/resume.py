"""The widget that names an ended loop to go on from, and the state that it stands for."""

from __future__ import annotations

import re

from comfy_api.latest import io

from ...emofeedback.errors import ConfigError, LoopError
from ...emofeedback.loop.going_on import Resume, resumed_loop
from ...emofeedback.records.emotion import Emotion
from ...emofeedback.records.policy import MAX_ROUNDS, LoopPolicy
from ...emofeedback.records.state import Chosen, LoopState
from ..comfy.live import ended_loops

_WRITTEN = re.compile(r"([0-9a-f]{32}):(\d{1,4}):(\d{1,4}):(\d{1,4})", re.ASCII)


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


def parsed_resume(text: str) -> Resume:
    """Reads RUN:ROUND:CANDIDATE:MORE; round and candidate count from 1, 0:0 chooses none.

    Raises: ConfigError: it is written in another way.
    """
    found = _WRITTEN.fullmatch(text.strip())
    numbers = [int(number) for number in found.groups()[1:]] if found else []
    if not found or not 1 <= numbers[2] <= MAX_ROUNDS or bool(numbers[0]) != bool(numbers[1]):
        raise ConfigError(
            f"resume is {text[:80]!r}. Write RUN:ROUND:CANDIDATE:ROUNDS as the panel's button "
            f"Continue does (0:0 chooses no candidate, 1 to {MAX_ROUNDS} rounds), or leave it "
            "empty to start a new loop."
        )
    choice = Chosen(numbers[0], numbers[1]) if numbers[0] else None
    return Resume(found[1], choice, numbers[2])


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
