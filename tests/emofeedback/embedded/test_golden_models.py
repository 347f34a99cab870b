"""The shipped models read and propose what they did; `python -m tools.golden` writes it anew."""

import json
from pathlib import Path

import pytest
import torch
from tiny_lvlms import drawn_folder

from emofeedback.embedded.scorer import load_scorer
from emofeedback.lvlm.folder import load_folder
from emofeedback.reading.scorer import LvlmScorer
from tools.golden import NUMBERS, PICTURES, numbers_of, pictures_of

pytest.importorskip("transformers")


@pytest.mark.parametrize("way", ["embedded", "folder"])
def test_shipped_models_read_and_propose_as_committed(way: str, tmp_path: Path) -> None:
    if way == "embedded":
        scorer = load_scorer()
    else:
        folder = drawn_folder(tmp_path / "anything")
        scorer = LvlmScorer(load_folder(folder, dtype=torch.float32))
    found = numbers_of(scorer, pictures_of(PICTURES.read_bytes()))
    kept = json.loads(NUMBERS.read_text(encoding="utf-8"))
    for each, expected in zip(found, kept, strict=True):
        assert each.pop("read") == pytest.approx(expected.pop("read"), abs=1e-3)
        assert each == expected
