"""Candidates that an artist wants to keep: every one, once, in the output folder."""

import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch


@pytest.fixture
def kept(pack: ModuleType) -> ModuleType:
    return importlib.import_module(f"{pack.__name__}.nodes.comfy.kept_candidates")


@pytest.fixture
def round_of(pack: ModuleType):
    """round_of(number, seed) -> a loop that has just made this round, with 2 pictures."""
    lib = lambda name: importlib.import_module(f"{pack.__name__}.emofeedback.{name}")  # noqa: E731
    steps, emotion, reading = lib("loop.steps"), lib("records.emotion"), lib("records.reading")

    def made(number: int, pictures: int = 0):
        policy = lib("records.state").LoopPolicy(rounds=9, candidates=2, tolerance=0.0)
        state = steps.start_loop("Ein Boot / \u6d77", emotion.Emotion(2, 1), policy, seed=4)
        for step in range(number):
            drawn = torch.Generator().manual_seed(10 * pictures + step)
            readings = [reading.Reading(emotion=emotion.Emotion(0, 0))] * 2
            images = torch.rand(2, 16, 16, 3, generator=drawn)
            state = steps.record_scores(state, images, readings)
        return state

    return made


@pytest.fixture
def output(comfyui: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import folder_paths

    monkeypatch.setattr(folder_paths, "get_output_directory", lambda: str(tmp_path / "output"))
    return tmp_path / "output"


def test_every_candidate_is_kept_once_and_takes_no_others_place(
    kept: ModuleType, round_of, output: Path
) -> None:
    states = [round_of(1), round_of(2), round_of(2), round_of(2, pictures=1)]
    skipped = importlib.import_module(f"{kept.__name__.split('.nodes')[0]}.emofeedback.loop.steps")
    thrown_away = skipped.skip_round(states[0], pictures=2, generate_seconds=0, steps=0)
    assert kept.kept(thrown_away) == "nothing of it is kept as files" and not output.exists()
    told = {kept.kept(state) for state in states}
    assert told == {"kept as files in the output folder: emofeedback/candidates/ein-boot-\u6d77-4"}
    files = sorted(output.rglob("*.png"))
    assert [file.name[:-13] for file in files] == [
        "round-01-candidate-01", "round-01-candidate-02", *["round-02-candidate-01"] * 2,
        *["round-02-candidate-02"] * 2,
    ]  # fmt: skip
    made = {data for state in states for record in state.made for data in record.images}
    assert {file.read_bytes() for file in files} < made
    assert not [file for file in output.rglob("*") if file.is_file() and file.suffix != ".png"]


def test_a_full_disk_is_told_of_and_leaves_no_half_picture(
    kept: ModuleType,
    round_of,
    monkeypatch: pytest.MonkeyPatch,
    tiny_disk: Path,
    fill_disk: Callable[[int], None],
    comfyui: ModuleType,
) -> None:
    import folder_paths

    monkeypatch.setattr(folder_paths, "get_output_directory", lambda: str(tiny_disk / "output"))
    kept.kept(round_of(1))
    whole = {file: file.read_bytes() for file in tiny_disk.rglob("*.png")}
    fill_disk(0)
    assert kept.kept(round_of(2)) == "round 2 is not kept as files: No space left on device"
    assert {file: file.read_bytes() for file in tiny_disk.rglob("*") if file.suffix} == whole
