"""The checks of the JavaScript: form, types and unit tests. npm is a tool for developers only."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from .places import ROOT
from .steps import die_with_parent, end_process, run_logged, say, step

FOLDER = ROOT / "tests" / "web"
STAMP = FOLDER / "node_modules" / ".emofeedback"
CHECKS = {
    "prettier": ["run", "--silent", "format"],
    "tsc": ["run", "--silent", "types"],
    "vitest": ["run", "--silent", "test"],
}


def install(log: Path) -> str:
    """Installs what the checks need, as the lock file says; returns why it could not, or ""."""
    npm = shutil.which("npm")
    if npm is None:
        return "npm was not found (it comes with Node.js 20 or newer)"
    wanted = hashlib.sha256((FOLDER / "package-lock.json").read_bytes()).hexdigest()
    if STAMP.is_file() and STAMP.read_text("utf-8") == wanted:
        return ""
    with step("tools for the JavaScript's checks"):
        command: list[str | Path] = [npm, "ci", "--prefix", FOLDER, "--no-audit", "--no-fund"]
        code, output = run_logged(command, log)
    if code != 0:
        return f"`npm ci` failed in {FOLDER}:\n{output[-800:]}"
    STAMP.write_text(wanted, encoding="utf-8")
    return ""


def failed_checks() -> list[str]:
    """Runs the checks; returns the names of those that failed."""
    return [name for name, arguments in CHECKS.items() if _npm(arguments) != 0]


def _npm(arguments: list[str]) -> int:
    say(f"$ npm {' '.join(arguments)}")
    child = subprocess.Popen(
        [shutil.which("npm") or "npm", *arguments],
        cwd=FOLDER,
        env={**os.environ, "NO_UPDATE_NOTIFIER": "1"},
        preexec_fn=die_with_parent(),
    )
    try:
        return child.wait()
    finally:
        end_process(child)
