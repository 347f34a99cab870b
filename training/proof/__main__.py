"""`python -m training.proof COMMAND`: what loop, refiner and the paper's recipe are worth."""

import logging
import sys

from emofeedback.commands.dispatch import exit_code, parse

COMMANDS = {
    "loop": ("training.proof.loop", "the loop against its rivals at equal numbers of pictures"),
    "rewriting": ("training.proof.rewriting", "do rewritten prompts paint nearer to the target?"),
    "cues": ("training.proof.cues", "are the cues that a reading names in the picture?"),
    "input": ("training.proof.input", "what the V-A input does: gain, saturation, reader's bias"),
    "paper": ("training.proof.paper", "the paper's table: rows, ablations, paired intervals"),
}


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    options = parse("training.proof", __doc__, COMMANDS, arguments)
    return exit_code(lambda: options.run(options))


if __name__ == "__main__":
    sys.exit(main())
