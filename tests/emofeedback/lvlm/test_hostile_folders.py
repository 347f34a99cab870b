"""Model folders and adapters that mean harm: nothing is called, run, hung on or half applied."""

import contextlib
import json
import resource
import shutil
import socket
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_lvlms import random_qwen3

from emofeedback.errors import CheckpointError
from emofeedback.lvlm.folder import load_folder

TARGETS = ["q_proj", "o_proj"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return random_qwen3(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def lora(folder, tmp_path_factory) -> Path:
    """A LoRA as peft writes it, on every q_proj and o_proj of the language model."""
    from peft import LoraConfig, get_peft_model

    model = load_folder(folder, dtype=torch.float32).model
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        joined = get_peft_model(model, LoraConfig(r=2, lora_alpha=6, target_modules=TARGETS))
        for name, weight in joined.named_parameters():
            if "lora_" in name:
                torch.nn.init.normal_(weight, std=0.3)
    where = tmp_path_factory.mktemp("adapter") / "lora"
    joined.save_pretrained(where)
    return where


@pytest.fixture(autouse=True)
def no_network(monkeypatch) -> list[str]:
    """Every way out is closed; what was tried stands in the list."""
    tried: list[str] = []

    def refuse(*given: Any, **_: Any) -> None:
        tried.append(str(given[-1]))
        raise OSError("the test closed the network")

    for owner, name in (
        (socket.socket, "connect"), (socket.socket, "connect_ex"), (socket, "getaddrinfo"),
        (socket, "gethostbyname"), (socket, "create_connection"),
    ):  # fmt: skip
        monkeypatch.setattr(owner, name, refuse)
    monkeypatch.setattr("builtins.input", refuse)
    return tried


def changed(lora: Path, to: Path, config: dict[str, Any], tensors: Any = None) -> Path:
    shutil.copytree(lora, to)
    path = to / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | config))
    if tensors is not None:
        save_file(tensors, to / "adapter_model.safetensors")
    return to


def test_a_merge_is_what_peft_merges(folder, lora):
    from peft import PeftModel

    ours = load_folder(folder, adapter=lora, dtype=torch.float32).model
    theirs = PeftModel.from_pretrained(load_folder(folder, dtype=torch.float32).model, str(lora))
    wanted = theirs.merge_and_unload().state_dict()
    assert ours.state_dict().keys() == wanted.keys()
    for key, value in ours.state_dict().items():
        torch.testing.assert_close(value, wanted[key], atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "config",
    [
        {"peft_type": "XLORA", "adapters": {"a": "evil/repo"}},
        {"peft_type": "XLORA", "adapters": {"a": "../elsewhere"}},
        {"peft_type": "PREFIX_TUNING"},
        {"peft_type": None},
        {"peft_type": ["LORA"]},
        {"target_modules": r"((\w+\.?)+)+!"},
        {"target_modules": "q_proj"},
        {"target_modules": [r"(a+)+$"]},
        {"target_modules": [["q_proj"]]},
        {"target_modules": {"q_proj": 1}},
        {"exclude_modules": r"(.*)*x"},
        {"lora_alpha": "6"},
        {"lora_alpha": float("nan")},
        {"lora_alpha": 1e300},
        {"megatron_config": {"a": 1}, "megatron_core": "antigravity"},
        {"modules_to_save": ["lm_head"]},
        {"init_lora_weights": "pissa"},
        {"use_dora": True},
        {"layer_replication": [[0, 9999999]]},
    ],
)
def test_an_adapter_that_is_more_than_a_plain_lora_is_refused(
    folder, lora, tmp_path, no_network, config
):
    started = time.process_time()
    with pytest.raises(CheckpointError, match="does not fit the model: "):
        load_folder(folder, adapter=changed(lora, tmp_path / "bad", config))
    assert not no_network
    assert time.process_time() - started < 20


@pytest.mark.parametrize("text", ["[" * 5000, "[]", "5", "nope", '"' + "x" * 2**20 + '"'])
def test_adapter_settings_that_are_no_table_are_refused(folder, lora, tmp_path, text):
    bad = changed(lora, tmp_path / "bad", {})
    (bad / "adapter_config.json").write_text(text)
    with pytest.raises(CheckpointError, match="does not fit the model"):
        load_folder(folder, adapter=bad)


def test_tensors_that_fit_are_counted_and_a_part_is_refused(folder, lora, tmp_path):
    whole = load_file(lora / "adapter_model.safetensors")
    extra = {"base_model.model.x.lora_A.weight": torch.ones(2, 2)}
    count, first = len(whole), sorted(whole)[0]
    keys = sorted(whole)
    cases = {
        "half": ({k: whole[k] for k in keys[: count // 2]}, f"{count // 2} of {count} tensors"),
        "foreign": ({k.replace("layers", "blocks"): v for k, v in whole.items()}, f"0 of {count}"),
        "one": (whole | extra, f"{count} of {count + 1}"),
        "no partner": ({k: whole[k] for k in keys[1:]}, f"{count - 2} of {count - 1}"),
        "shape": (whole | {first: torch.ones(2, 3)}, f"{count - 2} of {count} tensors fit"),
        "NaN": (whole | {first: whole[first] * float("nan")}, "not finite"),
        "none": ({"x": torch.ones(1)}, "0 of 1"),
    }  # fmt: skip
    for name, (tensors, told) in cases.items():
        with pytest.raises(CheckpointError, match=told):
            load_folder(folder, adapter=changed(lora, tmp_path / name, {}, tensors))


def test_names_of_an_older_transformers_are_mapped(folder, lora, tmp_path):
    whole = load_file(lora / "adapter_model.safetensors")
    older = {
        key.replace("model.language_model.layers", "model.layers"): whole[key] for key in whole
    }
    assert older.keys() != whole.keys()
    mapped = load_folder(folder, adapter=changed(lora, tmp_path / "old", {}, older)).model
    today = load_folder(folder, adapter=lora).model.state_dict()
    assert all(torch.equal(value, today[key]) for key, value in mapped.state_dict().items())


HARM = "import pathlib; pathlib.Path({!r}).write_text('ran')\nclass Evil: pass\n"


@pytest.mark.parametrize("known", [True, False], ids=["of a known type", "of its own type"])
@pytest.mark.parametrize("where", ["config.json", "tokenizer_config.json", "processor_config.json"])
@pytest.mark.parametrize("reference", ["evil.Evil", "evil/repo--evil.Evil"])
def test_code_of_a_folder_is_never_asked_about_or_run(
    folder, tmp_path, no_network, known, where, reference
):
    bad, mark = tmp_path / "bad", tmp_path / "mark"
    shutil.copytree(folder, bad)
    (bad / "evil.py").write_text(HARM.format(str(mark)))
    path = bad / where
    content = json.loads(path.read_text()) if path.is_file() else {}
    names = ("AutoConfig", "AutoProcessor", "AutoTokenizer", "AutoModelForImageTextToText")
    content["auto_map"] = dict.fromkeys(names, reference)
    if not known:
        content |= {"model_type": "evil", "processor_class": "Evil", "tokenizer_class": "Evil"}
    path.write_text(json.dumps(content))
    with contextlib.suppress(CheckpointError):
        load_folder(bad)
    assert not mark.exists() and not no_network


def test_an_attention_from_a_hub_and_an_adapter_as_the_model_are_refused(
    folder, lora, tmp_path, no_network
):
    for name, key in (("a", "attn_implementation"), ("b", "_attn_implementation")):
        bad = tmp_path / name
        shutil.copytree(folder, bad)
        content = json.loads((bad / "config.json").read_text())
        content["text_config"][key] = "evil/kernel"
        (bad / "config.json").write_text(json.dumps(content))
        with pytest.raises(CheckpointError, match="code on a hub"):
            load_folder(bad)
    both = tmp_path / "both"
    shutil.copytree(folder, both)
    shutil.copy(lora / "adapter_config.json", both)
    with pytest.raises(CheckpointError, match="holds an adapter"):
        load_folder(both)
    assert not no_network


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("text_config", "vocab_size", 40_000_000),
        ("text_config", "intermediate_size", 9_000_000),
        ("text_config", "num_hidden_layers", 10**9),
        ("vision_config", "num_position_embeddings", 64_000_000),
        ("vision_config", "depth", 5_000),
    ],
)
def test_settings_that_promise_more_than_the_files_hold_cost_no_memory(
    folder, tmp_path, no_network, part, name, value
):
    hostile = tmp_path / "hostile"
    shutil.copytree(folder, hostile)
    settings = json.loads((hostile / "config.json").read_text("utf-8"))
    settings[part][name] = value
    (hostile / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CheckpointError, match="describes a model of|no model has over"):
        load_folder(hostile, dtype=torch.float32)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB
    assert no_network == []


@pytest.mark.parametrize("text", ["", "{", "[1]", "[" * 20000, '{"model_type": 5}', "\udc80"])
def test_settings_that_are_no_table_are_typed(folder, tmp_path, no_network, text):
    hostile = tmp_path / "hostile"
    shutil.copytree(folder, hostile)
    (hostile / "config.json").write_text(text, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(CheckpointError, match="hostile"):
        load_folder(hostile)
    assert no_network == []
