"""Load Emotion Scorer with a head on a picture encoder: found, equal to the command, refused."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from tiny_encoders import VISION, onnx_network, rated_folder, vision_folder

KIND = "picture encoder + head"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """models/emotion with heads on one and on three encoders, and what they read."""
    from emofeedback.__main__ import main

    root = tmp_path_factory.mktemp("emotion")
    rated, encoders = rated_folder(root / "rated"), root / "encoders"
    encoders.mkdir()
    specs = {
        "onnx": [f"onnx:{onnx_network(encoders / 'tiny.onnx')}?side=32&tensor=pooled"],
    }
    joined = ["embedded", f"folder:{vision_folder(encoders / 'tiny-siglip', 'siglip')}"]
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
    return pack_nodes["EmoFB_LoadEmotionScorer"]


def asked(head: str, **inputs: Any) -> dict[str, Any]:
    return {"kind": KIND, "head": f"{head}.safetensors", "encoder": "as the head says", **inputs}


def felt(readings: Any) -> torch.Tensor:
    return torch.tensor([(r.emotion.valence, r.emotion.arousal) for r in readings])


@pytest.mark.parametrize("name", ["onnx", "joined"])
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


def test_a_stock_clip_vision_reads_for_the_head_that_knows_it(made: Path, node: Any) -> None:
    import comfy.clip_vision

    from emofeedback.reading.clip_vision import clip_vision_encoder
    from emofeedback.reading.encoders import encode
    from emofeedback.reading.head_fit import fit_head
    from emofeedback.reading.heads import save_head
    from emofeedback.reading.preprocessing import probe

    torch.manual_seed(1)
    config = {**VISION, "model_type": "clip_vision_model", "hidden_act": "gelu", "num_channels": 3,
              "layer_norm_eps": 1e-5, "projection_dim": 16}  # fmt: skip
    vision = comfy.clip_vision.ClipVisionModel(config)
    with torch.no_grad():
        for weight in vision.model.parameters():
            weight.normal_(0, 0.1)
    encoder = clip_vision_encoder(vision, "tiny.safetensors", "abc")
    pictures = torch.rand(40, 24, 40, 3)
    (features,) = (part.double().numpy() for part in encode([encoder], pictures))
    known = encoder.features(probe())[0].double().numpy()
    ratings = (features[:, :2] - features[:, :2].mean(0)) * 2
    facts = {"encoders": [encoder.as_dict()]}
    themes = [str(number // 2) for number in range(40)]
    head = fit_head([features], ratings, themes, features + 9, known, facts)
    save_head(head, made / "heads" / "vision.safetensors")
    scorer = node.execute(asked("vision", clip_vision=vision)).args[0]
    found = head.emotions(torch.from_numpy(features).float()).clamp(-3, 3)
    assert (felt(scorer.score(pictures)) - found).abs().max() < 1e-4
    with pytest.raises(Exception, match=r"tiny\.safetensors.*a CLIP_VISION, at the node"):
        node.execute(asked("vision"))


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
