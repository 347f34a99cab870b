"""Which words a judge is asked in: those that ship, or a file of the artist's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import folder_paths
from comfy_api.latest import io

from ...emofeedback.errors import ConfigError
from ...emofeedback.lvlm.base import PromptSet
from ...emofeedback.lvlm.wording import in_own_words, read_wording
from ..comfy.model_folders import LVLM

SHIPPED = "as shipped"
FOLDER = "prompts"


def wording_input() -> io.Input:
    """The choice, as a widget."""
    return io.Combo.Input(
        "wording",
        options=[SHIPPED, *list_wordings()],
        default=SHIPPED,
        optional=True,  # graphs of before do not name it
        advanced=True,
        tooltip=f"A text file in models/{LVLM}/{FOLDER} that asks for valence and arousal from 1 "
        "to 9 in your words; how to answer is added. Ratings in other words compare only among "
        "themselves, and want a calibration of their own.",
    )


def list_wordings() -> list[str]:
    """Names of the text files in the folders of wordings."""
    return list(_files())


def _roots() -> list[Path]:
    return [Path(root) / FOLDER for root in folder_paths.get_folder_paths(LVLM)]


def _files() -> dict[str, Path]:
    """Each name with its file; of equal names the first folder's."""
    found = {path.name: path for root in reversed(_roots()) for path in root.glob("*.txt")}
    return dict(sorted(found.items()))


def wording_path(name: str) -> Path:
    """Where a listed file lies. Raises: ConfigError: it is not there; says where to put it."""
    files = _files()
    if name not in files:
        raise ConfigError(
            f"There is no wording {name!r} (there: {', '.join(files) or 'none'}). Put a text file "
            f"in {_roots()[0]}, or choose {SHIPPED!r}."
        )
    return files[name]


def chosen_prompts(kind: dict[str, Any], prompts: PromptSet) -> PromptSet:
    """The prompts of a model in the wording that its widget names.

    Raises: ConfigError: no such file, words that cannot be used, or a model that knows no others.
    """
    name = kind.get("wording") or SHIPPED
    if name == SHIPPED:
        return prompts
    path = wording_path(name)
    return in_own_words(prompts, path.stem, read_wording(path))
