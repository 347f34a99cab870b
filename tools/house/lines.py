"""Logical lines of the tree: NEWLINE tokens, without docstrings, everything formatted alike."""

from __future__ import annotations

import ast
import io
import subprocess
import sys
import tarfile
import tempfile
import tokenize
from pathlib import Path

from .imports import ROOT

COUNTED = (
    "emofeedback",
    "nodes",
    "training",
    "tools",
    "tests/help",
    "tests/browser",
    "tests/benchmarks",
)
"""What `tools` holds stood under tests once; what still stands there is counted on both sides."""


def logical_lines(source: str) -> int:
    """Statements of a source text that are more than a string standing alone."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    told = sum(
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        for node in ast.walk(ast.parse(source))
    )
    return sum(token.type == tokenize.NEWLINE for token in tokens) - told


def count(revision: str) -> dict[str, int]:
    """Logical lines of each counted folder at a commit."""
    with tempfile.TemporaryDirectory() as name:
        archive = subprocess.run(
            ["git", "archive", revision], cwd=ROOT, check=True, capture_output=True
        )
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
            tar.extractall(name, filter="data")
        folders = [str(Path(name) / part) for part in COUNTED if (Path(name) / part).is_dir()]
        command = [sys.executable, "-m", "ruff", "format", "-q", "--isolated"]
        subprocess.run([*command, "--line-length", "100", *folders], check=True)
        return {
            part: sum(
                logical_lines(file.read_text(encoding="utf-8"))
                for file in (Path(name) / part).rglob("*.py")
            )
            for part in COUNTED
        }
