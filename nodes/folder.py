"""Every picture of an input folder read into a table of the output folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import comfy.utils
import folder_paths
import numpy as np
import torch
from comfy_api.latest import io

from ..emofeedback.errors import ConfigError
from ..emofeedback.pictures.sheet import SORTED, folder_sheet
from ..emofeedback.reading.base import Scorer
from ..emofeedback.reading.folder import pictures_in, score_folder
from .comfy.bridge import show_text, stop_if_interrupted
from .widgets.names import SCORE_FOLDER
from .widgets.sockets import SCORE_CATEGORY, ReadingsSocket, prompt_input, scorer_input


class ScoreFolder(io.ComfyNode):
    """A folder's pictures, read once each."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmoFB_ScoreFolder",
            display_name=SCORE_FOLDER,
            category=SCORE_CATEGORY,
            description="Reads every picture of a folder in ComfyUI's input folder into a table, "
            "and lays them out on a contact sheet. A run that was stopped is gone on with.",
            search_aliases=["batch score", "dataset", "csv", "contact sheet", "read folder"],
            inputs=[
                io.String.Input(
                    "folder",
                    default="",
                    tooltip="A folder inside the input folder; its own folders count, too. Empty "
                    "is the whole input folder.",
                ),
                scorer_input("The model that reads the pictures."),
                io.String.Input(
                    "table",
                    default="emofeedback/scores.csv",
                    tooltip="The table in the output folder. Pictures that are in it already are "
                    "not read again; those that failed are.",
                ),
                prompt_input(
                    "What the pictures should show. With it, the table also says how far each "
                    "still shows that."
                ),
            ],
            outputs=[
                io.String.Output(display_name="table", tooltip="The table's file."),
                io.Image.Output(
                    display_name="sheet",
                    tooltip="The pictures in rows, the most activated above and the most pleasant "
                    "on the right; of more than 400, some.",
                ),
                ReadingsSocket.Output(
                    display_name="readings", tooltip="Those of the pictures that were read now."
                ),
                io.String.Output(display_name="failed", tooltip="Pictures that failed, and why."),
            ],
            is_output_node=True,
        )

    @classmethod
    def fingerprint_inputs(cls, folder: str, **_: Any) -> Any:
        """Reads again when a picture came, went or changed."""
        files = [(str(path), path.stat().st_mtime_ns) for path in pictures_in(_inside(folder))]
        return str(files)

    @classmethod
    def execute(cls, folder: str, scorer: Scorer, table: str, prompt: str = "") -> io.NodeOutput:
        bar, scored = None, []

        def tick(done: int, total: int) -> None:
            nonlocal bar
            stop_if_interrupted()
            bar = bar or comfy.utils.ProgressBar(total)
            bar.update_absolute(done, total)

        target = _table_file(table)
        scored = list(score_folder(_inside(folder), target, scorer, prompt=prompt, tick=tick))
        wrong = [each.row for each in scored if each.emotion is None]
        failed = [f"{row['picture']}: {row['error']}" for row in wrong]
        shown = [(each.path, each.emotion) for each in scored if each.emotion is not None]
        sheet = folder_sheet(shown, SORTED)
        readings = tuple(each.reading for each in scored if each.reading is not None)
        told = f"{len(scored) - len(failed)} of {len(scored)} pictures in {target.name}"
        show_text("\n".join([told, *failed]))
        pixels = torch.from_numpy(np.array(sheet)).float()[None] / 255
        return io.NodeOutput(str(target), pixels, readings, "\n".join(failed))


def _inside(folder: str) -> Path:
    """A folder of the input folder. Raises: ConfigError: outside of it."""
    root = Path(folder_paths.get_input_directory()).resolve()
    found = _below(root, folder)
    if found is None:
        raise ConfigError(f"The folder {folder!r} lies outside ComfyUI's input folder.")
    return found


def _below(root: Path, name: str) -> Path | None:
    """Where a name leads to inside a folder, None where it leads out of it.

    A name such as `//HOST/SHARE` is refused before the system asks that host for it.

    Raises: ConfigError: no disk knows such names.
    """
    plain = Path(os.path.normpath(root / name.strip()))
    if not plain.is_relative_to(root):
        return None
    try:
        found = plain.resolve()
        found.is_file()
    except (OSError, ValueError) as error:  # too long, or with a zero in it
        told = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"The name {name[:60]!r} cannot be one on a disk ({told}).") from None
    return found if found.is_relative_to(root) else None


def _table_file(table: str) -> Path:
    """A CSV file of the output folder. Raises: ConfigError: outside of it, or no CSV."""
    root = Path(folder_paths.get_output_directory()).resolve()
    found = _below(root, table)
    if found is None or found.suffix.lower() != ".csv":
        raise ConfigError(
            f"The table {table!r} is no CSV file inside ComfyUI's output folder. Give a name such "
            'as "emofeedback/scores.csv".'
        )
    return found
