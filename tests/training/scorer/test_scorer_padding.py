"""Prompts of an update differ in length: each row is read as it is alone."""

from functools import wraps
from pathlib import Path
from typing import Any

import pytest
import torch

from training.scorer.grpo import load_scorer_model
from training.settings.scorer import ScorerConfig
from training.train import main

SMALL = (
    "steps=1", "tensorboard=false", "scorer.pictures=6", "scorer.held_out=0",
    "scorer.num_generations=2", "scorer.batch=4", "scorer.max_completion_length=3",
)  # fmt: skip
PICTURED = ("input_ids", "attention_mask", "mm_token_type_ids", "pixel_values", "image_grid_thw")


def test_a_row_that_is_padded_in_its_batch_is_read_as_it_is_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import Qwen2_5_VLModel

    plain, seen = Qwen2_5_VLModel.forward, []

    @wraps(plain)  # generate() asks which inputs there are
    def kept(model: Any, *asked: Any, **named: Any) -> Any:
        seen.append({key: named.get(key) for key in PICTURED})
        return plain(model, *asked, **named)

    with monkeypatch.context() as patch:
        patch.setattr(Qwen2_5_VLModel, "forward", kept)
        asked = ["--preset", "scorer", "--run", str(tmp_path / "run"), *SMALL]
        assert main(asked) == 0
    model = load_scorer_model(ScorerConfig())[0].eval()
    batches = [each for each in seen if each["pixel_values"] is not None]
    assert len(batches) >= 2, "by the model as it was, and as it learns"
    for batch in batches:
        mask = batch["attention_mask"].bool()
        assert len(set(mask[:, 0].tolist())) == 2, "the prompt of ratings is the shorter one"
        with torch.no_grad():
            together = model(**batch).logits
        for row, pixels in enumerate(batch["pixel_values"].chunk(len(mask))):
            ids = batch["input_ids"][row][mask[row]][None]
            places, grid = (ids == model.config.image_token_id).int(), batch["image_grid_thw"]
            one = dict(zip(PICTURED, (ids, None, places, pixels, grid[row : row + 1]), strict=True))
            with torch.no_grad():
                alone = model(**one).logits[0]
            torch.testing.assert_close(together[row][mask[row]], alone, atol=1e-4, rtol=1e-4)
