"""Whatever ends start.py, its server ends too; and what is wrong is told before it starts."""

import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from emofeedback.records.policy import MAX_CANDIDATES, MAX_ROUNDS
from launcher.server import HOST


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize(
    ("number", "code", "when"),
    [
        (signal.SIGINT, 130, "starting"),
        (signal.SIGINT, 130, "running"),
        (signal.SIGTERM, 128 + signal.SIGTERM, "running"),
        (signal.SIGKILL, -signal.SIGKILL, "running"),
    ],
)
def test_no_server_is_left_behind(
    start, made_home: Path, number: int, code: int, when: str
) -> None:
    child = start("ui", "--no-browser", home=made_home)
    server = _server_of(child)
    if when == "running":
        _read_until(child, "Ctrl-C stops it")
    child.send_signal(number)
    child.wait(30)
    assert child.returncode == code
    _, alive = psutil.wait_procs([server], timeout=10)
    assert not alive


def test_a_port_in_use_is_named_before_anything_is_made(start, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        child = start("ui", "--no-browser", "--port", str(port))
        output = child.communicate(timeout=30)[0]
    assert child.returncode == 1
    assert f"Port {port} cannot be used" in output
    assert not (tmp_path / ".venv").exists()


def test_an_output_folder_that_takes_no_files_is_named_before_anything_is_made(
    start, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    places = [tmp_path / "file" / "output"]
    if Path("/sys/kernel").is_dir():
        places.append(Path("/sys/kernel/output"))  # not even root may write there
    for output in places:
        child = start("demo", "--output", str(output))
        told = child.communicate(timeout=30)[0]
        assert child.returncode == 1
        assert f"{output} cannot be written to" in told
        assert "--output" in told
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--valence", "3.1"], "3.1 lies outside the scale"),
        (["--arousal", "nan"], "nan lies outside the scale"),
        (["--rounds", "0"], "0 makes no picture"),
        (["--candidates", "-2"], "-2 makes no picture"),
        (["--rounds", str(MAX_ROUNDS + 1)], "is more than the 100 that the loop takes"),
        (["--candidates", str(MAX_CANDIDATES + 1)], "is more than the 64 that the loop takes"),
        (["--prompt", "  "], "it is empty"),
        (["--seed", "1.5"], "'1.5' is not a whole number"),
        (["--round", "3", "--quick"], "unknown arguments: --quick"),
    ],
)
def test_wrong_arguments_are_refused_by_name(start, tmp_path: Path, arguments, told: str) -> None:
    child = start("demo", *arguments)
    output = child.communicate(timeout=30)[0]
    assert child.returncode == 2
    assert told in output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("port", ["70000", "-1"])
def test_a_port_that_there_is_not_is_told_at_once(start, tmp_path: Path, port: str) -> None:
    child = start("demo", "--output", str(tmp_path), f"--port={port}")
    output = child.communicate(timeout=60)[0]
    assert child.returncode == 1
    assert f"Port {port} cannot be used" in output and "Traceback" not in output
    assert not list(tmp_path.iterdir())


def _server_of(child: subprocess.Popen) -> psutil.Process:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert child.poll() is None, child.stdout.read()
        for process in psutil.Process(child.pid).children(recursive=True):
            with suppress(psutil.Error):  # it may end while it is looked at
                if any(part.endswith("main.py") for part in process.cmdline()):
                    return process
        time.sleep(0.02)
    raise AssertionError("no server was started")


def _read_until(child: subprocess.Popen, text: str) -> None:
    seen = []
    for line in child.stdout:
        seen.append(line)
        if text in line:
            return
    raise AssertionError("".join(seen))
