"""Candidates in ComfyUI's output folder, for artists who want every one: each round as it ends."""

from __future__ import annotations

import hashlib
import logging
import re
from pathlib import Path

import folder_paths

from ...emofeedback.records.files import replacing
from ...emofeedback.records.state import LoopState

LONGEST_WORDS = 40  # letters of the prompt in a folder's name; each takes 4 bytes of 255 at most


def kept(state: LoopState) -> str:
    """Writes the pictures of the round that was made last; returns a line for the node to show.

    A file is named after its place and what it holds, so that none takes another's place, and one
    that is there already is left alone. A disk that takes no more is told of and ends no loop.
    """
    if not state.made or state.made[-1].number != state.coming_round - 1:
        return "nothing of it is kept as files"  # the artist threw it away
    output = Path(folder_paths.get_output_directory())
    record, place = state.made[-1], _place(state)
    try:
        for number, data in enumerate(record.images, 1):
            content = hashlib.sha256(data).hexdigest()[:8]
            file = output / place / f"round-{record.number:02}-candidate-{number:02}-{content}.png"
            if not file.exists():
                with replacing(file) as partial:
                    partial.write_bytes(data)
    except OSError as error:
        told = f"round {record.number} is not kept as files: {error.strerror or error}"
        logging.warning("EmoFeedback: %s (%s). The loop goes on.", told, output / place)
        return told
    return f"kept as files in the output folder: {place}"


def _place(state: LoopState) -> str:
    words = re.sub(r"\W+", "-", state.artist_prompt.lower()).strip("-")[:LONGEST_WORDS]
    return f"emofeedback/candidates/{words or 'prompt'}-{state.seed}"
