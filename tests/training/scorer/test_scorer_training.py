"""Stage `scorer` by the command line: the embedded model, its folder, a tiny random Qwen3-VL."""

import json
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny_lvlms import random_qwen25

from emofeedback.embedded.scorer import load_lvlm
from emofeedback.embedded.weights import FOLDER
from emofeedback.errors import CheckpointError, ConfigError, ImageError, MissingDependencyError
from emofeedback.lvlm.base import PROMPT_SETS, PromptSet
from emofeedback.lvlm.folder import folder_settings
from emofeedback.lvlm.prompts import load_prompt
from emofeedback.lvlm.ratings import plain_rating
from emofeedback.records.emotion import Emotion
from training.rl.processes import Processes
from training.scorer.data import drawn_examples, read_examples, rows, streamed
from training.scorer.grpo import load_scorer_model, lora_of, merged_whole
from training.scorer.measure import first_gaps, held_out_examples
from training.scorer.rewards import format_reward, read_answer
from training.scorer.start import answered, right_answer, supervised_start
from training.scorer.together import Together
from training.settings.scorer import ScorerConfig
from training.train import main

SMALL = (
    "steps=1", "tensorboard=false", "scorer.pictures=6", "scorer.held_out=4",
    "scorer.num_generations=2", "scorer.batch=2", "scorer.max_completion_length=3",
    "scorer.learning_rate=0.01", "minutes=60",
)  # fmt: skip


@pytest.fixture
def ratings(tmp_path: Path) -> Path:
    """Ten rated pictures as JSON lines."""
    lines = []
    for index, valence in enumerate((2.0, -2.0) * 5):
        Image.new("RGB", (128, 120 + index), (20 * index, 80, 90)).save(tmp_path / f"{index}.png")
        lines.append({"image": f"{index}.png", "valence": valence, "arousal": 1.0})
    path = tmp_path / "ratings.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    return path


def qwen3(folder: Path) -> Path:
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import (
        Qwen2VLImageProcessorPil,
    )
    from transformers.models.qwen3_vl.processing_qwen3_vl import Qwen3VLProcessor
    from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor

    tokenizer = load_lvlm().processor.tokenizer
    ids = tokenizer.convert_tokens_to_ids
    torch.manual_seed(0)
    Qwen3VLForConditionalGeneration(
        Qwen3VLConfig(
            text_config={
                "vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 32,
                "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
                "head_dim": 16, "rope_parameters": {
                    "rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 2, 2],
                },
                "pad_token_id": tokenizer.pad_token_id,
            },
            vision_config={
                "depth": 1, "hidden_size": 32, "intermediate_size": 32, "num_heads": 2,
                "out_hidden_size": 32, "patch_size": 16, "spatial_merge_size": 2,
                "temporal_patch_size": 2, "num_position_embeddings": 64,
                "deepstack_visual_indexes": [0],
            },
            image_token_id=ids("<|image_pad|>"), video_token_id=ids("<|video_pad|>"),
            vision_start_token_id=ids("<|vision_start|>"),
            vision_end_token_id=ids("<|vision_end|>"),
        )
    ).save_pretrained(folder)  # fmt: skip
    images = Qwen2VLImageProcessorPil(
        patch_size=16, merge_size=2, temporal_patch_size=2,
        size={"shortest_edge": 64 * 64, "longest_edge": 64 * 64},
    )  # fmt: skip
    Qwen3VLProcessor(
        images, tokenizer, Qwen3VLVideoProcessor(patch_size=16, merge_size=2),
        chat_template=tokenizer.chat_template,
    ).save_pretrained(folder)  # fmt: skip
    return folder


@pytest.mark.parametrize("kind", ["embedded", "qwen2.5", "qwen3"])
def test_one_step_by_the_command_line_leaves_a_model_that_loads(
    kind: str, ratings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoModelForImageTextToText

    monkeypatch.setattr("sys.path", ["", *sys.path])
    run, extra = tmp_path / "run", []
    if kind != "embedded":
        path = FOLDER / "drawn_lvlm" if kind == "qwen2.5" else qwen3(tmp_path / "qwen3")
        extra = [f"scorer.path={path}", f"scorer.data={ratings}"]
    assert main(["--preset", "scorer", "--run", str(run), *SMALL, *extra]) == 0
    trained: Any = AutoModelForImageTextToText.from_pretrained(run / "scorer")
    assert not any("lora" in name for name, _ in trained.named_parameters())
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log if "reward" in line] == [1]
    table = json.loads((run / "table.json").read_text())
    assert table["pictures"] == (4 if kind == "embedded" else 2)  # a fifth of the rated ones
    assert table["mae_before"] > 0
    taught = "viewer_v1" if kind == "qwen3" else "drawn_v1"
    assert folder_settings(run / "scorer")["prompts"] == taught  # what it will be asked with
    if kind == "embedded":
        assert load_lvlm(run / "scorer").processor.side == load_lvlm().processor.side


def test_a_run_starts_from_what_another_left(tmp_path: Path) -> None:
    weights = tmp_path / "earlier"
    shutil.copytree(FOLDER / "drawn_lvlm", weights)
    state = load_file(weights / "model.safetensors")
    name = next(n for n in state if n.endswith("q_proj.weight"))
    save_file(state | {name: state[name] + 1}, weights / "model.safetensors", {"format": "pt"})
    theirs = load_scorer_model(ScorerConfig(start=str(weights)))[0].state_dict()
    shipped = load_scorer_model(ScorerConfig())[0].state_dict()
    assert [n for n in shipped if not torch.equal(shipped[n], theirs[n])] == [name]
    with pytest.raises(ConfigError, match=r"scorer.path is 'b' and scorer.start 'a'"):
        ScorerConfig(start="a", path="b")


def test_pictures_that_are_measured_are_never_trained_on(ratings: Path) -> None:
    config = ScorerConfig(data=str(ratings))
    examples = read_examples(config, seed=0)
    trained, measured = held_out_examples(examples, config, seed=3)
    assert len(measured) == 2
    assert sorted(map(id, trained + measured)) == sorted(map(id, examples))
    assert held_out_examples(examples, config, seed=3)[1] == measured
    assert held_out_examples(examples[:4], config, seed=3) == (examples[:4], [])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"image": "0.png", "valence": 9, "arousal": 0}', "Line 1.*valence is 9"),
        ('{"image": "gone.png", "valence": 1, "arousal": 0}', "Line 1.*gone.png"),
        ("", "is empty"),
    ],
)
def test_rated_pictures_are_checked_line_by_line(ratings: Path, line: str, message: str) -> None:
    ratings.write_text(line, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        read_examples(ScorerConfig(data=str(ratings)), seed=0)


def test_what_was_found_before_the_training_is_measured_once(tmp_path: Path) -> None:
    found = [np.array([[0.5, 1.0]])]
    alone = Together(Processes(), lambda: False)
    gaps = [first_gaps(tmp_path, alone, found.pop).tolist() for _ in range(2)]
    assert gaps[0] == gaps[1]


def test_a_picture_is_opened_when_its_row_is_asked_for(ratings: Path) -> None:
    config = ScorerConfig(data=str(ratings))
    examples = read_examples(config, seed=0)
    dataset = streamed(rows(examples, config))
    assert all(not isinstance(kept, dict) for kept in dataset.data["image"].to_pylist())
    ratings.with_name("1.png").unlink()
    assert np.array_equal(dataset.select([2])[0]["image"], examples[2].image)
    with pytest.raises(ImageError, match=r"1\.png"):
        dataset[1]


def test_cues_of_a_table_are_names_and_not_letters(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    table = tmp_path / "ratings.csv"
    table.write_text(
        'image,valence,arousal,cues,category\na.png,1,1,"warm light; dark sky", Awe\na.png,1,1,,\n',
        encoding="utf-8",
    )
    config = ScorerConfig(data=str(table))
    found = read_examples(config, seed=0)
    assert [each.cues for each in found] == [("warm light", "dark sky"), None]
    asked = rows(found, config)  # a row without a category has that of its sector
    assert [row["category"] for row in asked] == ["awe", Emotion(1, 1).category]
    assert '"category":"awe"' in right_answer(
        asked[0] | {"prompt": rows(found * 2, config)[1]["prompt"]}
    )


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("tokenizer.json", "tokenizer.json is missing"),
        ("preprocessor_config.json", "image processor"),
        ("end", "model.safetensors"),
        ("family", "family 'llava'.*trains Qwen2.5-VL"),
        ("code", "code on a hub"),
    ],
)
def test_a_folder_that_cannot_be_trained_is_refused_as_it_is_read(
    gone: str, said: str, tmp_path: Path
) -> None:
    folder = random_qwen25(tmp_path / "model")
    weights, config = folder / "model.safetensors", folder / "config.json"
    if gone == "end":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif gone == "family":
        llava().save_pretrained(folder)
    elif gone == "code":
        settings = json.loads(config.read_text("utf-8"))
        config.write_text(json.dumps(settings | {"attn_implementation": "some/kernel"}))
    else:
        (folder / gone).unlink()
    with pytest.raises((ConfigError, CheckpointError), match=said):
        load_scorer_model(ScorerConfig(path=str(folder)))


def test_the_lora_of_four_bits_is_merged_into_the_weights_as_they_are(tmp_path: Path) -> None:
    from peft import get_peft_model

    config = ScorerConfig(path=str(random_qwen25(tmp_path / "model")))
    lora = lora_of(config)
    learner = get_peft_model(load_scorer_model(config)[0], lora)
    for name, value in learner.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(value)
    found = merged_whole(learner, config, lora).state_dict()
    wanted = learner.merge_and_unload().state_dict()
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_four_bits_are_for_models_of_your_own() -> None:
    with pytest.raises(ConfigError, match="four bits are for a model of your own"):
        ScorerConfig(four_bit=True)
    with pytest.raises(ConfigError, match="takes whole weights only"):
        ScorerConfig(four_bit=True, path="DIR", trl={"use_vllm": True})


@pytest.mark.skipif(find_spec("bitsandbytes") is not None, reason="bitsandbytes is there")
def test_four_bits_need_a_package_that_is_named() -> None:
    with pytest.raises(MissingDependencyError, match=r"pip install -e \.\[qlora\]"):
        load_scorer_model(ScorerConfig(four_bit=True, path="DIR"))


@pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="needs bitsandbytes")
def test_a_model_in_four_bits_learns_and_is_written_whole(ratings: Path, tmp_path: Path) -> None:
    start, run = FOLDER / "drawn_lvlm", tmp_path / "run"
    extra = [f"scorer.path={start}", f"scorer.data={ratings}", "scorer.four_bit=true"]
    assert main(["--preset", "scorer", "--run", str(run), *SMALL, *extra]) == 0
    ours, theirs = (load_file(each / "model.safetensors") for each in (run / "scorer", start))
    assert ours.keys() == theirs.keys()
    assert {name for name in ours if not torch.equal(ours[name], theirs[name])} <= {
        name for name in ours if "language_model" in name and "proj" in name
    }
    assert json.loads((run / "table.json").read_text())["pictures"] == 2


def llava() -> Any:
    from transformers import (
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
    )

    shared = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2}
    return LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=CLIPVisionConfig(num_hidden_layers=2, image_size=32, **shared),
            text_config=LlamaConfig(vocab_size=64, num_hidden_layers=1, **shared),
            image_token_index=5,
        )
    )


def test_the_supervised_start_learns_the_right_answers_and_nothing_of_the_prompts(
    tmp_path: Path,
) -> None:
    from peft import LoraConfig

    config = ScorerConfig(
        pictures=2, supervised_steps=5, supervised_rate=5e-3, num_generations=2, batch=2
    )
    model, processor = load_scorer_model(config)
    asked = rows(drawn_examples(2, seed=0, split="train"), config)
    inputs = answered(processor, asked)
    for row, ids, labels in zip(asked, inputs["input_ids"], inputs["labels"]):
        taught = processor.tokenizer.decode(ids[labels != -100])
        assert taught == right_answer(row) + processor.tokenizer.eos_token
        told = read_answer(right_answer(row)).emotion
        assert told.gap_from(Emotion(row["valence"], row["arousal"])).size < 0.6
    lora = LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"])
    trained, losses = supervised_start(
        model, processor, asked, config, seed=0, lora=lora, folder=tmp_path
    )
    assert losses[-1] < losses[0]
    assert not any("lora" in name for name, _ in trained.named_parameters())


@pytest.mark.parametrize("prompts", PROMPT_SETS.values(), ids=lambda prompts: prompts.name)
def test_right_answers_read_back_in_every_form(prompts: PromptSet) -> None:
    for question in (prompts.digits, prompts.explain):
        row = {
            "prompt": [{"content": [{"text": load_prompt(question)}]}],
            "valence": 1.5, "arousal": -1.5, "cues": ["warm light"],
        }  # fmt: skip
        text = right_answer(row)
        read = read_answer(text)
        assert (read.emotion.valence, read.emotion.arousal) == (1.5, -1.5)
        assert format_reward([text]) == [1.0]
        assert ("<think>" in text) == (question == "viewer_explain_v1")
        if question == prompts.explain:
            assert read.cues == ("warm light",)
        else:
            assert plain_rating(text, adjoining=prompts.filled) == (7, 3)
