"""Reading a config: preset or file, then overrides; unknown keys are refused with the nearest."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from emofeedback.errors import ConfigError

from .config import TrainConfig

PRESETS = Path(__file__).parents[1] / "presets"
CONFIG_FILE = "config.yaml"
"""In the folder of a run: its settings, resolved."""


def preset_names() -> list[str]:
    """Names that `--preset` takes."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def preset_path(name: str) -> Path:
    """Raises: ConfigError: there is no such preset."""
    if name not in preset_names():
        raise ConfigError(
            f"There is no preset {name!r}.{_nearest(name, preset_names())} "
            f"Known: {', '.join(preset_names())}."
        )
    return PRESETS / f"{name}.yaml"


def load_config(file: Path | None = None, overrides: Sequence[str] = ()) -> TrainConfig:
    """The config of a YAML file with `rollout.group_size=16`-like overrides.

    Raises: ConfigError: unreadable file, unknown key, wrong type, or a value out of range.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    for override in overrides:
        if "=" not in override:
            raise ConfigError(
                f"The override {override!r} has no '='. Write it as rollout.group_size=16."
            )
    try:
        given = OmegaConf.merge(
            OmegaConf.create({}) if file is None else _read(file),
            OmegaConf.from_dotlist(list(overrides)),
        )
        refuse_unknown(OmegaConf.to_container(given))
        merged = OmegaConf.merge(OmegaConf.structured(TrainConfig), given)
        config = OmegaConf.to_object(merged)
    except ConfigError:
        raise
    except (OmegaConfBaseException, YAMLError, ValueError, TypeError, AttributeError) as error:
        reason = (str(error).splitlines() or [repr(error)])[0]
        key = getattr(error, "full_key", None) or " ".join(overrides)
        raise ConfigError(f"A setting cannot be used: {reason} ({key}).") from error
    assert isinstance(config, TrainConfig)
    return config


def config_yaml(config: TrainConfig) -> str:
    """Every setting as YAML, in the order of the dataclasses."""
    from omegaconf import OmegaConf

    return OmegaConf.to_yaml(OmegaConf.create(dataclasses.asdict(config)))


def config_hash(config: TrainConfig) -> str:
    """A short name of the settings."""
    return hashlib.sha256(config_yaml(config).encode()).hexdigest()[:12]


def differences(one: TrainConfig, other: TrainConfig) -> list[str]:
    """Dotted keys whose values differ."""
    left, right = dict(_leaves(one)), dict(_leaves(other))
    return [key for key in left if left[key] != right[key]]


def refuse_unknown(given: Any) -> None:
    """Raises: ConfigError: a key that no dataclass has; names the nearest that one has."""
    leaves = dict(_leaves(TrainConfig()))
    known = list(leaves)
    groups = {key.split(".")[0] for key in known if "." in key}
    tables = tuple(f"{key}." for key, value in leaves.items() if isinstance(value, dict))
    for key in _keys(given):
        if key not in known and key not in groups and not key.startswith(tables):
            raise ConfigError(
                f"There is no setting {key!r}.{_nearest(key, known)} All settings stand in "
                "training/settings/config.py."
            )


def _read(file: Path) -> Any:
    from omegaconf import OmegaConf
    from yaml import YAMLError

    if not file.is_file():
        raise ConfigError(f"There is no config file {file}. Check the path.")
    try:
        content = OmegaConf.load(file)
    except (YAMLError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{file} is no readable YAML: {error}.") from error
    if not OmegaConf.is_dict(content):
        raise ConfigError(f"{file} holds no table of settings; write lines as 'steps: 100'.")
    return content


def _nearest(name: str, known: Sequence[str]) -> str:
    leaf = name.rsplit(".", 1)[-1]
    found = difflib.get_close_matches(name, known, 1, 0.6) or [
        key for key in known if key.rsplit(".", 1)[-1] == leaf
    ]
    return f" Did you mean {found[0]!r}?" if found else ""


def _keys(table: Any, prefix: str = "") -> Iterator[str]:
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from _keys(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def _leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for each in dataclasses.fields(node):
        value = getattr(node, each.name)
        if dataclasses.is_dataclass(value):
            yield from _leaves(value, f"{prefix}{each.name}.")
        else:
            yield f"{prefix}{each.name}", value
