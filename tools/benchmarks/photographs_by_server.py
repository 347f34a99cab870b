"""Rated photographs through a model server, as people with a real one do: does the path hold?

A model folder (the one that ships, unless told) is served by `python -m emofeedback serve` in a
process of its own. `calibrate` reads all pictures from it, is killed half way and goes on; then
`evaluate scorer` reads them once more and writes its report. Told are pictures a second, readings
made twice, what the calibration says, and the memory of both processes early and late.

    python -m tools.benchmarks.photographs_by_server OASIS
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import psutil

from emofeedback.embedded.weights import FOLDER
from emofeedback.lvlm.server.allowed import ALLOWED_VARIABLE
from emofeedback.reading.kept import ENDING
from launcher.server import free_port

from .killed_calibration import whole_lines

log = logging.getLogger(__name__)
WAIT_S, PACE_S, EARLY = 300, 0.25, 0.1


@contextmanager
def served(folder: Path) -> Iterator[tuple[psutil.Process, str, str]]:
    """A server's process, its address and the name of its model; ended with the block."""
    port = free_port()
    command = [sys.executable, "-m", "emofeedback", "serve", str(folder), "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + WAIT_S
        while True:
            try:
                name = served_model(port)
                break
            except (OSError, HTTPException):
                if server.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"The server of {folder} does not answer.") from None
                time.sleep(PACE_S)
        yield psutil.Process(server.pid), f"127.0.0.1:{port}", name
    finally:
        server.kill()
        server.wait()


def served_model(port: int) -> str:
    """The name of the model that a server of this computer has. Raises: OSError, HTTPException."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/v1/models")
        return str(json.load(connection.getresponse())["data"][0]["id"])
    finally:
        connection.close()


def read(
    command: Sequence[str], kept: Path, server: psutil.Process, place: str, *, until: int = 0
) -> tuple[str, list[tuple[int, float, float]]]:
    """Runs a command; what it said, and (readings, MB of the server, MB of the command) on its way.

    Args:
        until: kill it when so many readings are kept; 0: let it end.
    """
    seen = []
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "emofeedback", *command],
            stdout=said, stderr=said, env=os.environ | {ALLOWED_VARIABLE: place},
        )  # fmt: skip
        own = psutil.Process(process.pid)
        while process.poll() is None:
            count = len(whole_lines(kept))
            if until and count >= until:
                process.kill()
                process.wait()
                break
            try:
                one, two = (each.memory_info().rss / 2**20 for each in (server, own))
                seen.append((count, one, two))
            except psutil.Error:
                break  # it has just ended
            time.sleep(PACE_S)
        process.wait()
        said.seek(0)
        # a process that has ended, but was not waited for yet, has no memory
        return said.read(), [(count, one, two) for count, one, two in seen if two]


def main() -> None:
    """Prints what both commands said, and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--folder", type=Path, default=FOLDER / "drawn_lvlm")
    parser.add_argument("--most", type=int, default=0, help="pictures; 0 is all")
    parser.add_argument("--scale", default="", help="as of calibrate")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with tempfile.TemporaryDirectory() as made, served(options.folder) as (server, place, name):
        out, report = Path(made) / "calibration.json", Path(made) / "report.json"
        kept, again = (path.with_name(path.name + ENDING) for path in (out, report))
        asked = [str(options.pictures), "--scorer", f"server:http://{place}/v1"]
        asked += ["--most", str(options.most), "--scale", options.scale]
        asked += ["--model", name]
        evaluated = ["evaluate", "scorer", *asked, "--json", str(report)]
        started = time.monotonic()
        told, sizes = read(evaluated, again, server, place)
        seconds = time.monotonic() - started
        count = len(whole_lines(again))
        log.info("%s", told)
        if not count:
            raise SystemExit("No picture was read.")
        fit = ["calibrate", *asked, "--out", str(out)]
        read(fit, kept, server, place, until=max(count // 2, 1))
        before = len(whole_lines(kept))
        told, more = read(fit, kept, server, place)
        log.info("%s", told)
        readings = whole_lines(kept)
        early = [size for size in sizes if size[0] >= EARLY * count] or sizes
        late = more[-1]
        log.info("%s", json.dumps({
            "pictures": count, "a second": round(count / seconds, 2), "kept at the kill": before,
            "read twice": len(readings) - len(set(readings)), "all read": len(set(readings)),
            "report": report.is_file(), "calibration": out.is_file(),
            "server MB, early and late": [round(early[0][1]), round(late[1])],
            "command MB, early and at its end": [round(early[0][2]), round(sizes[-1][2])],
        }))  # fmt: skip


if __name__ == "__main__":
    main()
