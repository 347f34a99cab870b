"""No number out of its range starts a run, and --help says what each setting takes."""

import dataclasses
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emofeedback.errors import ConfigError
from training.runs import stages
from training.settings.config import TrainConfig
from training.settings.files import load_config, preset_names
from training.settings.ranges import RANGES
from training.settings.topics import settings_help
from training.train import main


def leaves(node: Any, prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in dataclasses.fields(node):
        value, name = getattr(node, each.name), f"{prefix}{each.name}"
        found |= leaves(value, f"{name}.") if dataclasses.is_dataclass(value) else {name: value}
    return found


NUMBERS = {k: v for k, v in leaves(TrainConfig()).items() if type(v) in (int, float)}


def outside(name: str) -> st.SearchStrategy[Any]:
    """Numbers of the setting's own type that its range does not hold."""
    allowed = RANGES[name]
    if type(NUMBERS[name]) is int:
        below = st.integers(max_value=math.ceil(allowed.low) - (not allowed.above))
        return below | st.integers(min_value=math.floor(allowed.high) + 1)
    drawn = st.floats(max_value=allowed.low) | st.floats(min_value=allowed.high)
    return (drawn | st.just(math.nan)).filter(lambda value: not allowed.holds(value))


OUTSIDE = st.sampled_from(sorted(RANGES)).flatmap(
    lambda name: st.tuples(st.just(name), outside(name))
)


def test_the_table_knows_every_number_and_no_other() -> None:
    assert set(RANGES) == set(NUMBERS)


@given(OUTSIDE)
def test_no_number_out_of_its_range_is_taken(setting: tuple[str, Any]) -> None:
    name, value = setting
    with pytest.raises(ConfigError, match=name.replace(".", r"\.")):
        load_config(None, [f"{name}={value}"])


@pytest.mark.parametrize("name", sorted(RANGES))
def test_each_number_is_refused_at_both_ends_and_nothing_is_left(
    name: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "RUNS", tmp_path / "runs")
    whole = type(NUMBERS[name]) is int
    wrong = [RANGES[name].low - 1, RANGES[name].high * 2 + 1]
    wrong += [] if whole else [math.nan, math.inf, -math.inf]
    for value in wrong:
        with pytest.raises(ConfigError, match=rf"{name} is .* set "):
            stages.run(stages.TrainCommand(overrides=[f"{name}={int(value) if whole else value}"]))
    assert not (tmp_path / "runs").exists()


def test_help_shows_every_preset_and_setting_by_topic(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    told = capsys.readouterr().out
    assert settings_help() in told
    for name in preset_names():
        assert f"\n  {name} " in told
    for name in leaves(TrainConfig()):
        assert f"\n  {name}=" in told
    assert "rollout.eta=0.8; above 0 to 1" in told and "settings of watch" in told
