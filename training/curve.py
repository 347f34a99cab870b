"""The learning curves of runs, as one picture.

    python -m training.curve runs/rl/RUN [runs/rl/OTHER ...] --out curve.png

Every generator run draws its own as `curve.png` when it ends.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from emofeedback.commands.dispatch import exit_code

from .runs.curve import CURVE_FILE, save_curves

log = logging.getLogger(__name__)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 2 where the user has to change something."""
    parser = argparse.ArgumentParser(
        prog="python -m training.curve",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folder of a run")
    parser.add_argument("--out", type=Path, default=Path(CURVE_FILE))
    options = parser.parse_intermixed_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)

    def work() -> None:
        save_curves(options.runs, options.out)
        log.info("wrote %s", options.out)

    return exit_code(work)


if __name__ == "__main__":
    sys.exit(main())
