"""Command lines of several commands, of which only the chosen one is imported."""

import argparse
import importlib
import re
import sys
from collections.abc import Mapping


def parse(
    package: str,
    description: str | None,
    commands: Mapping[str, tuple[str, str]],
    arguments: list[str] | None = None,
) -> argparse.Namespace:
    """Options of `python -m PACKAGE COMMAND ...`; their `run` takes them and does the work.

    Args:
        commands: (module, help) of each; a module has `add_arguments(parser)` and `run(options)`.
        arguments: default: those of this process.
    """
    arguments = _joined(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog=f"python -m {package}", description=description)
    choices = parser.add_subparsers(dest="command", required=True)
    chosen = next((word for word in arguments if not word.startswith("-")), None)
    for name, (module_name, help_text) in commands.items():
        command = choices.add_parser(name, help=help_text)
        if name == chosen:
            module = importlib.import_module(module_name)
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser.parse_args(arguments)


def _joined(arguments: list[str]) -> list[str]:
    """With `--scale -3..3` as one word, which argparse would take for two options."""
    found: list[str] = []
    for word in arguments:
        last = found[-1] if found else ""
        if re.match(r"[-−]\d", word) and last.startswith("--") and "=" not in last:
            found[-1] = f"{last}={word}"
        else:
            found.append(word)
    return found
