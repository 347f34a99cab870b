"""The three commands: set-up first, then the rest inside .venv."""

import errno
import os
import signal
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from contextlib import ExitStack

from . import comfyui, demo, environment, testing, ui
from .lock import setup_lock
from .places import ROOT, Places
from .server import ComfyServer, check_port
from .steps import StartError, clear_status, end_process, run_logged, step

SETUP_DONE = "EMOFEEDBACK_SETUP_DONE"


def main(argv: Sequence[str]) -> int:
    """Runs a command line; returns the exit code (1: something to mend, 2: wrong arguments)."""
    options = _parse(argv)
    # A shell that started this in the background has it ignore Ctrl-C; a server may still be left.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in ("SIGTERM", "SIGHUP"):  # ended politely: stop the server like on Ctrl-C
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _raise_exit)
    try:
        return _run(options, argv)
    except StartError as error:
        clear_status()
        print(f"\nstart.py: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EPERM):
            raise
        clear_status()
        print(
            f"\nstart.py: {error.strerror}: {error.filename or 'while writing a file'}. "
            "Mend that and run the same command again: it goes on where it stopped.",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        clear_status()
        print("\nStopped.", file=sys.stderr)
        return 130


def _parse(argv: Sequence[str]) -> Namespace:
    parser = ArgumentParser(prog="start.py", description="EmoFeedback from one command.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="demo | ui | test")
    adding = commands.add_parser("demo", help="run the emotion feedback loop; pictures in output/")
    demo.add_arguments(adding)
    adding.add_argument("--port", type=int, help="port of the server (default: a free one)")
    adding = commands.add_parser("ui", help="open ComfyUI on the loop workflow; Ctrl-C stops it")
    adding.add_argument("--port", type=int, help="port of the server (default: a free one)")
    adding.add_argument("--no-browser", action="store_true", help="only print the address")
    adding = commands.add_parser("test", help="run every test; further arguments go to pytest")
    adding.add_argument(
        "--lowest",
        action="store_true",
        help="test library and nodes on the lowest versions that are declared, in .lowest/",
    )
    adding.add_argument("--frontend", metavar="VERSION", help=testing.FRONTEND_HELP)
    options, rest = parser.parse_known_args(argv)
    if rest and options.command != "test":
        parser.error(f"unknown arguments: {' '.join(rest)}")
    options.rest = rest
    return options


def _run(options: Namespace, argv: Sequence[str]) -> int:
    places = Places.from_environment()
    if options.command == "demo":
        demo.check_output(options.output)
    if getattr(options, "port", None) is not None:
        check_port(options.port)
    if getattr(options, "lowest", False):
        return _test_lowest(places, options.rest)
    if os.environ.pop(SETUP_DONE, None) != str(places.venv):
        set_up(places, extras=("train", "test") if options.command == "test" else ())
        return _again_inside_venv(places, argv)
    tree = comfyui.ensure_tree(places)
    if options.command == "test":
        if options.frontend:
            return testing.run_on_frontend(places, options.frontend, options.rest, tree)
        return testing.run(options.rest, tree)
    server = ComfyServer(
        places.python,
        tree,
        comfyui.ensure_base(places),
        log=places.comfyui / f"server-{options.command}.log",
        port=options.port,
        arguments=[*_device_arguments(places), "--preview-method", "auto"],
    )
    with ExitStack() as stack:
        with step(f"ComfyUI started at {server.url}"):
            stack.enter_context(server)
        _check_pack(server)
        if options.command == "demo":
            demo.run(server, options)
        else:
            ui.run(server, browser=not options.no_browser)
    return 0


def _test_lowest(places: Places, arguments: Sequence[str]) -> int:
    with setup_lock(places):
        environment.ensure_venv(places)  # its pip gets ComfyUI
        tree = comfyui.ensure_tree(places)
    with setup_lock(places.lowest):
        environment.ensure_venv(places.lowest)
        environment.ensure_packages(
            places.lowest, tree, extras=environment.LOWEST_EXTRAS, pins=environment.LOWEST
        )
    return testing.run_lowest(arguments, tree, places.lowest.python)


def set_up(places: Places, *, extras: Sequence[str] = ()) -> None:
    """Makes or finishes .venv and .comfyui; does nothing where both are as the pins say."""
    with setup_lock(places):
        environment.ensure_venv(places)
        tree = comfyui.ensure_tree(places)
        environment.ensure_packages(places, tree, extras=extras)
        comfyui.ensure_base(places)


def _again_inside_venv(places: Places, argv: Sequence[str]) -> int:
    command = [str(places.python), str(ROOT / "start.py"), *argv]
    os.environ[SETUP_DONE] = str(places.venv)
    sys.stdout.flush()
    if os.name != "nt":
        os.execv(command[0], command)
    child = subprocess.Popen(command)
    try:
        return child.wait()
    except KeyboardInterrupt:  # it was told too, and is stopping its server
        return child.wait()
    finally:
        end_process(child)


def _device_arguments(places: Places) -> list[str]:
    """ComfyUI must be told when there is no accelerator, unless it is a Mac."""
    if sys.platform == "darwin":
        return []
    if not environment.installed_version(places, "torch").endswith("+cpu"):
        script = "import torch, sys; sys.exit(not torch.accelerator.is_available())"
        if run_logged([places.python, "-c", script], places.log)[0] == 0:
            return []
    return ["--cpu"]


def _check_pack(server: ComfyServer) -> None:
    if not server.get("/object_info/EmoFB_StartLoop"):
        raise StartError(
            f"ComfyUI started, but could not load this pack; the end of {server.log}:\n"
            f"{server.tail()}"
        )


def _raise_exit(number: int, _frame: object) -> None:
    sys.exit(128 + number)
