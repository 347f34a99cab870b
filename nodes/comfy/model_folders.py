"""The folders of ComfyUI's models that are this pack's."""

from __future__ import annotations

from pathlib import Path

import folder_paths

LVLM, EMOTION = "lvlm", "emotion"


def register_folders() -> None:
    """Makes them known, beside what extra_model_paths.yaml names under the same words."""
    for name in (LVLM, EMOTION):
        folder_paths.add_model_folder_path(name, str(Path(folder_paths.models_dir) / name))
    paths, endings = folder_paths.folder_names_and_paths[EMOTION]
    folder_paths.folder_names_and_paths[EMOTION] = (paths, endings | {".safetensors"})
