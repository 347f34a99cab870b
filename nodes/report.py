"""A run as files in ComfyUI's output folder."""

from __future__ import annotations

import os
from pathlib import Path

import comfy.utils
import folder_paths
from comfy_api.latest import io

from ..emofeedback.errors import ConfigError
from ..emofeedback.loop.report_page import report_csv, report_html, report_json
from ..emofeedback.records.files import replacing
from ..emofeedback.records.state import LoopState
from .comfy.bridge import show_text, stop_if_interrupted
from .widgets.names import EMOTION_REPORT, END_LOOP
from .widgets.sockets import LOOP_CATEGORY, StateSocket

LONGEST_NAME = 200  # bytes; file systems take 255, and a number and an ending are added


class EmotionReport(io.ComfyNode):
    """Everything about a loop, to keep and to show around."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmoFB_EmotionReport",
            display_name=EMOTION_REPORT,
            category=LOOP_CATEGORY,
            description="Writes a finished loop into the output folder: a page with all pictures, "
            "the chart, prompts, cues and costs that opens in any browser without a network, and "
            "the same as JSON and as a table.",
            search_aliases=["save report", "export", "html", "csv", "json", "log"],
            inputs=[
                StateSocket.Input("state", tooltip=f"The finished loop, from {END_LOOP}."),
                io.String.Input(
                    "filename_prefix",
                    default="emofeedback/report",
                    tooltip="Where in the output folder, as in Save Image; numbers are added, and "
                    "%year%, %month%, %day% are filled in.",
                ),
            ],
            outputs=[
                io.String.Output(
                    display_name="page",
                    tooltip="The page's file, to open in a browser; JSON and table lie beside it.",
                )
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, state: LoopState, filename_prefix: str) -> io.NodeOutput:
        bar = comfy.utils.ProgressBar(sum(len(record.images) for record in state.rounds))

        def tick() -> None:
            stop_if_interrupted()
            bar.update(1)

        texts = {
            "html": report_html(state, tick=tick),
            "json": report_json(state),
            "csv": report_csv(state),
        }
        folder, name, number, subfolder = _free_place(filename_prefix)
        stem = f"{name}_{number:05}_"
        for ending, text in texts.items():
            _write_whole(folder / f"{stem}.{ending}", text)
        page = folder / f"{stem}.html"
        show_text(f"{page.name} in the output folder{f', {subfolder}' if subfolder else ''}")
        files = [
            {"filename": f"{stem}.{ending}", "subfolder": subfolder, "type": "output"}
            for ending in texts
        ]
        return io.NodeOutput(str(page), ui={"emofb_files": files})


def _free_place(prefix: str) -> tuple[Path, str, int, str]:
    """Folder, name, number and subfolder by ComfyUI's rules for saved files.

    Raises: ConfigError: no file name, or a place outside the output folder.
    """
    wrong = f"The filename prefix is {prefix!r}, which"
    example = 'Give a name such as "emofeedback/report".'
    last = os.path.basename(prefix.strip())  # noqa: PTH119  a Path would drop a last slash
    if last in ("", ".", "..") or "\0" in prefix or len(last.encode()) > LONGEST_NAME:
        raise ConfigError(f"{wrong} names no file that can be written. {example}")
    try:
        folder, name, number, subfolder, _ = folder_paths.get_save_image_path(
            prefix.strip(), folder_paths.get_output_directory()
        )
    except Exception as error:  # ComfyUI raises a bare Exception for a place outside
        raise ConfigError(
            f"{wrong} cannot be used inside ComfyUI's output folder ({str(error)[:80].strip()}). "
            f"{example}"
        ) from error
    return Path(folder), name, number, subfolder


def _write_whole(path: Path, text: str) -> None:
    """Writes a file that appears whole or not at all; what no encoding knows becomes '?'."""
    with replacing(path) as partial:
        partial.write_bytes(text.encode("utf-8", errors="replace"))
