"""The table of what preset `paper` takes from Flow-GRPO says what the preset is."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import yaml

from training.families.facts import FAMILIES
from training.settings.files import load_config, preset_path

PAGE = Path(__file__).resolve().parents[3] / "docs" / "the-paper.md"
TITLE = "## What preset `paper` takes from Flow-GRPO"


def rows() -> list[list[str]]:
    part = PAGE.read_text(encoding="utf-8").split(TITLE, 1)[1].split("\n## ", 1)[0]
    lines = [line for line in part.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def flat(node: Any, prefix: str = "") -> dict[str, Any]:
    found = {}
    for name, value in node.items():
        inner = isinstance(value, dict)
        found |= flat(value, f"{prefix}{name}.") if inner else {f"{prefix}{name}": value}
    return found


def test_the_table_says_what_the_preset_is() -> None:
    told = [
        (name, yaml.safe_load(value))
        for row in rows()
        for name, value in re.findall(r"`([a-z_.]+)=([^`]+)`", row[2])
    ]
    preset = preset_path("paper")
    config = load_config(preset, ["reward.pick_path=x", "reward.server=x", "reward.server_model=x"])
    held = flat(dataclasses.asdict(config))
    assert len(dict(told)) == len(told) > 30
    assert {name: held[name] for name, _ in told} == dict(told)
    written = flat(yaml.safe_load(preset.read_text(encoding="utf-8")))
    assert set(written) <= set(dict(told))


def test_the_table_names_the_layers_of_the_lora() -> None:
    named = next(row[1] for row in rows() if row[0] == "layers with a LoRA")
    assert sorted(re.findall(r"`([^`]+)`", named)) == sorted(FAMILIES["sd3.5"].lora_targets)
