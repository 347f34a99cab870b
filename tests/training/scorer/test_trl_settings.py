"""What reaches TRL: its settings by name, all of them known, none that would undo ours."""

import dataclasses
import typing
from pathlib import Path
from typing import Any

import pytest
from trl import GRPOConfig

from emofeedback.errors import ConfigError, EmoFeedbackError
from training.scorer.trl_settings import (
    REFUSED,
    Rhythm,
    check_given,
    fits,
    own_settings,
    trl_settings,
)
from training.settings.files import config_yaml, load_config

NAMES = [each.name for each in dataclasses.fields(GRPOConfig)]
OVERRIDABLE = {"bf16", "gradient_checkpointing", "dataloader_pin_memory"}
"""What we choose by the machine, and who knows better may choose."""


def settings(*overrides: str, processes: int = 1) -> tuple[Any, Rhythm]:
    config = load_config(None, ["stage=scorer", *overrides])
    return trl_settings(config, Path("run"), processes=processes)


def test_settings_come_by_name_from_command_line_and_file(tmp_path: Path) -> None:
    written = tmp_path / "a.yaml"
    written.write_text("stage: scorer\nscorer: {trl: {num_iterations: 2, epsilon_high: 0.28}}\n")
    config = load_config(written, ["scorer.trl.loss_type=grpo", "scorer.trl.temperature=1"])
    found, rhythm = trl_settings(config, tmp_path)
    assert (found.num_iterations, found.epsilon_high, found.loss_type) == (2, 0.28, "grpo")
    assert rhythm == Rhythm(passes=1, serve=2, prompts=4) and rhythm.reuses
    again = tmp_path / "b.yaml"
    again.write_text(config_yaml(config))
    assert load_config(again) == config


def test_nothing_that_we_set_is_undone() -> None:
    assert set(REFUSED) <= set(NAMES)
    assert set(own_settings(load_config(), Path("run"), 8)) - set(REFUSED) == OVERRIDABLE
    for name in REFUSED:
        with pytest.raises(ConfigError, match=rf"scorer.trl.{name} is not handed on"):
            check_given({name: 1}, GRPOConfig)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("num_iteration=2", "no 'num_iteration'.*Did you mean num_iterations"),
        ("num_iterations=two", "'two', where TRL takes int"),
        ("num_iterations=0", "is 0: set 1 or more"),
        ("temperature=true", "True, where TRL takes float"),
        ("lr_scheduler_type=cosin", "TRL does not take.*cosin"),
        ("lr_scheduler_type=greedy", "'greedy', whose memory"),
        ("optim=adafactor", "'adafactor', whose memory"),
        ("gradient_accumulation_steps=3", "scorer.batch is 32, no multiple of 1 process.* 3 pass"),
        ("generation_batch_size=7", "TRL does not take.*7"),
        ("use_vllm=true", "vllm_mode=colocate, TRL's default,.*6294"),
        ("use_vllm=true scorer.trl.vllm_mode=colocate", "vllm_mode=colocate would"),
        ("use_vllm=true scorer.trl.vllm_mode=server", "needs vllm"),
    ],
)
def test_what_trl_cannot_take_is_said_before_anything_is_loaded(override: str, said: str) -> None:
    with pytest.raises(EmoFeedbackError, match=said):
        settings(*f"scorer.trl.{override}".split())


def test_rewards_are_weighed_by_name() -> None:
    found, _ = settings("scorer.reward_weights={cues: 0.5, agreement: 2}")
    assert found.reward_weights == [2.0, 1.0, 1.0, 0.5]
    assert settings()[0].reward_weights is None


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("{agrement: 1}", "agrement"),
        ("{format: two}", "format is 'two': set a number"),
        ("{format: -1}", "reward_weights.format is -1, but .* set 0 to 1000"),
        ("{format: .nan}", "reward_weights.format is nan"),
        ("{agreement: 0, format: 0, category: 0, cues: 0}", "are all 0"),
        ("{cues: 1} scorer.multi_task=false", "cues is 1, but scorer.multi_task is false"),
        ("3", "is 3; write a table"),
    ],
)
def test_weights_that_say_nothing_are_refused(override: str, said: str) -> None:
    given, *others = override.split(" scorer.")
    with pytest.raises(ConfigError, match=said):
        load_config(
            None, [f"scorer.reward_weights={given}", *(f"scorer.{each}" for each in others)]
        )


def test_an_update_keeps_its_answers_however_it_is_shared_out() -> None:
    for processes, passes in ((1, 1), (1, 4), (2, 2), (4, 1)):
        found, rhythm = settings(
            f"scorer.trl.gradient_accumulation_steps={passes}", processes=processes
        )
        assert found.per_device_train_batch_size * passes * processes == 32
        assert rhythm.passes == passes and not rhythm.reuses


def test_every_drawing_is_one_of_the_walk_wherever_a_run_is_taken_up() -> None:
    rhythm = Rhythm(passes=2, serve=6, prompts=4)
    fresh = [step for step in range(10) if rhythm.fresh(step)]
    assert fresh == [0, 3, 6, 9]
    assert [rhythm.prompts_until(step) for step in fresh] == [0, 4, 8, 12]
    assert rhythm.prompts_until(7) == 12  # the third drawing has begun


def test_every_default_of_trl_is_of_its_own_type() -> None:
    hints = typing.get_type_hints(GRPOConfig)
    for each in dataclasses.fields(GRPOConfig):
        if each.default is not dataclasses.MISSING:
            assert fits(each.default, hints[each.name]), each.name
            assert not fits(object(), hints[each.name]), each.name
