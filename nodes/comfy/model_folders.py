"""The folders of ComfyUI's models that are this pack's."""

from __future__ import annotations

from pathlib import Path

import folder_paths

from ...emofeedback.errors import ConfigError

LVLM, EMOTION, LEXICONS = "lvlm", "emotion", "lexicons"


def register_folders() -> None:
    """Makes them known, beside what extra_model_paths.yaml names under the same words."""
    for name in (LVLM, EMOTION):
        folder_paths.add_model_folder_path(name, str(Path(folder_paths.models_dir) / name))
    paths, endings = folder_paths.folder_names_and_paths[EMOTION]
    folder_paths.folder_names_and_paths[EMOTION] = (paths, endings | {".safetensors"})


def list_lexicons() -> list[str]:
    """Names of the files in the folder `lexicons` of the emotion models."""
    found = {
        path.name
        for root in folder_paths.get_folder_paths(EMOTION)
        for path in (Path(root) / LEXICONS).glob("*")
        if path.suffix.lower() in (".csv", ".tsv", ".txt")
    }
    return sorted(found)


def find_lexicon(name: str) -> Path:
    """The file of a listed name. Raises: ConfigError: it is not there; says where to put it."""
    places = [Path(root) / LEXICONS for root in folder_paths.get_folder_paths(EMOTION)]
    known = name in list_lexicons()
    found = next((p / name for p in places if known and (p / name).is_file()), None)
    if found is None:
        raise ConfigError(
            f"There is no lexicon {name!r} (there: {', '.join(list_lexicons()) or 'none'}). Put a "
            f"CSV of the Glasgow Norms, Warriner or NRC-VAD in {places[0]}."
        )
    return found
