"""Rewards of your own: `rewards=[my_module:sharpness=0.3]` names functions by where they stand."""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Sequence
from typing import Any

from emofeedback.errors import ConfigError

from .stack import PairScore

WRITTEN = re.compile(r"([\w.]+):(\w+)(?:=(.+))?")


def read_functions(given: Any) -> dict[str, tuple[PairScore, float]]:
    """The functions that a config names, with their weights, by the name that the log shows.

    Args:
        given: texts as module:function or module:function=weight. A function takes pictures
            [B, H, W, 3] in 0..1 and their prompts, and gives a score each [B]; NaN: none.
    Raises: ConfigError: written otherwise, no such module or function, or a name twice.
    """
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise ConfigError(f"rewards is {given!r}; write a list as [my_module:function=0.5].")
    found: dict[str, tuple[PairScore, float]] = {}
    for text in map(str, given):
        parts = WRITTEN.fullmatch(text)
        if parts is None:
            raise ConfigError(f"rewards holds {text!r}; write module:function or that and =weight.")
        module, name, weight = parts[1], parts[2], _weight(text, parts[3] or "1")
        if name in found:
            raise ConfigError(f"rewards names {name!r} twice, which the log could not tell apart.")
        try:
            function = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise ConfigError(
                f"rewards names {text!r}, which cannot be found ({error}). The module must be "
                "importable: set PYTHONPATH to its folder."
            ) from error
        except Exception as error:  # the module is the user's
            raise ConfigError(
                f"rewards names {text!r}, whose module cannot be run ({error!r}). Correct it."
            ) from error
        if not callable(function):
            raise ConfigError(f"rewards names {text!r}, which is no function.")
        found[name] = (function, weight)
    return found


def _weight(text: str, written: str) -> float:
    try:
        weight = float(written)
    except ValueError:
        weight = math.nan
    if not 0 < weight <= 1000:
        raise ConfigError(f"rewards holds {text!r}; its weight must be above 0, at most 1000.")
    return weight
