"""Scorer and judge on servers: two models measure, one is called circular in the first line."""

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from emofeedback.commands.serve import ModelServer, open_server
from emofeedback.embedded.weights import FOLDER
from emofeedback.errors import ConfigError
from emofeedback.lvlm.folder import load_folder
from emofeedback.lvlm.server.allowed import ALLOWED_VARIABLE
from training.data.prompts import Task
from training.evaluate import main
from training.evaluation.options import EvaluationOptions
from training.evaluation.panel import open_panel
from training.evaluation.systems import ReaderScorer, Sampler, check_writes, written_loop
from training.families.smoke import SmokeFamily
from training.rl.policy import Policy
from training.settings.config import ModelConfig


@pytest.fixture(scope="module")
def servers() -> Iterator[list[ModelServer]]:
    """Two servers of one model: who they are is told by their addresses."""
    lvlm = load_folder(FOLDER / "drawn_lvlm", dtype=torch.float32)
    made = [open_server(lvlm, 0) for _ in range(2)]
    for server in made:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    with pytest.MonkeyPatch.context() as patch:
        ports = ",".join(f"127.0.0.1:{server.server_address[1]}" for server in made)
        patch.setenv(ALLOWED_VARIABLE, ports)
        yield made
    for server in made:
        server.shutdown()
        server.server_close()


def options(servers: list[ModelServer], **who: int) -> EvaluationOptions:
    """Which server is who, by its number."""
    given = {f"{name}_server": servers[number].url for name, number in who.items()}
    models = {f"{name}_model": servers[number].model for name, number in who.items()}
    common = {"server_server": "server", "server_model": "server_model"}
    named = {common.get(key, key): value for key, value in (given | models).items()}
    return EvaluationOptions(systems=("adapter",), model="some/folder", **named)


def test_one_model_that_chooses_and_judges_is_called_circular(servers: list[ModelServer]) -> None:
    apart = open_panel(options(servers, scorer=0, judge=1))
    assert not apart.circular and apart.told().startswith("Chosen and refined by")
    assert apart.scorer.name in apart.told() and apart.judge in apart.told()
    assert "refine" in apart.scorer.abilities
    for who in ({"server": 0}, {"scorer": 1, "judge": 1}, {"judge": 0}, {"server": 0, "judge": 0}):
        found = open_panel(options(servers, **who))
        assert found.circular and found.told().startswith("**circular**"), who
    assert not open_panel(options(servers, server=0, judge=1)).circular
    with pytest.raises(ConfigError, match="No model is named for"):
        open_panel(EvaluationOptions(systems=("adapter",), judge_server=servers[0].url))


def test_the_report_says_who_judged(
    servers: list[ModelServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.path", ["", *sys.path])
    scorer, judge = servers
    code = main([
        "adapter", "best-of-n", "--model", "smoke", "--num-prompts", "1", "--levels", "2",
        "--sweeps", "0", "--pictures", "2", "--steps", "2", "--out", str(tmp_path),
        "--scorer-server", scorer.url, "--scorer-model", scorer.model,
        "--judge-server", judge.url, "--judge-model", judge.model,
    ])  # fmt: skip
    assert code == 0
    first = (tmp_path / "report.md").read_text().splitlines()[0]
    record = json.loads((tmp_path / "report.json").read_text())
    assert str(scorer.server_address[1]) in record["scorer"] and record["scorer"] in first
    assert str(judge.server_address[1]) in record["judge"] and record["judge"] in first
    assert record["circular"] is False and record["world"] == {}


def test_the_served_scorer_explains_and_rewrites_in_the_loop(servers: list[ModelServer]) -> None:
    panel = open_panel(options(servers, scorer=0, judge=1))
    policy = Policy(SmokeFamily(), ModelConfig(lora_rank=1, lora_alpha=1))
    sampler = Sampler(steps=2, num_pictures=2, candidates=1)
    task = Task("a boat on the sea", (2.0, -1.0))
    made = written_loop(policy, [task], sampler, panel.scorer)
    assert made.pictures_per_task == 2 and len(made.images) == 1
    with pytest.raises(ConfigError, match="loop-lvlm needs a scorer that writes"):
        check_writes(ReaderScorer(lambda images: images))
