"""What an evaluation is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from emofeedback.records.limits import check_number

LIMITS = {
    "num_prompts": (1, 10**6), "levels": (2, 100), "sweeps": (0, 10**6), "pictures": (1, 10_000),
    "candidates": (1, 10_000), "steps": (1, 1000), "guidance": (0, 100), "size": (0, 8192),
    "seed": (0, 2**32 - 1), "threads": (0, 4096),
}  # fmt: skip
"""Of every number, both ends included."""


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """Which systems are compared, on what, and by whom; defaults and meanings are the command's."""

    systems: tuple[str, ...]
    """KIND or KIND@CHECKPOINT; the others are compared with the first."""
    model: str = ""
    components: str = ""
    prompts: str = "drawn"
    evaluation: str = ""
    num_prompts: int = 14
    levels: int = 5
    """Targets along an axis."""
    sweeps: int = 2
    """Prompts that are also painted along nine points of each axis."""
    pictures: int = 12
    """Of best-of-N and the loop, a task."""
    candidates: int = 4
    steps: int = 20
    guidance: float = 1.0
    size: int = 0
    """Side of the pictures in pixels; 0: the model's own."""
    seed: int = 0
    threads: int = 0
    server: str = ""
    """Address of scorer and judge in one, where they have none of their own."""
    server_model: str = ""
    scorer_server: str = ""
    """Who chooses and refines."""
    scorer_model: str = ""
    judge_server: str = ""
    """Who measures."""
    judge_model: str = ""
    head: Path | None = None
    """File of a head that reads and judges instead of a server."""
    head_encoder: str = ""
    clip: Path | None = None
    pickscore: Path | None = None
    out: Path = Path("runs/evaluation")

    @property
    def drawn(self) -> bool:
        """Whether the prompts are those of the drawn world."""
        return self.prompts == "drawn" and not self.evaluation

    def __post_init__(self) -> None:
        for name, (least, most) in LIMITS.items():
            check_number(f"--{name.replace('_', '-')}", getattr(self, name), least, most)
