"""Heads on picture encoders: fitted with scikit-learn, read with torch alone."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_encoders import onnx_network, rated_folder, vision_folder
from tiny_lvlms import random_qwen3, random_qwen25

from emofeedback.__main__ import main
from emofeedback.embedded.examples import drawn_examples
from emofeedback.embedded.foreign import load_detector
from emofeedback.embedded.picture_encoder import embedded_encoder, open_any_encoder
from emofeedback.errors import CheckpointError, ConfigError
from emofeedback.reading.encoders import encode, open_encoder
from emofeedback.reading.head_fit import FORMS, Form, fit_form, fit_head, hold_out, kernel
from emofeedback.reading.head_scorer import HeadScorer, open_head
from emofeedback.reading.heads import Head, load_head, save_head
from emofeedback.reading.onnx_file import before_last_layer
from emofeedback.reading.outliers import outlier_pictures
from emofeedback.reading.preprocessing import Preprocessing, probe

OTHER = {"kind": "folder", "name": "other", "options": {}}
THEMES = [f"theme {number // 4}" for number in range(80)]


def made(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features [80, 24] that tell their ratings [80, 2] with some noise, and far outliers."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(80, 24))
    ratings = features[:, :2] * [1.0, 0.5] + rng.normal(0, 0.2, (80, 2))
    return features, ratings, rng.normal(6, 1, (40, 24))


def fitted(facts: dict | None = None) -> Head:
    features, ratings, outliers = made()
    return fit_head(
        [features], ratings, THEMES, outliers, features[0], facts or {"encoders": [OTHER]}
    )


@pytest.fixture(scope="module")
def head() -> Head:
    return fitted()


def test_unseen_themes_are_read_and_their_spread_is_honest() -> None:
    features, ratings, outliers = made()
    held = hold_out([features], ratings, THEMES, outliers)
    for axis in (0, 1):
        assert np.corrcoef(held.read[:, axis], ratings[:, axis])[0, 1] > 0.7
    within = (np.abs(held.read - ratings) <= held.spread).mean()
    assert 0.5 < within < 0.85
    assert held.foreign.mean() < 0.2


@pytest.mark.parametrize("form", FORMS)
def test_torch_reads_what_scikit_learn_fitted(form: Form) -> None:
    from sklearn.kernel_ridge import KernelRidge
    from sklearn.svm import SVR

    features, ratings, _ = made()
    y = ratings[:, 0]
    names = {"gamma": form.gamma, "kernel": "rbf"} if form.gamma else {"kernel": "linear"}
    model = (
        SVR(C=form.strength, epsilon=0.1, **names)
        if form.kind == "svr"
        else KernelRidge(alpha=form.strength, **names)
    )
    model.fit(features, y - y.mean())
    weight, bias = fit_form(form, kernel(features, features, form.gamma), y)
    head = Head(
        mean=torch.zeros(24), std=torch.ones(24), support=torch.from_numpy(features).float(),
        weight=torch.from_numpy(np.stack([weight] * 2)).float(), bias=torch.tensor([bias] * 2),
        gamma=torch.tensor([form.gamma] * 2), spread=torch.ones(2), probe=torch.zeros(24),
        outlier_weight=torch.zeros(25), outlier_limit=torch.ones(1), distance_limit=torch.ones(1),
        facts={},
    )  # fmt: skip
    new = made(1)[0]
    read = head.emotions(torch.from_numpy(new).float())[:, 0].numpy()
    np.testing.assert_allclose(read, model.predict(new) + y.mean(), atol=2e-2)


def test_strangers_are_known(head: Head) -> None:
    assert bool(head.foreign(torch.from_numpy(made(3)[2]).float()).all())


def test_pictures_of_the_fit_are_known_again(head: Head) -> None:
    features = torch.from_numpy(made()[0]).float()
    assert bool(head.in_sample(features * 1.0001).all())  # as 16-bit weights read them
    assert not bool(head.in_sample(torch.from_numpy(made(2)[0]).float()).any())


def test_drawn_examples_are_drawn_pictures() -> None:
    examples = drawn_examples()
    assert examples.shape == (48, 192, 192, 3)
    assert np.mean(load_detector().foreign(examples)) < 0.1


def test_a_file_reads_as_it_was_written(head: Head, tmp_path: Path) -> None:
    save_head(head, tmp_path / "head.safetensors")
    again = load_head(tmp_path / "head.safetensors")
    features = torch.from_numpy(made(2)[0]).float()
    torch.testing.assert_close(again.emotions(features), head.emotions(features))
    assert again.facts == dict(head.facts)


def test_damage_and_other_files_are_refused(head: Head, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"a": torch.ones(1)}, str(tmp_path / "other.safetensors"))
    with pytest.raises(CheckpointError, match="no head"):
        load_head(tmp_path / "other.safetensors")
    path = tmp_path / "head.safetensors"
    save_head(Head(**{**vars(head), "bias": torch.full((2,), torch.nan)}), path)
    with pytest.raises(CheckpointError, match="bias is not finite"):
        load_head(path)


def test_a_head_wants_its_own_encoder(head: Head) -> None:
    with pytest.raises(ConfigError, match="fitted on other"):
        HeadScorer([embedded_encoder()], head, "head")


def test_embedded_encoder_passes_gradients_and_fits_any_size() -> None:
    picture = torch.rand(2, 40, 60, 3, requires_grad=True)
    (features,) = encode([embedded_encoder()], picture)
    assert features.shape[0] == 2 and features.ndim == 2
    features.sum().backward()
    assert picture.grad is not None and bool(picture.grad.abs().sum() > 0)


def test_preprocessing_survives_its_file() -> None:
    given = Preprocessing(side=32, resize=40, bgr=True)
    assert Preprocessing.from_mapping(json.loads(json.dumps(given.as_dict()))) == given
    assert given.apply(probe()).shape == (1, 3, 32, 32)


@pytest.mark.parametrize(
    "spec", ["", "folder:", "onnx:no-such.onnx", "onnx:x?colours=odd", "folder:/no-such", "x:y"]
)
def test_a_wrong_encoder_is_refused_with_a_reason(spec: str) -> None:
    with pytest.raises((ConfigError, CheckpointError)):
        open_encoder(spec)


def test_bytes_that_are_no_graph_are_refused() -> None:
    with pytest.raises(ValueError, match="no linear layer"):
        before_last_layer(b"")


def test_outliers_are_pictures() -> None:
    pictures = outlier_pictures(6)
    assert pictures.shape == (6, 256, 256, 3)
    assert float(pictures.min()) >= 0 and float(pictures.max()) <= 1


@pytest.fixture
def rated(tmp_path: Path) -> Path:
    return rated_folder(tmp_path)


def seeing_folder(folder: Path, kind: str) -> Path:
    talking = {"qwen2.5-vl": random_qwen25, "qwen3-vl": random_qwen3}
    return talking[kind](folder) if kind in talking else vision_folder(folder, kind)


@pytest.mark.parametrize("kind", ["clip", "siglip", "dinov2", "qwen2.5-vl", "qwen3-vl"])
def test_a_transformers_folder_is_a_differentiable_encoder(kind: str, tmp_path: Path) -> None:
    encoder = open_encoder(f"folder:{seeing_folder(tmp_path / kind, kind)}")
    pictures = torch.rand(2, 40, 60, 3, requires_grad=True)
    features = encoder.features(pictures)
    assert features.ndim == 2 and not torch.allclose(features[0], features[1], atol=1e-4)
    torch.testing.assert_close(encoder.features(pictures[1:]), features[1:], atol=1e-4, rtol=1e-4)
    features.sum().backward()
    assert pictures.grad is not None and bool(pictures.grad.abs().sum() > 0)


def test_a_folder_that_lacks_what_sees_or_names_code_elsewhere_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = vision_folder(tmp_path / "clip", "clip")
    path, settings = folder / "model.safetensors", folder / "config.json"
    held = load_file(path)
    lost = next(name for name in held if name.startswith("vision_model"))
    save_file({n: v for n, v in held.items() if n != lost}, path, metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="lack weights of what sees: vision_model"):
        open_encoder(f"folder:{folder}")
    told = json.loads(settings.read_text()) | {"attn_implementation": "somebody/attention"}
    settings.write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(CheckpointError, match="code on a hub"):
        open_encoder(f"folder:{folder}")


def test_what_feeds_the_last_layer_of_an_onnx_file_is_read(tmp_path: Path) -> None:
    path = onnx_network(tmp_path / "tiny.onnx")
    pictures = torch.rand(3, 50, 40, 3)
    last = open_encoder(f"onnx:{path}?side=32").features(pictures)
    pooled = open_encoder(f"onnx:{path}?side=32&tensor=pooled").features(pictures)
    assert last.shape == (3, 4) and pooled.shape == (3, 8) and bool((pooled >= 0).all())


def test_fit_and_evaluate_by_command(rated: Path, caplog: pytest.LogCaptureFixture) -> None:
    out = rated / "made" / "head.safetensors"
    fit = ["fit", str(rated), "--scale", "emotion", "--encoder", "embedded", "--out", str(out)]
    with caplog.at_level("INFO"):
        assert main(fit) == 0
        assert "always mean" in caplog.text and "r of colours" in caplog.text
    kept = next(out.parent.glob("*.features-*"))
    before = kept.stat().st_mtime_ns
    assert main(fit) == 0 and kept.stat().st_mtime_ns == before  # nothing is encoded twice
    shown = rated / "shown.json"
    told = ["evaluate", "scorer", str(rated), "--scale", "emotion", "--scorer", f"head:{out}"]
    assert main([*told, "--json", str(shown)]) == 0
    rows = json.loads(shown.read_text())["readings"]
    scorer = open_head(out, [], open_any_encoder)
    from emofeedback.images import load_picture

    batch = torch.cat([load_picture(rated / row["file"]) for row in rows])
    read = [(r.emotion.valence, r.emotion.arousal) for r in scorer.score(batch)]
    np.testing.assert_allclose(read, [row["read"] for row in rows], atol=1e-4)
    assert str(rated) not in out.read_bytes().decode("latin-1")  # no path of anybody's disk


def test_a_fitted_head_is_read_without_scikit_learn() -> None:
    code = "import sys, emofeedback.reading.head_scorer; assert 'sklearn' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
