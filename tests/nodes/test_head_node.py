"""Load Emotion Scorer with a head on a picture encoder: found, equal to the command, refused."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from tiny_encoders import onnx_network, rated_folder, vision_folder
from tiny_lvlms import random_qwen3

KIND = "picture encoder + head"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """models/emotion with heads on one and on three encoders and on a language model's tower, and
    what they read."""
    from emofeedback.__main__ import main

    root = tmp_path_factory.mktemp("emotion")
    rated, encoders = rated_folder(root / "rated"), root / "encoders"
    encoders.mkdir()
    specs = {
        "onnx": [f"onnx:{onnx_network(encoders / 'tiny.onnx')}?side=32&tensor=pooled"],
    }
    joined = ["embedded", f"folder:{vision_folder(encoders / 'tiny-siglip', 'siglip')}"]
    specs["talking"] = [f"folder:{random_qwen3(root / 'lvlm' / 'tiny-qwen')}"]
    specs["joined"] = [*joined, *specs["onnx"]]
    for name, lines in specs.items():
        head = root / "heads" / f"{name}.safetensors"
        asked = [word for line in lines for word in ("--encoder", line)]
        assert main(["fit", str(rated), "--scale", "emotion", *asked, "--out", str(head)]) == 0
        told = ["--scorer", f"head:{head}", *asked, "--json", str(root / f"{name}.json")]
        assert main(["evaluate", "scorer", str(rated), "--scale", "emotion", *told]) == 0
    return root


@pytest.fixture
def node(
    made: Path, comfyui: ModuleType, pack_nodes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Any:
    import folder_paths

    place = ([str(made)], {".safetensors"})
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "emotion", place)
    talking = ([str(made / "lvlm")], set())
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "lvlm", talking)
    return pack_nodes["EmoFB_LoadEmotionScorer"]


def asked(head: str, **inputs: Any) -> dict[str, Any]:
    return {"kind": KIND, "head": f"{head}.safetensors", "encoder": "as the head says", **inputs}


def felt(readings: Any) -> torch.Tensor:
    return torch.tensor([(r.emotion.valence, r.emotion.arousal) for r in readings])


@pytest.mark.parametrize("name", ["onnx", "joined", "talking"])
def test_a_batch_reads_as_the_command_did(name: str, made: Path, node: Any) -> None:
    from emofeedback.images import load_picture

    scorer = node.execute(asked(name)).args[0]
    rows = json.loads((made / f"{name}.json").read_text())["readings"]
    batch = torch.cat([load_picture(made / "rated" / row["file"]) for row in rows])
    readings = scorer.score(batch)
    assert (felt(readings) - torch.tensor([row["read"] for row in rows])).abs().max() < 1e-4
    assert not readings[0].cues


def test_an_encoder_is_chosen_by_name_and_a_wrong_one_refused(made: Path, node: Any) -> None:
    (made / "encoders" / "renamed.onnx").write_bytes((made / "encoders" / "tiny.onnx").read_bytes())
    chosen = node.execute(asked("onnx", encoder="renamed.onnx")).args[0]
    pictures = torch.rand(2, 40, 40, 3)
    plain = node.execute(asked("onnx")).args[0].score(pictures)
    assert torch.equal(felt(chosen.score(pictures)), felt(plain))
    with pytest.raises(Exception, match=r"fitted on tiny\.onnx, but the encoder is drawn_clip"):
        node.execute(asked("onnx", encoder="embedded"))
    assert "no head 'gone.safetensors'" in node.validate_inputs(kind=asked("gone"))
    assert node.validate_inputs(kind=asked("onnx")) is True


CLIP_L = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 2,
          "image_size": 56, "projection_dim": 16}  # fmt: skip
SIGLIP = {"num_hidden_layers": 2, "intermediate_size": 32, "image_size": 54, "patch_size": 2}


def vision_file(
    folder: Path, path: Path, monkeypatch: pytest.MonkeyPatch, sizes: str, small: dict[str, int]
) -> None:
    """A vision tower as its files are, key by key, but smaller.

    ComfyUI's loader knows it by its keys; the sizes stand in a file beside the loader, of which
    it finds a smaller one in `folder`.
    """
    import comfy.clip_vision
    import comfy.ops
    from comfy.clip_model import CLIPVisionModelProjection
    from safetensors.torch import save_file

    beside = Path(comfy.clip_vision.__file__).with_name(sizes)
    config = {**json.loads(beside.read_text()), **small}
    (folder / beside.name).write_text(json.dumps(config), encoding="utf-8")
    monkeypatch.setattr(comfy.clip_vision, "__file__", str(folder / "clip_vision.py"))
    tower = CLIPVisionModelProjection(config, torch.float32, "cpu", comfy.ops.disable_weight_init)
    draw = torch.Generator().manual_seed(1)
    tensors = {
        name: torch.randn(value.shape, generator=draw) * 0.1 + ("norm" in name and "weight" in name)
        for name, value in tower.state_dict().items()
        if value.is_floating_point()
    }
    layer = "vision_model.encoder.layers.{}.layer_norm1.weight"
    tensors.setdefault(layer.format(22), tensors[layer.format(0)].clone())  # tells how deep it is
    save_file(tensors, path)


def test_a_stock_clip_vision_reads_for_the_head_as_the_command_did(
    made: Path, node: Any, comfyui: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import folder_paths

    from emofeedback.__main__ import main
    from emofeedback.images import load_picture

    models = tmp_path / "clip_vision"
    models.mkdir()
    path = models / "clip_l_small.safetensors"
    vision_file(tmp_path, path, monkeypatch, "clip_vision_config_vitl.json", CLIP_L)
    places = ([str(models)], {".safetensors"})
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "clip_vision", places)
    rated, head = made / "rated", made / "heads" / "vision.safetensors"
    spec = ["--scale", "emotion", "--encoder", f"clip_vision:{path}"]
    assert main(["fit", str(rated), *spec, "--out", str(head)]) == 0
    told = ["--scorer", f"head:{head}", "--json", str(tmp_path / "read.json")]
    assert main(["evaluate", "scorer", str(rated), *spec, *told]) == 0
    rows = json.loads((tmp_path / "read.json").read_text())["readings"]
    batch = torch.cat([load_picture(rated / row["file"]) for row in rows])
    commanded = torch.tensor([row["read"] for row in rows])
    assert float(commanded.std()) > 0.1, "the head answers one thing to all"
    (stock,) = comfyui.CLIPVisionLoader().load_clip(path.name)
    handed = node.execute(asked("vision", clip_vision=stock)).args[0].score(batch)
    found = node.execute(asked("vision")).args[0].score(batch)
    for readings in (handed, found):
        assert (felt(readings) - commanded).abs().max() < 1e-4
    path.unlink()
    with pytest.raises(Exception, match=r"clip_l_small\.safetensors.*a CLIP_VISION, at the node"):
        node.execute(asked("vision"))


def test_a_stock_siglip_gives_one_row_a_picture_not_one_a_patch(
    comfyui: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import folder_paths

    from emofeedback.embedded.picture_encoder import open_any_encoder
    from emofeedback.reading.clip_vision import clip_vision_encoder

    path = tmp_path / "siglip.safetensors"
    vision_file(tmp_path, path, monkeypatch, "clip_vision_siglip_384.json", SIGLIP)
    places = ([str(tmp_path)], {".safetensors"})
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "clip_vision", places)
    (stock,) = comfyui.CLIPVisionLoader().load_clip(path.name)
    assert stock.model_type == "siglip_vision_model"
    pictures = torch.rand(2, 40, 60, 3)
    features = clip_vision_encoder(stock, path.name).features(pictures)
    assert features.shape == (2, 1152) and not torch.allclose(features[0], features[1], atol=1e-3)
    torch.testing.assert_close(open_any_encoder(f"clip_vision:{path}").features(pictures), features)


def test_a_second_opinion_shows_how_far_it_differs_and_the_rules_refine(
    node: Any, pack_nodes: dict[str, Any]
) -> None:
    head = node.execute(asked("joined")).args[0]
    embedded = node.execute({"kind": "embedded"}).args[0]
    both = node.execute({"kind": "two scorers", "first": embedded, "second": head}).args[0]
    pictures = torch.rand(3, 48, 48, 3)
    readings, text = pack_nodes["EmoFB_ScoreEmotion"].execute(pictures, both).args
    gaps = (felt(embedded.score(pictures)) - felt(head.score(pictures))).norm(dim=1)
    told = ["disagree" in " ".join(reading.warnings) for reading in readings]
    assert told == (gaps > 1).tolist() and ("disagree" in text) == any(told)
    target = pack_nodes["EmoFB_EmotionTarget"].execute(2.0, -1.0, "custom").args[0]
    refine = pack_nodes["EmoFB_RefinePrompt"].execute
    asked_head = refine("a boat on the sea", pictures, readings, target, head).args
    assert asked_head == refine("a boat on the sea", pictures, readings, target).args
