"""`python training/bench.py`: how fast a training step is, against the hardware's own matmul peak.

Prints pictures a second, FLOPs a picture, the GEMM peak measured before and after, efficiency,
phase times and memory; with --compare, step time against a plain loop over the same model calls.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import Any

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
        help="interleaved pairs with a plain loop, and with one in the shape of public flow_grpo",
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
    found.add_argument(
        "--plan", action="store_true",
        help="measure nothing; compute a step of large models on 1 to 1,024 GPUs",
    )  # fmt: skip
    found.add_argument(
        "--hardware", action="append", default=[], metavar="NAME=NUMBER",
        help="for --plan: flops, efficiency, inside, between (bytes a second) or cards",
    )  # fmt: skip
    found.add_argument("overrides", nargs="*", help="settings as rollout.group_size=16")
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    if Path(sys.path[0]).resolve() == ROOT / "training":
        sys.path[0] = str(ROOT)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    options = parser().parse_intermixed_args(arguments)
    from emofeedback.commands.dispatch import exit_code

    return exit_code(lambda: _bench(vars(options)))


def _bench(asked: dict[str, Any]) -> None:
    from training.needs import refuse_missing

    refuse_missing()
    plan, hardware = asked.pop("plan"), asked.pop("hardware")
    if plan:
        from training.benchmarks.plan import hardware_of, show_plan
        from training.settings.files import load_config, preset_path

        show_plan(
            load_config(preset_path(asked["preset"]), asked["overrides"]), hardware_of(hardware)
        )
    else:
        from training.benchmarks.speed import SpeedOptions, measure

        measure(SpeedOptions(**asked))


if __name__ == "__main__":
    sys.exit(main())
