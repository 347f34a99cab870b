"""Emotion checkpoints survive the disk, know their partner, and refuse what they are not."""

import contextlib
import json
import resource

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from emofeedback.control import checkpoint
from emofeedback.control.adapter import EmotionAdapter
from emofeedback.control.checkpoint import (
    EmotionFacts,
    find_partner,
    load_adapter,
    read_facts,
    save_checkpoint,
)
from emofeedback.errors import CheckpointError
from emofeedback.records.weights import read_file, tensor_digest

FACTS = EmotionFacts(base_family="drawn", trained="by hand", evaluation={"v_error": 0.4})
LORA = {
    "transformer.transformer_blocks.0.attn.to_q.lora_A.weight": torch.ones(2, 4),
    "transformer.transformer_blocks.0.attn.to_q.lora_B.weight": torch.full((4, 2), 0.5),
}


@pytest.fixture
def adapter() -> EmotionAdapter:
    torch.manual_seed(3)
    trained = EmotionAdapter(8, 4, hidden=8)
    for value in trained.parameters():
        torch.nn.init.normal_(value)
    return trained


@pytest.fixture
def files(tmp_path, adapter):
    return save_checkpoint(tmp_path, "calm", adapter, FACTS, lora=LORA, lora_scale=2.0)


def test_a_checkpoint_of_earlier_weights_says_so(tmp_path, adapter):
    for number, (family, edition, told) in enumerate(
        [("drawn", "", "Train it again"), ("drawn", None, ""), ("flux", None, "")]
    ):
        facts = EmotionFacts(base_family=family, base_edition=edition)
        files = save_checkpoint(tmp_path, f"some{number}", adapter, facts)
        assert told in read_facts(files["emotion"]).outdated
        assert bool(read_facts(files["emotion"]).outdated) == bool(told)


def test_an_adapter_comes_back_as_it_was(files, adapter):
    restored = load_adapter(files["emotion"])
    assert all(torch.equal(a, b) for a, b in zip(restored.parameters(), adapter.parameters()))
    assert restored.widths() == adapter.widths()
    assert read_facts(files["emotion"]) == read_facts(files["lora"]) == FACTS


def test_both_halves_name_each_other_and_are_found_under_any_file_name(files, tmp_path):
    renamed = files["lora"].rename(tmp_path / "other name.safetensors")
    assert find_partner(files["emotion"]) == renamed
    assert find_partner(renamed) == files["emotion"]


def test_another_training_is_no_partner(files, tmp_path, adapter):
    changed = {key: value + 1 for key, value in LORA.items()}
    save_checkpoint(tmp_path, "calm", adapter, FACTS, lora=changed)
    files["emotion"].unlink()
    assert find_partner(files["lora"]) is None


def test_a_partner_in_another_folder_is_found_between_broken_and_foreign_files(files, tmp_path):
    there = tmp_path / "loras"
    there.mkdir()
    lora = files["lora"].rename(there / files["lora"].name)
    (there / "calm_broken.safetensors").write_bytes(b"no header")
    save_file({"weight": torch.ones(3)}, there / "calm_style.safetensors")
    assert find_partner(files["emotion"]) is None
    assert find_partner(files["emotion"], among=there.iterdir()) == lora


def test_the_digest_leaves_the_header_out(files, tmp_path):
    copy = tmp_path / "copy.safetensors"
    save_file(load_file(files["lora"]), copy, metadata={"note": "another header"})
    assert copy.read_bytes() != files["lora"].read_bytes()
    assert tensor_digest(copy) == tensor_digest(files["lora"])


def test_alpha_is_folded_into_lora_b_and_no_alpha_key_is_written(files):
    tensors = load_file(files["lora"])
    assert set(tensors) == set(LORA)
    for key, value in tensors.items():
        assert torch.equal(value, LORA[key] * (2 if "lora_B" in key else 1))


@pytest.mark.parametrize("key", ["transformer.x.alpha", "transformer_blocks.0.lora_A.weight"])
def test_a_key_that_stock_loaders_skip_is_refused(tmp_path, adapter, key):
    with pytest.raises(CheckpointError, match="lora_scale"):
        save_checkpoint(tmp_path, "x", adapter, FACTS, lora={key: torch.ones(2, 2)})


def test_a_foreign_safetensors_file_is_named_as_such(tmp_path):
    path = tmp_path / "style.safetensors"
    save_file({"weight": torch.ones(3)}, path, metadata={"modelspec.architecture": "sdxl/lora"})
    with pytest.raises(CheckpointError, match="no emotion checkpoint.*sdxl/lora"):
        load_adapter(path)


def test_the_lora_half_in_place_of_the_adapter_is_explained(files):
    with pytest.raises(CheckpointError, match="LoRA half.*_emotion.safetensors"):
        load_adapter(files["lora"])


def test_a_later_format_version_is_refused_with_a_way_out(files, tmp_path):
    tensors, metadata = read_file(files["emotion"])
    save_file(tensors, tmp_path / "new.safetensors", metadata=metadata | {"format_version": "9"})
    with pytest.raises(CheckpointError, match="'9'.*Update the package"):
        load_adapter(tmp_path / "new.safetensors")


def test_tensors_that_do_not_fit_their_description_are_refused(files, tmp_path):
    tensors, metadata = read_file(files["emotion"])
    for name, change in {
        "missing": {key: tensors[key] for key in list(tensors)[1:]},
        "not finite": {key: value * float("nan") for key, value in tensors.items()},
    }.items():
        path = tmp_path / f"{name}.safetensors"
        save_file(change, path, metadata=metadata)
        with pytest.raises(CheckpointError, match="damaged"):
            load_adapter(path)


@pytest.mark.parametrize(
    "said",
    [
        {"hidden": 16000}, {"hidden": 10**30}, {"hidden": -8}, {"hidden": 8.0}, {"hidden": True},
        {"hidden": None}, {"context_width": 60000, "pooled_width": 60000}, {"device": "cuda"},
    ],
)  # fmt: skip
def test_a_description_that_its_tensors_do_not_bear_out_costs_no_memory(files, tmp_path, said):
    tensors, metadata = read_file(files["emotion"])
    widths = json.loads(metadata["adapter"]) | said
    path = tmp_path / "huge.safetensors"
    save_file(tensors, path, metadata=metadata | {"adapter": json.dumps(widths)})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CheckpointError, match="damaged"):
        load_adapter(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


@pytest.mark.parametrize("name", ["evaluation", "adapter"])
@pytest.mark.parametrize(
    "text",
    ["nope", "5", "null", "", '["v"]', "[" * 2000, '{"a":' * 5000, '{"v": "x"}', " " * 99999],
)
def test_metadata_of_another_type_is_refused_as_damage(files, tmp_path, name, text):
    tensors, metadata = read_file(files["emotion"])
    path = tmp_path / "odd.safetensors"
    save_file(tensors, path, metadata=metadata | {name: text})
    with pytest.raises(CheckpointError, match=f"damaged.*{name}|describes its adapter"):
        read_facts(path) if name == "evaluation" else load_adapter(path)


def test_a_missing_and_an_oversized_file_are_told_apart(files, monkeypatch):
    with pytest.raises(CheckpointError, match="no weight file at"):
        load_adapter(files["emotion"].with_name("gone.safetensors"))
    monkeypatch.setattr(checkpoint, "MAX_ADAPTER_BYTES", 100)
    with pytest.raises(CheckpointError, match="another kind of file"):
        load_adapter(files["emotion"])


ONE_FILE = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@given(share=st.floats(0, 1, exclude_max=True))
@ONE_FILE
def test_a_file_cut_anywhere_is_refused(files, tmp_path, share):
    whole = files["emotion"].read_bytes()
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(CheckpointError):
        load_adapter(cut)


@given(position=st.integers(0, 3000), byte=st.integers(0, 255))
@ONE_FILE
def test_a_changed_byte_in_the_header_never_escapes_as_another_error(
    files, tmp_path, position, byte
):
    content = bytearray(files["emotion"].read_bytes())
    header_end = 8 + int.from_bytes(content[:8], "little")
    content[position % header_end] = byte
    changed = tmp_path / "changed.safetensors"
    changed.write_bytes(content)
    with contextlib.suppress(CheckpointError):  # refused, or a change of no consequence
        load_adapter(changed)


@given(
    header=st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner),
        max_leaves=8,
    )
)
@ONE_FILE
def test_any_json_in_place_of_the_header_is_refused(tmp_path, header):
    raw = json.dumps(header).encode()
    path = tmp_path / "made_up.safetensors"
    path.write_bytes(len(raw).to_bytes(8, "little") + raw)
    with pytest.raises(CheckpointError):
        load_adapter(path)
