"""The engines' config files that ship are ones that accelerate and DeepSpeed can read."""

import json
from pathlib import Path

import pytest
from accelerate.commands.config import load_config_from_file

import training

ENGINES = Path(training.__file__).parent / "engines"
KINDS = {
    "one_gpu": ("NO", 1), "eight_gpus": ("MULTI_GPU", 8), "two_nodes": ("MULTI_GPU", 16),
    "fsdp2": ("FSDP", 8), "zero2": ("DEEPSPEED", 8), "zero3_offload": ("DEEPSPEED", 8),
}  # fmt: skip


def test_every_engine_is_the_one_that_its_name_says() -> None:
    assert {path.stem for path in ENGINES.glob("*.yaml")} == set(KINDS)
    for name, (kind, count) in KINDS.items():
        config = load_config_from_file(str(ENGINES / f"{name}.yaml"))  # refuses unknown keys
        assert (config.distributed_type, config.num_processes) == (kind, count)
        assert config.mixed_precision in (None, "no")
        if kind == "FSDP":
            assert config.fsdp_config["fsdp_version"] == 2


@pytest.mark.parametrize("name", ["zero2", "zero3_offload"])
def test_deepspeeds_files_fit_its_schema(name: str) -> None:
    found = json.loads((ENGINES / f"{name}.json").read_text("utf-8"))
    assert found["gradient_accumulation_steps"] == 1  # optim.micro_batch is ours
    schema = pytest.importorskip("deepspeed.runtime.config")
    assert schema.DeepSpeedConfig(found).zero_config.stage == found["zero_optimization"]["stage"]
