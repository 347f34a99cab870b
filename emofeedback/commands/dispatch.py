"""Command lines of several commands, of which only the chosen one is imported; how commands end."""

import argparse
import importlib
import logging
import re
import sys
from collections.abc import Callable, Mapping

from ..errors import EmoFeedbackError

STOPPED = 130
"""The exit code of what Ctrl-C ended, as shells have it."""


def exit_code(work: Callable[[], int | None]) -> int:
    """That of a command's work: 2, with a message, where the user has to change something."""
    log = logging.getLogger(__name__)
    try:
        return int(work() or 0)
    except EmoFeedbackError as error:
        log.error("%s", error)
        return 2
    except KeyboardInterrupt:
        log.error("Stopped.")
        return STOPPED


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
