"""Embeddings of prompts come back from files bit for bit, by encoder and prompt."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_pipelines import PIPELINES

from training.families.pipelines import load_folder
from training.rl.policy import Policy
from training.settings.config import ModelConfig

PROMPTS = ("a boat on the sea", "")


def test_a_second_start_encodes_nothing_and_has_the_same_bits(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    torch.manual_seed(1)
    PIPELINES["sd3.5"]().save_pretrained(tmp_path / "model")
    asked: list[str] = []

    def policy(kept: Path | None, *, other: bool = False) -> Policy:
        family = load_folder(tmp_path / "model", size=16, dtype=torch.float32, device="cpu")
        if other:
            next(family.pipeline.text_encoder_2.parameters()).data[0, 0] += 0.01
        encode: Any = family.encode
        family.encode = lambda prompts: (asked.extend(prompts), encode(prompts))[1]
        return Policy(family, ModelConfig(lora_rank=2), kept=kept)

    def equal(made: Policy) -> bool:
        found = made.words(PROMPTS)
        return all(torch.equal(a, b) for a, b in zip(found, plain, strict=True))

    plain = policy(None).words(PROMPTS)
    kept = tmp_path / "prompts"
    assert equal(policy(kept)) and len(asked) == 4
    assert equal(policy(kept)) and len(asked) == 4
    files = sorted(kept.iterdir())
    assert len(files) == 2
    files[0].write_bytes(files[0].read_bytes()[:-9])
    assert equal(policy(kept)) and len(asked) == 5
    assert f"{files[0]} is damaged" in caplog.text
    assert equal(policy(kept)) and len(asked) == 5  # it was written anew
    policy(kept, other=True).words(PROMPTS)
    assert len(asked) == 7
