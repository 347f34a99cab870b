"""`python training/bench.py`: how fast a training step is, against the hardware's own matmul peak.

Prints pictures a second, FLOPs a picture, the GEMM peak measured before and after, efficiency,
phase times and memory; with --compare, step time against a plain loop over the same model calls.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
log = logging.getLogger(__name__)


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    found = argparse.ArgumentParser(prog="python training/bench.py", description=__doc__)
    found.add_argument("--preset", default="tiny")
    found.add_argument("--repeats", type=int, default=3, help="measured steps")
    found.add_argument(
        "--compare",
        type=int,
        default=0,
        metavar="PAIRS",
        help="interleaved pairs with a plain loop",
    )
    found.add_argument("--against", metavar="PRESET", help="interleave with this preset's steps")
    found.add_argument(
        "--overhead", type=int, default=0, metavar="STEPS",
        help="what logs, sheets and checkpoints add, over this many steps",
    )  # fmt: skip
    found.add_argument(
        "--agreement", type=int, default=0, metavar="STEPS",
        help="how much the gradients of so many steps agree",
    )  # fmt: skip
    found.add_argument("overrides", nargs="*", help="settings as rollout.group_size=16")
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    sys.path[0] = str(ROOT)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    options = parser().parse_intermixed_args(arguments)
    from emofeedback.errors import EmoFeedbackError
    from training.benchmarks.speed import SpeedOptions, measure

    try:
        measure(SpeedOptions(**vars(options)))
    except EmoFeedbackError as error:
        log.error("%s", error)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
