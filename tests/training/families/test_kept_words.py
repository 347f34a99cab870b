"""Embeddings of prompts come back from files bit for bit, by encoder and prompt, and what made them
leaves memory."""

import gc
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_pipelines import PIPELINES

from emofeedback.errors import ConfigError
from training.data.prompt_files import Prompt
from training.data.prompts import Task, TaskSet, draw_tasks
from training.families.encoders import TextEncoders
from training.families.pipelines import load_folder
from training.rl.ahead import encode_ahead, prompts_of_run
from training.rl.policy import Policy
from training.settings.config import ModelConfig
from training.settings.files import load_config

PROMPTS = ("a boat on the sea", "")


class Watched:
    """Policies on a pipeline's folder, and the encoders that they have read."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.read = folder, 0
        self.modules: list[weakref.ref[Any]] = []

    def policy(self, kept: Path | None) -> Policy:
        family = load_folder(self.folder, size=32, dtype=torch.float32, device="cpu")
        return Policy(family, ModelConfig(lora_rank=2), kept=kept)

    @property
    def alive(self) -> int:
        gc.collect()
        return sum(module() is not None for module in self.modules)


@pytest.fixture(params=["sd3.5", "flux2"])
def watched(request: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    torch.manual_seed(1)
    PIPELINES[request.param]().save_pretrained(tmp_path / "model")
    made = Watched(tmp_path / "model")
    take_up = TextEncoders.take_up

    def counted(self: TextEncoders, pipeline: Any) -> None:
        absent = all(getattr(pipeline, name) is None for name in self.parts)
        take_up(self, pipeline)
        if absent:
            made.read += 1
            for name in self.parts:
                made.modules += [weakref.ref(m) for m in getattr(pipeline, name).modules()]

    monkeypatch.setattr(TextEncoders, "take_up", counted)
    return made


def test_encoders_leave_memory_and_come_back_when_asked(watched: Watched, tmp_path: Path) -> None:
    plain = watched.policy(None).words((*PROMPTS, "a dog"))
    watched.modules.clear()
    policy = watched.policy(tmp_path / "prompts")
    assert watched.read == 1  # by the plain one
    encode_ahead(policy, PROMPTS)
    assert watched.read == 2 and watched.modules and not watched.alive
    found = policy.words(PROMPTS)
    assert watched.read == 2
    later = policy.words((*PROMPTS, "a dog"))
    assert watched.read == 3 and watched.alive
    for whole, again, part in zip(plain, later, found, strict=True):
        assert torch.equal(whole, again) and torch.equal(whole[:2], part)


def test_a_second_start_reads_no_encoder_and_has_the_same_bits(
    watched: Watched, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plain, kept = watched.policy(None).words(PROMPTS), tmp_path / "prompts"

    def start(*, same: bool = True) -> int:
        before, policy = watched.read, watched.policy(kept)
        encode_ahead(policy, PROMPTS)
        found = policy.words(PROMPTS)
        if same:
            assert all(torch.equal(a, b) for a, b in zip(found, plain, strict=True))
        return watched.read - before

    assert (start(), start()) == (1, 0)
    files = sorted(kept.iterdir())
    assert len(files) == 2
    files[0].write_bytes(files[0].read_bytes()[:-9])
    assert start() == 1 and f"{files[0]} is damaged" in caplog.text
    assert start() == 0  # it was written anew
    weights = next((watched.folder / "text_encoder").glob("*.safetensors"))
    values = load_file(weights)
    next(iter(values.values())).view(-1)[0] += 0.01
    save_file(values, weights, {"format": "pt"})
    assert (start(same=False), start(same=False)) == (1, 0)
    assert len(list(kept.iterdir())) == 4


def test_encoders_stay_where_a_run_has_more_prompts_than_are_kept(
    watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.families.kept_words.FILES_BYTES", 0)
    policy = watched.policy(tmp_path / "prompts")
    policy.words_bytes = 1
    encode_ahead(policy, PROMPTS)
    assert watched.alive and policy.lost
    assert watched.read == 1


def test_prompts_are_as_long_as_asked_and_kept_apart_by_length(watched: Watched) -> None:
    settings = {"size": 32, "dtype": torch.float32, "device": "cpu"}
    families = [load_folder(watched.folder, text_tokens=n, **settings) for n in (9, 20)]
    lengths = [family.encode(["a boat on the sea " * 20])[0].shape[1] for family in families]
    assert lengths[1] - lengths[0] == 11 and lengths[0] in (9, 12 + 9)  # CLIP's beside T5's
    assert families[0].encoder() != families[1].encoder()


def test_sdxl_has_no_encoder_of_long_texts(tmp_path: Path) -> None:
    PIPELINES["sdxl"]().save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="Set model.text_tokens=0"):
        load_folder(tmp_path, size=16, dtype=torch.float32, device="cpu", text_tokens=128)


def test_a_run_asks_for_nothing_that_was_not_foretold() -> None:
    rows = tuple(Prompt(f"prompt {n}", words="at dusk" if n % 2 else "") for n in range(30))
    measured = (Prompt("held", words="at dusk"), Prompt("out"))
    prompts = TaskSet("some", tuple(row.text for row in rows), ("held", "out"), rows, measured)
    told_at_dusk = Task("held", (0, 0), "at dusk").told
    config = load_config(None, ["data.prompts_per_step=4", "steps=40"])
    for first, last in ((0, 40), (33, 40), (38, 40)):
        told = prompts_of_run(config, prompts, first=first)
        asked = {
            task.told
            for step in range(first, last)
            for task in draw_tasks(rows, None, count=4, seed=config.seed, step=step)
        }
        assert set(told) == asked | {"", told_at_dusk, "out"} and len(told) == len(set(told))
