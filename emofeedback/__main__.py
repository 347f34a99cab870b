"""`python -m emofeedback calibrate | evaluate`: measure scorers on pictures that people rated."""

import argparse
import importlib
import logging
import sys

from .errors import EmoFeedbackError

COMMANDS = {
    "calibrate": ("calibrate", "fit a scorer's readings to human ratings"),
    "evaluate": ("evaluate", "measure a scorer against human ratings"),
}


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; its module is imported only then. Returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(prog="python -m emofeedback", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    chosen = next((word for word in arguments if not word.startswith("-")), None)
    for name, (module_name, help_text) in COMMANDS.items():
        command = commands.add_parser(name, help=help_text)
        if name == chosen:
            module = importlib.import_module(f".commands.{module_name}", __package__)
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for chatty in ("httpx", "httpx2", "openai"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options) or 0)
    except EmoFeedbackError as error:
        logging.getLogger(__name__).error("%s", error)
        return 2


if __name__ == "__main__":
    sys.exit(main())
