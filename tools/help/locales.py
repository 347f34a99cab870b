"""Locale files from the nodes' own words, and from what translators made of them.

A translation is a table from English texts to those of a language (`translations/LANGUAGE.json`):
a text that was changed in English has none until somebody writes it, and is shown in English.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from launcher.places import ROOT

TRANSLATIONS = Path(__file__).parent / "translations"
SETTINGS = ROOT / "web" / "js" / "settings.js"
# The page's translation library reads these as its own signs, in some places and not in others.
SPECIAL = re.compile(r"[{}@|$]")

SETTING = re.compile(
    r'id: "(?P<id>[^"]+)".*?name: "(?P<name>[^"]+)",\s*tooltip: "(?P<tooltip>[^"]+)"'
    r".*?options: choices\((?P<values>[^)]+)\)",
    re.DOTALL,
)
CATEGORY = re.compile(r"category: \[([^\]]+)\]")
OWN_DEFAULT = {"own_default": "node's own"}


def node_words(nodes: dict[str, Any]) -> dict[str, Any]:
    """What locales/en/nodeDefs.json holds, from the schemas."""
    return {node_id: _words_of(nodes[node_id].GET_SCHEMA()) for node_id in sorted(nodes)}


def languages() -> list[str]:
    """Those that have a table of translations."""
    return sorted(path.stem for path in TRANSLATIONS.glob("*.json"))


def translated_words(english: Mapping[str, Any], language: str) -> dict[str, Any]:
    """The words of `node_words` in a language, as far as its table knows them."""
    table = json.loads((TRANSLATIONS / f"{language}.json").read_text(encoding="utf-8"))
    return _translated(english, table)


def _translated(words: Mapping[str, Any], table: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in words.items():
        if isinstance(value, str):
            if value in table:
                found[key] = plain(table[value])
        elif inner := _translated(value, table):
            found[key] = inner
    return found


def page_words(nodes: dict[str, Any]) -> dict[str, Any]:
    """What locales/en/main.json holds: categories of the node menu, and of the settings."""
    categories = {node.GET_SCHEMA().category for node in nodes.values()}
    parts = sorted({part for category in categories for part in category.split("/")})
    script = SETTINGS.read_text(encoding="utf-8")
    labels = dict.fromkeys(name for names in CATEGORY.findall(script) for name in _texts(names))
    return {
        "nodeCategories": {part: plain(part) for part in parts},
        "settingsCategories": {label: plain(label.replace("_", " ")) for label in labels},
    }


def setting_words(script: str) -> dict[str, Any]:
    """What locales/en/settings.json holds, from the text of web/js/settings.js."""
    return {
        part["id"].replace(".", "_"): {
            "name": plain(part["name"]),
            "tooltip": plain(part["tooltip"]),
            "options": OWN_DEFAULT
            | {text.replace(" ", "_"): plain(text) for text in _values(part["values"], script)},
        }
        for part in SETTING.finditer(script)
    }


def _values(argument: str, script: str) -> list[str]:
    """The values of a list that is written out, or of a constant that is one."""
    constant = re.search(rf"const {re.escape(argument)} = \[([^\]]+)\]", script)
    return _texts(constant[1] if constant else argument)


def _texts(code: str) -> list[str]:
    return re.findall(r'"([^"]+)"', code)


def plain(text: str) -> str:
    """The text, if the page's translation library shows it as it is.

    Raises: ValueError: it holds a sign that the library reads as its own.
    """
    if SPECIAL.search(text):
        raise ValueError(f"{text!r} holds one of {{}}@|$: say it without.")
    return text


def _words_of(schema: Any) -> dict[str, Any]:
    words: dict[str, Any] = {
        "display_name": plain(schema.display_name),
        "description": plain(schema.description),
    }
    if schema.inputs:
        words["inputs"] = {
            item.id: {"name": plain(item.display_name or item.id), "tooltip": plain(item.tooltip)}
            for item in schema.inputs
        }
    if schema.outputs:
        words["outputs"] = {
            str(number): {"name": plain(item.display_name), "tooltip": plain(item.tooltip)}
            for number, item in enumerate(schema.outputs)
        }
    return words
