"""Rewards: golden values, PickScore and CLIPScore on a real tiny CLIP, a server that answers."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fault_proxy import FaultProxy

from emofeedback.errors import ConfigError, ScorerError
from emofeedback.lvlm.server.endpoint import open_endpoint
from emofeedback.reading.scorer import LvlmScorer
from training.data.prompts import Task
from training.rewards import models
from training.rewards.models import (
    ClipScore,
    PickScore,
    build_rewards,
    read_by_rules,
    read_distribution,
    read_embedded,
)
from training.rewards.server import ServerReader
from training.rewards.stack import emotion_reward
from training.rl.adapter_start import density_weights
from training.runs.memory import reward_bytes
from training.settings.files import load_config
from training.settings.reward import RewardConfig

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


def test_reward_models_are_halved_off_the_cpu_counted_and_read_in_batches(
    clip_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, folder = ClipScore(clip_folder), str(clip_folder)
    half = build_rewards(RewardConfig(emotion=0, pick_score=1, pick_path=folder), device="meta")
    kept = list(half.pair_scores["pick_score"].model.parameters())  # type: ignore[attr-defined]
    assert {(each.device.type, each.dtype) for each in kept} == {("meta", torch.float16)}
    assert {each.dtype for each in whole.model.parameters()} == {torch.float32}
    told = load_config(None, ["reward.pick_score=1", f"reward.pick_path={folder}"])
    values = sum(each.numel() for each in kept)
    assert reward_bytes(told, torch.device("meta")) == 2 * values
    assert reward_bytes(told, torch.device("cpu")) == 4 * values
    wanted = whole(IMAGES, PROMPTS)
    monkeypatch.setattr(models, "BATCH", 2)
    torch.testing.assert_close(whole(IMAGES, PROMPTS), wanted, atol=1e-4, rtol=0)


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
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    """A server that answers valence 8, and arousal 2 or 4 alike."""
    made = FaultProxy()
    monkeypatch.setenv("EMOFEEDBACK_ALLOWED_SERVERS", f"127.0.0.1:{made.port}")
    monkeypatch.setenv("EMOFEEDBACK_API_KEY", "sk-1")
    # loopback goes through no proxy, whatever the environment says
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    arousal = {"2": math.log(0.3), "4": math.log(0.5), " 2": math.log(0.2)}
    tokens = [("8", {"8": 0.0, "7": -25.0}), (",", {",": 0.0}), ("4", arousal)]
    made.reply = reply("8,4", [_entry(token, options) for token, options in tokens])
    yield made
    made.close()


def reply(text: str, entries: list[dict[str, Any]] | None) -> dict[str, Any]:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": "stop",
        "logprobs": None if entries is None else {"content": entries},
    }
    return {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}


def _entry(token: str, options: dict[str, float]) -> dict[str, Any]:
    listed = [{"token": t, "logprob": p, "bytes": None} for t, p in options.items()]
    return {"token": token, "logprob": options[token], "bytes": None, "top_logprobs": listed}


def config_for(proxy: FaultProxy) -> RewardConfig:
    return RewardConfig(
        scorer="server", server=proxy.url, server_model="m", retries=2, workers=2, timeout_s=20
    )


def test_a_servers_readings_are_expected_digits_and_its_faults_have_names(
    proxy: FaultProxy,
) -> None:
    stack = build_rewards(config_for(proxy))
    tasks = [Task("a dog", (2.25, -1.5))] * 3
    found = stack.collect([stack.submit(IMAGES, tasks)])
    # digit 8 is 2.25, digit 3 is -1.5: exactly the target
    assert found.total.tolist() == pytest.approx([1.0] * 3, abs=1e-4)
    assert len(proxy.requests) == 3
    assert {headers["authorization"] for headers in proxy.headers} == {"Bearer sk-1"}
    proxy.reply = reply("8,4", None)
    with pytest.raises(Exception, match="failed 2 times.*without log-probabilities"):
        stack.collect([stack.submit(1 - IMAGES, tasks)])
    proxy.reply = reply("a nice picture", None)
    with pytest.raises(Exception, match="failed 2 times.*a nice picture.*instead of two digits"):
        stack.collect([stack.submit(1 - IMAGES, tasks)])
    stack.close()


def test_a_server_that_stays_away_is_waited_for_once(proxy: FaultProxy) -> None:
    config = replace(config_for(proxy), retries=3, timeout_s=0.1, patience_s=0.1)
    proxy.close()
    stack = build_rewards(config)
    with pytest.raises(ScorerError, match="'emotion' failed once: .*cannot be reached"):
        stack.collect([stack.submit(IMAGES, [Task("a dog", (2.0, -1.0))] * 3)])
    stack.close()


def test_the_reward_asks_what_the_node_asks(proxy: FaultProxy) -> None:
    ServerReader(config_for(proxy))(IMAGES[:1])
    LvlmScorer(open_endpoint(proxy.url, "m")).score(IMAGES[:1])
    by_reward, by_node = proxy.requests
    assert by_reward == by_node


def test_rare_spellings_add_to_the_common_one(proxy: FaultProxy) -> None:
    options = {"7": -0.105, "6": -2.4, "8": -4.0, " 7": -7.0}
    entries = [_entry("7", options), _entry(",", {",": 0.0}), _entry("5", {"5": -1e-4})]
    proxy.reply = reply("7,5", entries)
    assert ServerReader(config_for(proxy))(IMAGES[:1])[0].tolist() == pytest.approx(
        [1.446, 0.0], abs=2e-3
    )


def test_digits_that_the_model_hardly_wanted_are_no_reward(proxy: FaultProxy) -> None:
    first = {"<think>": -0.0001, "1": -14.2, "5": -15.0}
    entries = [_entry("1", first), _entry(",", {",": 0.0}), _entry("5", {"5": -1e-4})]
    proxy.reply = reply("1,5", entries)
    with pytest.raises(ScorerError, match="only 0% of the probability on digits"):
        ServerReader(config_for(proxy))(IMAGES[:1])


def test_a_server_that_fails_for_a_while_is_waited_for(proxy: FaultProxy) -> None:
    reader = ServerReader(config_for(proxy))
    proxy.faults.extend(["half", "broken", "busy", "broken", "busy", "broken", "busy"])
    assert reader(IMAGES[:1]).tolist()[0] == pytest.approx([2.25, -1.5], abs=1e-4)
    assert len(proxy.requests) == 8
    gap = {"token": "8", "logprob": None, "bytes": None, "top_logprobs": None}
    proxy.reply = reply("8,4", [gap, _entry(",", {",": 0.0}), gap])
    with pytest.raises(ScorerError, match="without log-probabilities"):
        reader(IMAGES[:1])


def test_a_server_that_nobody_allowed_is_not_called() -> None:
    config = RewardConfig(scorer="server", server="http://10.1.2.3:8000/v1", server_model="m")
    with pytest.raises(ConfigError, match="EMOFEEDBACK_ALLOWED_SERVERS=10.1.2.3:8000"):
        build_rewards(config)


def test_rare_emotions_weigh_more_and_the_mean_stays_one() -> None:
    random = np.random.default_rng(0)
    crowd = random.normal(0, 0.4, (200, 2))
    weights = density_weights(np.concatenate([crowd, [[2.8, 2.8], [-2.5, 2.0]]]))
    assert weights.mean() == pytest.approx(1)
    assert weights[-2:].min() > 2 * np.median(weights[:200])
