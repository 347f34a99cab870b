"""Stage `refiner`: what a rewriting is worth, and one step of it by the command line."""

import json
from pathlib import Path

import pytest

from emofeedback.embedded.scorer import load_lvlm
from emofeedback.records.emotion import Emotion
from emofeedback.refining.cues import NOTHING_NAMED
from emofeedback.refining.rules import affect_clause, choose_cues
from training.scorer.refiner import GATE, expected_fall, expected_gap
from training.train import main

TARGET = (2.0, -1.0)


def worth(answer: str, artist: str = "a boat on the sea") -> float:
    return expected_fall([answer], [artist], [TARGET])[0]


def answer(clause: str) -> str:
    return json.dumps({"suggestions": [], "clause": clause})


def test_a_rewriting_is_worth_how_far_the_expected_gap_falls():
    towards = affect_clause(choose_cues(NOTHING_NAMED, Emotion(*TARGET)))
    away = affect_clause(choose_cues(NOTHING_NAMED, Emotion(-2, 1)))
    assert worth(answer(towards)) > 1 > 0 > worth(answer(away)) >= GATE
    assert worth(answer("")) == 0
    before = expected_gap("a boat on the sea", TARGET)
    assert worth(answer(towards)) == pytest.approx(
        before - expected_gap(f"a boat on the sea, {towards}", TARGET)
    )


def test_what_cannot_be_used_or_takes_the_artists_words_back_is_worth_least():
    assert worth("a nicer sky") == GATE
    assert worth(answer("under a clear blue sky"), "a boat under a dark storm sky") == GATE
    assert worth(answer("in warm golden light"), "a boat under a dark storm sky") > GATE


def test_one_step_writes_a_model_that_loads_and_says_how_the_gap_changed(tmp_path: Path):
    run = tmp_path / "run"
    code = main([
        "--preset", "refiner", "--run", str(run), "steps=1", "tensorboard=false",
        "scorer.pictures=2", "scorer.held_out=1", "scorer.num_generations=2", "scorer.batch=2",
        "scorer.max_completion_length=6",
    ])  # fmt: skip
    assert code == 0
    assert load_lvlm(run / "scorer").model is not None
    assert json.loads((run / "table.json").read_text())["pictures"] == 1
    assert main(["--preset", "refiner", "--run", str(tmp_path / "x"), "scorer.path=y"]) == 2
