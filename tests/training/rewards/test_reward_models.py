"""Rewards: golden values, PickScore and CLIPScore on a real tiny CLIP, a server that answers."""

import json
import math
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from emofeedback.errors import ConfigError, ScorerAnswerError
from training.data.prompts import Task
from training.rewards.models import (
    ClipScore,
    PickScore,
    build_rewards,
    read_by_rules,
    read_distribution,
    read_embedded,
)
from training.rewards.stack import emotion_reward
from training.rl.adapter_start import density_weights
from training.settings.config import RewardConfig

IMAGES = torch.rand(3, 24, 24, 3, generator=torch.Generator().manual_seed(1))
PROMPTS = ("a boat on the sea", "a dog", "a tree on the sea")


def test_the_emotion_reward_equals_its_formula() -> None:
    readings = torch.tensor([[1.0, -1.0], [0.5, 2.0], [float("nan"), 0.0]])
    targets = torch.tensor([[1.5, -1.2], [2.0, 2.4], [0.0, 0.0]])
    found = emotion_reward(readings, targets, form="continuous", threshold=0.525)
    assert found[:2].tolist() == pytest.approx([1 - 0.7 / 12, 1 - 1.9 / 12])
    steps = emotion_reward(readings, targets, form="threshold", threshold=0.525)
    assert steps[:2].tolist() == [1.0, 0.5]
    assert found[2].isnan() and steps[2].isnan()


def test_a_picture_between_two_emotions_is_not_taken_for_one_of_the_middle() -> None:
    sure, torn = torch.zeros(9), torch.zeros(9)
    sure[4] = 1  # the scale's middle
    torn[0] = torn[8] = 0.5
    readings = torch.stack([torch.stack([sure, sure]), torch.stack([sure, torn])])
    found = emotion_reward(readings, torch.zeros(2, 2), form="distribution", threshold=0.525)
    assert found.tolist() == pytest.approx([1.0, 0.75])


def test_the_distribution_has_the_embedded_reading_as_its_mean() -> None:
    images = torch.rand(2, 128, 128, 3, generator=torch.Generator().manual_seed(2))
    found = read_distribution(images)
    assert found.sum(-1).allclose(torch.ones(2, 2))
    assert (found @ torch.linspace(-3, 3, 9)).allclose(read_embedded(images), atol=1e-4)


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: Any) -> Path:
    from transformers import CLIPConfig, CLIPModel, CLIPProcessor
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    from emofeedback.embedded.clip import build_tokenizer

    torch.manual_seed(0)
    shared = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
              "num_attention_heads": 2, "projection_dim": 8}  # fmt: skip
    tokenizer = build_tokenizer(["a", "boat", "on", "the", "sea", "dog", "tree"])
    model = CLIPModel(
        CLIPConfig(
            projection_dim=8,
            text_config=shared | {
                "vocab_size": len(tokenizer), "max_position_embeddings": 12,
                "eos_token_id": 1, "bos_token_id": 0, "pad_token_id": 1,
            },
            vision_config=shared | {"image_size": 16, "patch_size": 8},
        )
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("clip")
    model.save_pretrained(folder)
    images = CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size=16)
    CLIPProcessor(images, tokenizer).save_pretrained(folder)
    return folder


def test_pickscore_and_clipscore_are_the_models_own_logits(clip_folder: Path) -> None:
    scorer = PickScore(clip_folder, scale=26.0)
    found = scorer(IMAGES, PROMPTS)
    model, processor = scorer.model, scorer.processor
    for index, prompt in enumerate(PROMPTS):
        picture = (IMAGES[index] * 255).round().byte().numpy()
        with torch.no_grad():
            logits = model(
                pixel_values=processor.image_processor(images=picture, return_tensors="pt")[
                    "pixel_values"
                ],
                **processor.tokenizer([prompt], return_tensors="pt", return_token_type_ids=False),
            ).logits_per_image
        assert float(found[index]) == pytest.approx(float(logits[0, 0]) / 26, abs=1e-5)
    factor = float(model.logit_scale.exp()) / 26
    wanted = (100 * found / factor).clamp_min(0)
    torch.testing.assert_close(ClipScore(clip_folder)(IMAGES, PROMPTS), wanted, atol=1e-3, rtol=0)


def test_parts_are_weighted_and_summed(clip_folder: Path) -> None:
    config = RewardConfig(
        emotion=0.5, scorer="rules", pick_score=0.25, pick_path=str(clip_folder), brightness=2.0
    )
    stack = build_rewards(config)
    tasks = [Task(prompt, (1.0, 0.0)) for prompt in PROMPTS]
    found = stack.collect(
        [stack.submit(IMAGES[:2], tasks[:2]), stack.submit(IMAGES[2:], tasks[2:])]
    )
    wanted = emotion_reward(
        read_by_rules(IMAGES), torch.tensor([[1.0, 0.0]]), form="continuous", threshold=0.5
    )
    torch.testing.assert_close(found.parts["emotion"], wanted)
    total = 0.5 * wanted + 0.25 * found.parts["pick_score"] + 2 * IMAGES.flatten(1).mean(1)
    torch.testing.assert_close(found.total, total)


def test_a_folder_without_a_clip_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no transformers CLIP in.*nothing is fetched"):
        PickScore(tmp_path)


@pytest.fixture
def server() -> Any:
    """An OpenAI-compatible endpoint: valence digit 8, arousal even between 2 and 4."""
    answers: dict[str, Any] = {"asked": 0, "mode": "good"}

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            text = body["messages"][0]["content"][0]["text"]
            answers["asked"] += 1
            digits = {"8": 0.0} if "pleasant" in text else {"2": math.log(0.5), "4": math.log(0.5)}
            told = [{"token": t, "logprob": p} for t, p in digits.items()]
            logprobs = {"content": [{"top_logprobs": told}]} if answers["mode"] == "good" else None
            content = json.dumps({"choices": [{"logprobs": logprobs}]}).encode()
            self.send_response(500 if answers["mode"] == "down" else 200)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    http = HTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{http.server_port}/v1", answers
    http.shutdown()


def test_a_servers_readings_are_expected_digits_and_its_faults_have_names(server: Any) -> None:
    url, answers = server
    config = RewardConfig(scorer="server", server=url, server_model="m", retries=2, workers=2)
    stack = build_rewards(config)
    tasks = [Task("a dog", (2.25, -1.5))] * 3
    found = stack.collect([stack.submit(IMAGES, tasks)])
    # digit 8 is 2.25, digit 3 is -1.5: exactly the target
    assert found.total.tolist() == pytest.approx([1.0] * 3)
    assert answers["asked"] == 6
    answers["mode"] = "plain"
    with pytest.raises(Exception, match="failed 2 times.*without log-probabilities"):
        stack.collect([stack.submit(1 - IMAGES, tasks)])
    answers["mode"] = "down"
    with pytest.raises(Exception, match="failed 2 times.*did not answer"):
        stack.collect([stack.submit(1 - IMAGES, tasks)])
    stack.close()


def test_a_text_without_digits_is_no_rating() -> None:
    from training.rewards.server import expected_rating

    told = [{"token": "nice", "logprob": 0.0}]
    with pytest.raises(ScorerAnswerError, match="no digit.*nice"):
        expected_rating({"choices": [{"logprobs": {"content": [{"top_logprobs": told}]}}]})


def test_rare_emotions_weigh_more_and_the_mean_stays_one() -> None:
    random = np.random.default_rng(0)
    crowd = random.normal(0, 0.4, (200, 2))
    weights = density_weights(np.concatenate([crowd, [[2.8, 2.8], [-2.5, 2.0]]]))
    assert weights.mean() == pytest.approx(1)
    assert weights[-2:].min() > 2 * np.median(weights[:200])
