"""What `train.py --help` says of presets and settings; read from where they are written."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
from typing import Any

from .config import TrainConfig
from .files import preset_names, preset_path
from .ranges import RANGES

WIDTH = 100
ALONE = "the run"


def settings_help() -> str:
    """Presets with what each is for, then every setting by topic: default, range, meaning."""
    lines = ["presets:", *(_preset(name) for name in preset_names()), ""]
    for topic, node, prefix in _topics(TrainConfig()):
        meaning = (inspect.getdoc(type(node)) or "").splitlines()[0]
        lines.append(f"settings of {topic}: {meaning}")
        told = field_docs(type(node))
        for each in dataclasses.fields(node):
            value = getattr(node, each.name)
            if not dataclasses.is_dataclass(value):
                lines += _setting(f"{prefix}{each.name}", value, told.get(each.name, ""))
        lines.append("")
    return "\n".join(lines)


def field_docs(kind: type) -> dict[str, str]:
    """The string below each field of a dataclass, on one line."""
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    name = ""
    for line in body.body:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            name = line.target.id
        elif isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) and name:
            found[name] = " ".join(str(line.value.value).split())
            name = ""
        else:
            name = ""
    return found


def _topics(config: TrainConfig) -> list[tuple[str, Any, str]]:
    parts = [
        (each.name, getattr(config, each.name), f"{each.name}.")
        for each in dataclasses.fields(config)
        if dataclasses.is_dataclass(getattr(config, each.name))
    ]
    return [(ALONE, config, ""), *parts]


def _preset(name: str) -> str:
    comments = preset_path(name).read_text(encoding="utf-8").splitlines()
    about = next((line for line in comments[1:] if line.startswith("# ")), "# ")
    return f"  {name:<14} {textwrap.shorten(about[2:], WIDTH - 17, placeholder=' ...')}"


def _setting(name: str, value: Any, told: str) -> list[str]:
    default = "empty" if value == "" else str(value).lower() if value is not None else ""
    taken = f"; {RANGES[name]}" if name in RANGES else ""
    head = f"  {name}={default}{taken}"
    return [head, *textwrap.wrap(told, WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)]
