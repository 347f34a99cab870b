"""The paper's table: every arm can be trained, is trained after what it needs, and is kept."""

import json
from pathlib import Path

import numpy as np
import pytest

from training.evaluation.options import EvaluationOptions
from training.proof.__main__ import main
from training.proof.paper import Budget, chosen_rows, settings_of
from training.proof.paper_rows import ALGORITHMS, ARMS, PARTS, ROWS, arms_of
from training.proof.paper_table import paper_table
from training.proof.power import LEAST, MOST, pairs_needed, power_of
from training.settings.files import load_config, preset_path

BUDGET = Budget(measured=EvaluationOptions(systems=()))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_arm_has_settings_that_train_takes(algorithm: str):
    budget = Budget(algorithm=algorithm, measured=BUDGET.measured)
    for name, arm in ARMS.items():
        if algorithm == "pathwise" and "reward.emotion_form=threshold" in arm.settings:
            continue  # has no gradient: train.py refuses it in words
        config = load_config(
            preset_path("tiny"), settings_of(arm, 1, budget, lambda arm: Path(arm))
        )
        assert (config.seed, config.minutes, config.watch.every) == (1, 30.0, 0), name


def test_an_arm_comes_after_what_it_starts_from_and_what_rewards_it():
    for arm in ARMS:
        order = arms_of(arm)
        assert order[-1] == arm
        for needed in (ARMS[arm].after, ARMS[arm].scorer):
            assert needed in ("", "fresh", *order[:-1])
    names = [row.name for row in ROWS]
    assert len(names) == len(set(names))
    assert {row.against for row in ROWS} <= {"", *names}
    assert {row.part for row in ROWS} == set(PARTS)
    assert {row.name for row in chosen_rows(None, "both")} == {"both", "+ reward feedback"}


def test_rows_are_compared_picture_by_picture():
    rows = chosen_rows("table", "emotional prompt")
    numbers = {"v_error": 1.0, "v_constant": 1.8, "a_constant": 1.8}
    found = {
        "neutral prompt": [{"numbers": numbers, "gap_sum": [3.0, 4.0, 5.0]}],
        "emotional prompt": [{"numbers": numbers, "gap_sum": [2.0, 3.0, 4.0]}],
    }
    text = paper_table(rows, found)
    assert "neutral prompt: -1.00 (-25%) [-1.00, -1.00]" in text
    assert "1.80" in text


def test_a_pilot_asks_for_as_many_pairs_as_give_the_power():
    found = np.linspace(-1.6, 1.0, 20)
    needed = pairs_needed(found)
    assert LEAST <= needed <= MOST
    assert power_of(found, needed) == pytest.approx(0.8, abs=0.03)
    assert pairs_needed(found * 10) == needed
    assert pairs_needed([0.01, -0.01, 0.02, -0.02]) == MOST


def test_a_stopped_table_goes_on_where_it_was(tmp_path: Path):
    asked = ["paper", "--quick", "--rows", "supervised adapter", "--run", str(tmp_path)]
    assert main(asked) == 0
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*_emotion.safetensors")}
    measured = sorted(tmp_path.rglob("measured/*.json"))
    assert len(kept) == 1
    assert len(measured) == 2
    json.loads(measured[0].read_text())
    measured[0].unlink()
    assert main(asked) == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert "| supervised adapter |" in (tmp_path / "table.md").read_text()
