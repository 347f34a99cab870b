"""`python -m training.world COMMAND`: the commands of the drawn world."""

import argparse
import importlib
import logging
import sys

COMMANDS = {
    "sheet": ("sheet", "draw a contact sheet over the valence-arousal plane"),
    "train": ("train", "train one of the embedded models"),
    "evaluate": ("evaluate", "measure the embedded models"),
    "gallery": ("gallery", "contact sheets of what the embedded generator draws"),
    "prove-loop": ("prove_loop", "compare the loop with best-of-N at equal numbers of pictures"),
}


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; its module is imported only then."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(prog="python -m training.world", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    chosen = next((word for word in arguments if not word.startswith("-")), None)
    for name, (module_name, help_text) in COMMANDS.items():
        command = commands.add_parser(name, help=help_text)
        if name == chosen:
            module = importlib.import_module(f".{module_name}", __package__)
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    options = parser.parse_args(arguments)
    return int(options.run(options) or 0)


if __name__ == "__main__":
    sys.exit(main())
