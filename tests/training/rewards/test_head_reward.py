"""A head as reward and as judge: the reader of the commands, with a gradient where torch reads."""

from pathlib import Path

import pytest
import torch
from tiny_encoders import head_on, onnx_network

from emofeedback.embedded.picture_encoder import open_any_encoder
from emofeedback.errors import ConfigError
from emofeedback.reading.head_scorer import open_head
from training.evaluation.options import EvaluationOptions
from training.evaluation.panel import open_panel
from training.rewards.models import build_rewards
from training.settings.reward import RewardConfig


def test_a_head_rewards_as_it_reads_and_pulls_pictures_towards_the_target(tmp_path: Path) -> None:
    path = head_on("embedded", tmp_path / "head.safetensors")
    config = RewardConfig(scorer="head", head=str(path))
    pictures = torch.full((2, 48, 48, 3), 0.4) + 0.1 * torch.rand(2, 48, 48, 3)
    readings = open_head(path, [], open_any_encoder).score(pictures)
    said = torch.tensor([(r.emotion.valence, r.emotion.arousal) for r in readings])
    plain, pulling = build_rewards(config).reader, build_rewards(config, gradient=True).reader
    assert plain is not None and pulling is not None
    torch.testing.assert_close(plain(pictures), said, atol=1e-4, rtol=0)
    judge = open_panel(EvaluationOptions(systems=("words",), head=path)).reader
    assert judge is not None
    torch.testing.assert_close(judge(pictures), said, atol=1e-4, rtol=0)
    pictures.requires_grad_()
    pulling(pictures)[:, 0].sum().backward()
    assert pictures.grad is not None and float(pictures.grad.sum()) > 0  # brighter is pleasanter


def test_what_hands_on_no_gradient_is_refused(tmp_path: Path) -> None:
    spec = f"onnx:{onnx_network(tmp_path / 'tiny.onnx')}?side=32&tensor=pooled"
    path = head_on(spec, tmp_path / "head.safetensors")
    config = RewardConfig(scorer="head", head=str(path))
    assert build_rewards(config).reader is not None
    with pytest.raises(ConfigError, match=r"tiny\.onnx, which hands on no gradient"):
        build_rewards(config, gradient=True)
    with pytest.raises(ConfigError, match=r"set reward\.head"):
        RewardConfig(scorer="head")
