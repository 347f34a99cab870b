"""Which calibration file a scorer uses: one beside its model, none, or one that is chosen."""

from __future__ import annotations

from pathlib import Path

import folder_paths
from comfy_api.latest import io

from ...emofeedback.errors import ConfigError
from ...emofeedback.reading.calibration import CALIBRATION_FILE, load_calibration
from ...emofeedback.records.calibration import Calibration
from ..comfy.folder_lvlm import NONE
from ..comfy.model_folders import LVLM

BESIDE_MODEL = "beside the model"


def calibration_input() -> io.Input:
    """The choice, as a widget."""
    return io.Combo.Input(
        "calibration",
        options=[BESIDE_MODEL, NONE, *list_calibrations()],
        default=BESIDE_MODEL,
        tooltip=f"A JSON file in models/{LVLM} that `python -m emofeedback calibrate` wrote. "
        f"'{BESIDE_MODEL}' uses {CALIBRATION_FILE} in the model's folder where there is one.",
    )


def list_calibrations() -> list[str]:
    """Names of the JSON files right in the registered folders."""
    roots = map(Path, folder_paths.get_folder_paths(LVLM))
    return sorted({path.name for root in roots for path in root.glob("*.json")})


def chosen_calibration(name: str, folder: Path | None) -> Calibration | None:
    """What a widget's value stands for.

    Args: folder: the model's; None for models that have none.
    Raises: ConfigError: no such file, or not a calibration.
    """
    if name == BESIDE_MODEL:
        beside = None if folder is None else folder / CALIBRATION_FILE
        return load_calibration(beside) if beside is not None and beside.is_file() else None
    return None if name == NONE else load_calibration(calibration_path(name))


def calibration_path(name: str) -> Path:
    """Where a listed file lies.

    Raises: ConfigError: it is not there.
    """
    if name not in list_calibrations():
        raise ConfigError(
            f"There is no calibration {name!r} in models/{LVLM} (there: "
            f"{', '.join(list_calibrations()) or 'none'}). Make one with "
            "`python -m emofeedback calibrate`."
        )
    roots = map(Path, folder_paths.get_folder_paths(LVLM))
    return next(root / name for root in roots if (root / name).is_file())
