"""Makes torchvision and torchaudio importable beside a torch build that they were not compiled for.

Some package indexes serve a CPU build of torch but only CUDA builds of these two. ComfyUI imports
both at start and uses only their Python parts, so the compiled ones may go; a call of a compiled
operator then fails with torchvision's own message. Nothing is touched where the imports work.
"""

from pathlib import Path

from .places import Places
from .steps import StartError, run_logged, say, step


def ensure_importable(places: Places) -> None:
    """Raises: StartError: an import fails in spite of the repair."""
    repairs = {"torchvision": _repair_torchvision, "torchaudio": _repair_torchaudio}
    with step("torchvision and torchaudio tried"):
        failing = [name for name in repairs if not _imports(places, name)]
    for name in failing:
        repairs[name](places.site_packages / name)
        if not _imports(places, name):
            raise StartError(
                f"{name} cannot be imported, not even without its compiled part; "
                f"the reason stands at the end of {places.log}."
            )
        say(f"  {name} was built for another torch: repaired by leaving out its compiled part")


def _imports(places: Places, name: str) -> bool:
    return run_logged([places.python, "-c", f"import {name}"], places.log)[0] == 0


def _repair_torchvision(folder: Path) -> None:
    # It registers shapes for operators that the compiled part would have brought.
    (folder / "_meta_registrations.py").write_text("", encoding="utf-8")


def _repair_torchaudio(folder: Path) -> None:
    for library in (folder / "lib").glob("*.so"):
        library.unlink()
