"""The supervised start of a scorer: right answers by cross-entropy, before GRPO explores."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emofeedback.records.emotion import Emotion, to_scale

IGNORED = -100


def right_answer(row: dict[str, Any]) -> str:
    """What a scorer should have written, in the form that its prompt asks for: two digits, or JSON,
    after its thoughts where they are asked for.

    Args:
        row: of the dataset: prompt, valence, arousal on [-3, 3], cues.
    """
    digits = [round(to_scale(row[axis], "sam9")) for axis in ("valence", "arousal")]
    asked = row["prompt"][0]["content"][-1]["text"]
    if "JSON" not in asked:
        return ("," if "comma" in asked else "").join(str(digit) for digit in digits)
    cues = list(row["cues"] or ())
    record = {
        "valence": digits[0],
        "arousal": digits[1],
        "category": Emotion(row["valence"], row["arousal"]).category,
        "cues": cues,
    }
    answer = json.dumps(record, separators=(",", ":"))
    if "<think>" not in asked:
        return answer
    seen = f"I see {', '.join(cues)}." if cues else "Nothing stands out."
    return f"<think>{seen}</think>{answer}"


def supervised_start(
    model: Any, processor: Any, rows: Sequence[dict[str, Any]], *, steps: int, rate: float,
    batch: int, seed: int, lora: Any,
) -> tuple[Any, list[float]]:  # fmt: skip
    """Train a LoRA on right answers and merge it.

    Args:
        rows: of the dataset, as TRL gets them.
        lora: peft's LoraConfig.
    Returns: the model, and the loss of every step.
    """
    from peft import get_peft_model
    from tqdm import tqdm

    trained = get_peft_model(model, lora)
    parameters = [value for value in trained.parameters() if value.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=rate)
    random, losses = np.random.default_rng(seed), []
    for _ in tqdm(range(steps), desc="supervised start"):
        chosen = [rows[index] for index in random.integers(len(rows), size=batch)]
        inputs = answered(processor, chosen).to(trained.device)
        loss = trained(**inputs).loss
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        losses.append(float(loss.detach()))
    merged = trained.merge_and_unload()
    return merged.requires_grad_(True), losses


def answered(processor: Any, rows: Sequence[dict[str, Any]]) -> Any:
    """Model inputs of prompts with their right answers; labels fall on the answers only."""
    prompts = [
        processor.apply_chat_template(row["prompt"], tokenize=False, add_generation_prompt=True)
        for row in rows
    ]
    end = processor.tokenizer.eos_token
    answers = [right_answer(row) + end for row in rows]
    images = [[row["image"]] for row in rows]
    side, processor.tokenizer.padding_side = processor.tokenizer.padding_side, "right"
    try:
        texts = [prompt + answer for prompt, answer in zip(prompts, answers, strict=True)]
        inputs = processor(text=texts, images=images, padding=True, return_tensors="pt")
        alone = processor(text=prompts, images=images, padding=True, return_tensors="pt")
    finally:
        processor.tokenizer.padding_side = side
    inputs["labels"] = _labels(inputs, alone["attention_mask"].sum(1))
    return inputs


def _labels(inputs: Any, prompt_lengths: Tensor) -> Tensor:
    places = torch.arange(inputs["input_ids"].shape[1])
    hidden = (places < prompt_lengths[:, None]) | (inputs["attention_mask"] == 0)
    result: Tensor = inputs["input_ids"].masked_fill(hidden, IGNORED)
    return result
