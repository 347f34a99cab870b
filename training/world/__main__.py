"""`python -m training.world COMMAND`: the commands of the drawn world."""

import logging
import sys

from emofeedback.commands.dispatch import exit_code, parse

COMMANDS = {
    "sheet": ("training.world.sheet", "draw a contact sheet over the valence-arousal plane"),
    "train": ("training.recipes.train", "train one of the embedded models"),
    "evaluate": ("training.recipes.measure", "measure the embedded models"),
    "gallery": ("training.recipes.gallery", "contact sheets of what the embedded generator draws"),
    "prove-loop": (
        "training.proof.loop",
        "compare the loop with best-of-N at equal numbers of pictures",
    ),
    "prove-edits": (
        "training.proof.edits",
        "compare the loop of edits with one image-to-image pass of equal cost",
    ),
}


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    options = parse("training.world", __doc__, COMMANDS, arguments)
    return exit_code(lambda: options.run(options))


if __name__ == "__main__":
    sys.exit(main())
