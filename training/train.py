"""`python training/train.py [--preset NAME | --config FILE] [key=value ...]`: RL fine-tuning.

Without options: preset tiny, the embedded generator with the embedded LVLM as reward.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    found = _Parser(
        prog="python training/train.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    source = found.add_mutually_exclusive_group()
    source.add_argument("--preset", help="a file of training/presets, by name; default: tiny")
    source.add_argument("--config", type=Path, help="a YAML file like those of training/presets")
    found.add_argument("--model", help="diffusers folder or ComfyUI single file; default: embedded")
    found.add_argument("--components", help="diffusers folder with what a single file lacks")
    # torchrun takes --run for one of its own that begin so
    found.add_argument(
        "--run", "--run-dir", type=Path, help="folder of the run; default: a new one in runs/rl"
    )
    found.add_argument(
        "--resume", help="'latest', or the folder of a run, to go on with", metavar="RUN"
    )
    found.add_argument("--print-config", action="store_true", help="show all settings and stop")
    found.add_argument("overrides", nargs="*", help="settings as rollout.group_size=16")
    return found


class _Parser(argparse.ArgumentParser):
    """Says presets and settings too, for which the training packages must be there."""

    def format_help(self) -> str:
        """The options, then what can be set."""
        from training.needs import missing

        if missing():
            return super().format_help()
        from training.settings.topics import settings_help

        return f"{super().format_help()}\n{settings_help()}"


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 2 where the user has to change something."""
    # a script's own folder comes first on the path, where its neighbours would shadow libraries
    if Path(sys.path[0]).resolve() == ROOT / "training":
        sys.path[0] = str(ROOT)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for every picture scored
    options = parser().parse_intermixed_args(arguments)
    from emofeedback.commands.dispatch import exit_code

    return exit_code(lambda: _train(options))


def _train(options: argparse.Namespace) -> int:
    from training.needs import refuse_missing

    refuse_missing()
    from training.runs.stages import TrainCommand, run

    return run(TrainCommand(**vars(options)))


if __name__ == "__main__":
    sys.exit(main())
