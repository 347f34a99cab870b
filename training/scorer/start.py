"""The supervised start of a scorer: right answers by cross-entropy, before GRPO explores."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from emofeedback.records.emotion import Emotion, to_scale

from ..rl.processes import Processes
from ..runs.optim import Optim
from ..runs.run import Run, RunOptions, StepRandom
from ..settings.scorer import ScorerConfig
from .together import Together

IGNORED = -100


def right_answer(row: dict[str, Any]) -> str:
    """What a scorer should have written, in the form that its prompt asks for: two digits, or JSON,
    after its thoughts where they are asked for.

    Args:
        row: of the dataset: prompt, valence, arousal on [-3, 3], cues; category, else that of the
            sector.
    """
    digits = [round(to_scale(row[axis], "sam9")) for axis in ("valence", "arousal")]
    asked = row["prompt"][0]["content"][-1]["text"]
    if "JSON" not in asked:
        return ("," if "comma" in asked else "").join(str(digit) for digit in digits)
    cues = list(row["cues"] or ())
    record = {
        "valence": digits[0],
        "arousal": digits[1],
        "category": row.get("category") or Emotion(row["valence"], row["arousal"]).category,
        "cues": cues,
    }
    answer = json.dumps(record, separators=(",", ":"))
    if "<think>" not in asked:
        return answer
    seen = f"I see {', '.join(cues)}." if cues else "Nothing stands out."
    return f"<think>{seen}</think>{answer}"


def supervised_start(
    model: Any, processor: Any, rows: Sequence[dict[str, Any]], config: ScorerConfig, *, seed: int,
    lora: Any, folder: Path, among: Together | None = None,
) -> tuple[Any, list[float]]:  # fmt: skip
    """Train a LoRA on right answers and merge it.

    Args:
        rows: as `data.rows` gives them.
        lora: peft's LoraConfig.
        folder: of checkpoints; what it holds is gone on with.
        among: the processes, of which the first trains and hands its weights on; None: one alone.
    Returns: the model, and the loss of every step made by this process.
    Raises: KeyboardInterrupt
    """
    from peft import get_peft_model

    among = among or Together(Processes(), lambda: False)

    torch.manual_seed(seed)
    learner = get_peft_model(model, lora)
    parameters = [value for value in learner.parameters() if value.requires_grad]
    losses: list[float] = []

    def loss(random: StepRandom) -> tuple[Tensor, dict[str, float]]:
        if among.stopped():
            raise KeyboardInterrupt
        chosen = random.numpy.integers(len(rows), size=min(config.batch, 8))
        found = learner(**answered(processor, [rows[i] for i in chosen]).to(learner.device)).loss
        losses.append(float(found.detach()))
        return found, {}

    options = RunOptions(
        run_dir=folder, steps=config.supervised_steps, seed=seed, threads=torch.get_num_threads()
    )
    optim = Optim(
        learning_rate=config.supervised_rate, final_rate=1.0, warmup_steps=0, betas=(0.9, 0.999)
    )
    ended = False
    if among.first:
        run = Run(
            "supervised start", options, config=config,
            modules={"lora": nn.ParameterList(parameters)}, optim=optim,
        )  # fmt: skip
        try:
            run.fit(loss)
        except KeyboardInterrupt:
            ended = True
    among.leave(ended)
    among.processes.take_from_first(parameters)
    merged = learner.merge_and_unload()
    return merged.requires_grad_(True), losses


def answered(processor: Any, rows: Sequence[dict[str, Any]]) -> Any:
    """Model inputs of prompts with their right answers; labels fall on the answers only."""
    prompts = [
        processor.apply_chat_template(row["prompt"], tokenize=False, add_generation_prompt=True)
        for row in rows
    ]
    end = processor.tokenizer.eos_token
    answers = [right_answer(row) + end for row in rows]
    images = [[row["image"]()] for row in rows]
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
