"""The supervised start teaches the adapter, and nothing else, what an emotion looks like."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_pipelines import PIPELINES

from emofeedback.control.adapter import EmotionAdapter
from emofeedback.control.checkpoint import EmotionFacts, save_checkpoint
from emofeedback.errors import ConfigError
from training.data.word_pairs import WordPair, load_word_pairs
from training.evaluation.trained_weights import weights_of
from training.families.choose import load_family
from training.families.embedded import EmbeddedFamily
from training.rl import word_start
from training.rl.adapter_start import (
    density_weights,
    drawn_pairs,
    flow_loss,
    start_loss,
    start_pairs,
    train_adapter,
)
from training.rl.policy import Policy
from training.settings.files import load_config


def test_a_new_adapter_learns_and_the_generator_stays() -> None:
    config = load_config(None, ["stage=adapter", "optim.micro_batch=6", "model.lora_rank=1"])
    family = EmbeddedFamily()
    for layer in (family.adapter.token_out, family.adapter.pooled_out):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    policy = Policy(family, config.model)
    pairs = drawn_pairs(config, family, count=6)
    frozen = {k: v.clone() for k, v in family.transformer.state_dict().items()}
    optimizer = torch.optim.AdamW(policy.adapter.parameters(), lr=3e-3)
    losses = []
    for _ in range(8):
        loss = flow_loss(policy, pairs, config, step=0)  # the same noise each time
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - 1e-3
    assert all(torch.equal(v, frozen[k]) for k, v in family.transformer.state_dict().items())


def test_pairs_of_prompts_come_from_a_table_or_from_our_phrases(tmp_path: Path) -> None:
    table = tmp_path / "pairs.csv"
    table.write_text(
        "neutral;emotional;valence;arousal\na boat;a sad boat;-2;-1,5\n"
        "a dog;a wild dog;1;3\na cat;a calm cat;2;-2\n",
        encoding="utf-8",
    )
    read = load_word_pairs(str(table), (), count=9, seed=0)
    assert read[0] == WordPair("a boat", "a sad boat", (-2.0, -1.5))
    ours = load_word_pairs("phrases", ["a boat", "a dog"], count=40, seed=0)
    assert all(each.emotional.startswith(each.neutral) for each in ours)
    assert len({each.emotion for each in ours}) == 40
    table.write_text("neutral,emotional,valence\na,b,1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="no column arousal"):
        load_word_pairs(str(table), (), count=9, seed=0)
    table.write_text("neutral,emotional,valence,arousal\na,b,1,9\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="line 2.*9.0"):
        load_word_pairs(str(table), (), count=9, seed=0)


@pytest.mark.parametrize("loss", ["features", "velocity"])
@pytest.mark.parametrize("name", ["sd3.5", "z-image", "sdxl"])
def test_words_teach_a_fresh_adapter_of_any_family(name: str, loss: str, tmp_path: Path) -> None:
    torch.manual_seed(2)
    PIPELINES[name]().save_pretrained(tmp_path)
    config = load_config(
        None,
        ["stage=adapter", f"model.path={tmp_path}", "model.size=16", "model.adapter=fresh",
         "model.lora_rank=1", f"start.loss={loss}", "start.steps=3", "start.replayed=2",
         "start.count=6", "optim.micro_batch=6", "loss.kind=pathwise", "data.prompts=neutral"],
    )  # fmt: skip
    family = load_family(config, device=torch.device("cpu"))
    policy = Policy(family, config.model)
    frozen = {k: v.clone() for k, v in family.transformer.state_dict().items()}
    measured = start_loss(policy, config, start_pairs(config))
    optimizer = torch.optim.AdamW(policy.adapter.parameters(), lr=1e-4)
    losses = []
    for _ in range(40):
        value = measured(0)  # the same pairs and noise each time
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        losses.append(float(value.detach()))
    assert min(losses) < 0.95 * losses[0]
    assert all(torch.equal(v, frozen[k]) for k, v in family.transformer.state_dict().items())


def test_a_checkpoint_without_a_lora_is_its_adapter_on_the_plain_model(tmp_path: Path) -> None:
    config = load_config(None, ["model.path=smoke"])
    policy = Policy(load_family(config, device=torch.device("cpu")), config.model)
    adapter = EmotionAdapter(**policy.adapter.widths())
    torch.nn.init.ones_(adapter.token_out.bias)
    files = save_checkpoint(tmp_path, "smoke", adapter, EmotionFacts(base_family="smoke"))
    with weights_of(policy, files["emotion"]):
        lora = policy.lora_parameters().values()
        assert not any(value.any() for value in lora)
        assert torch.equal(policy.adapter.token_out.bias, adapter.token_out.bias)
    assert any(value.any() for value in policy.lora_parameters().values())


def test_a_start_that_a_signal_stopped_goes_on_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, rows = tmp_path / "pairs.csv", "a,b,1,0\nc,d,-2,1\ne,f,0,-3\ng,h,2,2\n"
    table.write_text(f"neutral,emotional,valence,arousal\n{rows}", encoding="utf-8")
    config = load_config(
        None,
        ["stage=adapter", "model.path=smoke", "start.loss=features", f"start.pairs={table}",
         "steps=4", "optim.micro_batch=4", "optim.weight_decay=0.5", "tensorboard=false"],
    )  # fmt: skip
    train_adapter(config, tmp_path / "whole")
    loss = word_start.word_loss

    def ending(*arguments):
        if arguments[-1] == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return loss(*arguments)

    monkeypatch.setattr(word_start, "word_loss", ending)
    with pytest.raises(KeyboardInterrupt):
        train_adapter(config, tmp_path / "run")
    assert not list((tmp_path / "run").glob("*.safetensors"))
    assert (tmp_path / "run/checkpoints/step-000002/state.json").is_file()
    monkeypatch.undo()
    told = table.read_text("utf-8")
    table.write_text(told.replace("g,h,2,2", "g,h,2,1"), encoding="utf-8")
    with pytest.raises(ConfigError, match="other settings: .*pairs_sha256"):
        train_adapter(config, tmp_path / "run")
    table.write_text(told, encoding="utf-8")
    train_adapter(config, tmp_path / "run")
    whole, resumed = (
        load_file(tmp_path / name / "smoke_emotion.safetensors") for name in ("whole", "run")
    )
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def test_emotions_on_one_line_are_refused() -> None:
    with pytest.raises(ConfigError, match="one line"):
        density_weights(np.array([[-1.0, 0], [1, 0], [2, 0]]))
