"""Where the shipped weight files are, and how they are read: whole, checked, in float32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from ..errors import CheckpointError
from ..records.files import parsed
from ..records.weights import read_file

FOLDER = Path(__file__).resolve().parent / "weights"
MAX_BYTES = 256 * 2**20
REMAKE = (
    "Restore the weights folder from the release, or train them: python -m training.world train"
)


def weight_path(name: str, folder: Path | None = None) -> Path:
    """Path of a shipped file such as "drawn_generator.safetensors" or "drawn_clip/config.json".

    Raises: CheckpointError: the file is not there; says which are.
    """
    path = (folder or FOLDER) / name
    if not path.is_file():
        present = sorted(str(p.relative_to(path.parent)) for p in path.parent.glob("*"))
        raise CheckpointError(
            f"The embedded weight file {path} is missing "
            f"(there: {', '.join(present) or 'nothing'}). {REMAKE} {_role(name)}"
        )
    return path


def read_weights(name: str, folder: Path | None = None) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors (floats as float32) and metadata of a shipped file.

    Raises: CheckpointError: missing, truncated or damaged.
    """
    tensors, metadata = read_file(weight_path(name, folder), max_bytes=MAX_BYTES)
    whole = {
        key: value.float() if value.is_floating_point() else value for key, value in tensors.items()
    }
    return whole, metadata


def read_settings(name: str, folder: Path | None = None) -> dict[str, Any]:
    """Content of a shipped JSON file.

    Raises: CheckpointError: missing or not a JSON table.
    """
    path = weight_path(name, folder)
    try:
        content = parsed(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path} is damaged ({error}). {REMAKE} {_role(name)}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds no JSON table. {REMAKE} {_role(name)}")
    return content


def fill(module: Any, tensors: dict[str, Tensor], name: str) -> Any:
    """Load tensors into a module, ready to use: evaluation mode, no gradients.

    Raises: CheckpointError: the tensors do not fit the module.
    """
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise CheckpointError(
            f"The weights of {name} do not fit its architecture: {reason} {REMAKE} {_role(name)}"
        ) from error
    return module.eval().requires_grad_(False)


def _role(name: str) -> str:
    role = Path(name).parts[0].removeprefix("drawn_").split(".")[0]
    return {"emotion": "generator", "clip": "text_tower"}.get(role, role)
