"""`python -m emofeedback score | calibrate | evaluate | fit | study | rate | serve`."""

import logging
import sys

from .commands.dispatch import exit_code, parse

COMMANDS = {
    "score": ("emofeedback.commands.score", "read every picture of a folder into a table"),
    "calibrate": ("emofeedback.commands.calibrate", "fit a scorer's readings to human ratings"),
    "evaluate": ("emofeedback.commands.evaluate", "measure a scorer against human ratings"),
    "fits": ("emofeedback.commands.fits", "say which graphics card holds which models"),
    "study": ("emofeedback.commands.study", "compare ways to a feeling on prompts of your own"),
    "rate": ("emofeedback.commands.rate", "rate a study's pictures, blind, on a local page"),
    "serve": ("emofeedback.commands.serve", "a model folder as an OpenAI-compatible server"),
    "fit": ("emofeedback.commands.fit", "fit a head on a picture encoder to human ratings"),
}


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for chatty in ("httpx", "httpx2", "openai"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    options = parse("emofeedback", __doc__, COMMANDS, arguments)
    return exit_code(lambda: options.run(options))


if __name__ == "__main__":
    sys.exit(main())
