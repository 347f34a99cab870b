"""The packages of training, looked for before one of them is imported."""

from __future__ import annotations

from importlib.util import find_spec

from emofeedback.errors import MissingDependencyError

NEEDED = ("torch", "transformers", "diffusers", "peft", "accelerate", "omegaconf", "tqdm", "scipy")


def missing() -> list[str]:
    """Those that are not installed."""
    return [name for name in NEEDED if find_spec(name) is None]


def refuse_missing() -> None:
    """Raises: MissingDependencyError: a package is not installed."""
    if lacking := missing():
        raise MissingDependencyError(
            f"Training needs {', '.join(lacking)}. Run: pip install -e .[train]   (or: python "
            "start.py test, and then .venv/bin/python training/train.py)"
        )
