"""Settings: presets that hold, overrides that are typed, and refusals that name the way out."""

import contextlib
import json
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emofeedback.errors import CheckpointError, ConfigError
from training.data.prompt_files import read_lines
from training.data.prompts import draw_tasks, load_prompts, read_targets
from training.families.choose import family_of_file, load_family
from training.runs.stages import find_run, new_folder, read_config
from training.settings.config import TrainConfig
from training.settings.files import (
    config_yaml,
    differences,
    load_config,
    preset_names,
    preset_path,
)
from training.train import main, parser


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_loads_and_comes_back_from_its_own_dump(name: str, tmp_path: Path) -> None:
    needs = ["reward.pick_path=x", "reward.server=http://x", "reward.server_model=y"]
    config = load_config(preset_path(name), needs)
    stored = tmp_path / "config.yaml"
    stored.write_text(config_yaml(config), encoding="utf-8")
    assert load_config(stored) == config
    assert preset_path(name).read_text(encoding="utf-8").startswith("# ")


def test_the_named_presets_are_there() -> None:
    assert {"paper", "fast", "nft", "awm", "dppo", "dance", "tiny", "tiny-long", "smoke"} <= set(
        preset_names()
    )


def test_settings_may_stand_before_and_after_options(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.path", ["", *sys.path])
    assert main(["steps=7", "--preset", "smoke", "seed=3", "--print-config", "threads=1"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert {"steps: 7", "seed: 3", "threads: 1"} <= set(printed)


def test_printed_settings_are_a_config_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.path", ["", *sys.path])
    assert main(["--preset", "scorer-long", "scorer.batch=32", "--print-config"]) == 0
    file = tmp_path / "mine.yaml"
    file.write_text(capsys.readouterr().out)
    assert load_config(file) == load_config(preset_path("scorer-long"), ["scorer.batch=32"])


def test_overrides_reach_their_field_with_its_type() -> None:
    config = load_config(None, ["rollout.group_size=16", "loss.kind=guard", "rollout.eta=0.5"])
    assert (config.rollout.group_size, config.loss.kind, config.rollout.eta) == (16, "guard", 0.5)
    assert differences(config, TrainConfig()) == [
        "rollout.group_size", "rollout.eta", "loss.kind",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "rollout.grup_size=4",
            "no setting 'rollout.grup_size'. Did you mean 'rollout.group_size'",
        ),
        ("group_size=4", "Did you mean 'rollout.group_size'"),
        ("rollout.group_size=many", "rollout.group_size"),
        ("rollout.group_size=1", "rollout.group_size is 1, but a group needs peers"),
        ("rollout.window=9", "rollout.window is 9.*first 5 of 10"),
        ("rollout.eta=nan", "rollout.eta is nan"),
        ("rollout.dynamics=csp", "rollout.dynamics is 'csp'. Known: cps, flow_sde, ddim, dance"),
        ("loss.kind=gaurd", "Known: clip, guard, dppo, nft, awm"),
        ("reward.pick_score=1", "set reward.pick_path"),
        ("reward.scorer=server", "set reward.server"),
        ("reward.emotion=0", "Every reward weight is 0"),
        ("optim.updates=7", "does not divide the 8 pictures of a group"),
        ("stage=generate", "stage is 'generate'"),
        ("rollout", "has no '='"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_its_name(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(None, [override])


def test_an_unreadable_file_and_an_unknown_preset_are_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("steps: [1", encoding="utf-8")
    with pytest.raises(ConfigError, match="no readable YAML"):
        load_config(broken)
    with pytest.raises(ConfigError, match="no config file"):
        load_config(tmp_path / "gone.yaml")
    with pytest.raises(ConfigError, match="no preset 'tinny'. Did you mean 'tiny'"):
        preset_path("tinny")


@given(st.text(max_size=30))
def test_no_override_escapes_as_another_error(text: str) -> None:
    with contextlib.suppress(ConfigError):
        load_config(None, [text])


def test_a_resumed_run_keeps_its_settings(tmp_path: Path) -> None:
    stored = load_config(preset_path("smoke"))
    (tmp_path / "config.yaml").write_text(config_yaml(stored), encoding="utf-8")
    options = parser().parse_args(["--resume", str(tmp_path), "steps=99"])
    assert read_config(options, tmp_path).steps == 99
    options = parser().parse_args(["--resume", str(tmp_path), "loss.kl_coef=1"])
    with pytest.raises(ConfigError, match="other settings for loss.kl_coef"):
        read_config(options, tmp_path)


def test_a_folder_that_holds_a_run_is_not_taken_for_another(tmp_path: Path) -> None:
    options = parser().parse_args(["--preset", "smoke", "--run", str(tmp_path)])
    stored = load_config(preset_path("smoke"))
    assert new_folder(options, stored) == tmp_path
    assert new_folder(options, stored) == tmp_path  # a start that failed has left nothing
    (tmp_path / "scorer").mkdir()
    with pytest.raises(ConfigError, match="holds a run. Go on with it by --resume"):
        new_folder(options, stored)
    with pytest.raises(ConfigError, match="holds a run of other settings .steps, loss.kl_coef"):
        new_folder(options, load_config(preset_path("smoke"), ["steps=9", "loss.kl_coef=1"]))
    with pytest.raises(CheckpointError, match="no run to resume in"):
        find_run(parser().parse_args(["--resume", str(tmp_path / "gone")]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("\n \n", "is empty"),
        ("# only a comment\n", "is empty"),
        ('{"prompt": "a dog", "valence": 2}\n', "line 1: valence and arousal are 2 and None"),
        ("prompt,valence,arousal\na dog,7,0\n", "line 2: .*valence is 7"),
        ('{"prompt": "a dog"}\n{"prompt": \n', "line 2 is no JSON"),
        ('{"prompt": 7}\n', "line 1: the prompt is 7"),
        ('{"words": "a dog"}\n', "has the columns words"),
    ],
)
def test_a_prompt_file_must_hold_prompts(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        read_lines(path)


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffa dog, wet\n# a note\n\n{a cat|a\u2028hen}\n",
        '{"prompt": "a dog, wet", "id": 1}\n{"prompt": "{a cat|a hen}"}\n',
        '[{"caption": "a dog, wet"},\n {"caption": "{a cat|a hen}"}]',
        'prompt\na dog, wet\n"{a cat|a hen}"\n',
        'id,prompt\n1,"a dog, wet"\n2,{a cat|a hen}\n',
        "Prompt;Source\na dog, wet;me\n{a cat|a hen};you\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_prompts_are_read_as_people_keep_them(tmp_path: Path, content: str, encoding: str) -> None:
    (tmp_path / "prompts").write_text(content, encoding=encoding)
    assert read_lines(tmp_path / "prompts") == ("a dog, wet", "{a cat|a hen}")


def test_rows_keep_their_targets_and_words_and_repeated_prompts_count(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "prompts.csv"
    path.write_text(
        "prompt,valence,arousal,words\na dog,2,-1,bright and calm\nA  Dog,,,\na cat,,,\na hen,,,\n"
    )
    with caplog.at_level("INFO"):
        found = load_prompts(str(path))
    assert (found.training, found.held_out) == (("a dog", "a cat"), ("a hen",))
    assert "1 rows repeat a prompt" in caplog.text
    tasks = draw_tasks(found.rows, [(0.0, 3.0)], count=3, seed=0, step=0, phrase=True)
    asked = {(task.target, task.told) for task in tasks if task.prompt == "a dog"}
    assert ((2.0, -1.0), "a dog, bright and calm") in asked
    assert all(task.told != task.prompt for task in tasks)
    assert sorted(task.prompt.lower() for task in tasks) == ["a cat", "a dog", "a dog"]


def test_targets_off_the_scale_are_refused() -> None:
    given = load_config(None, ["data.targets=[[2, -1], [-2, 2]]"]).data.targets
    assert read_targets(given) == ((2.0, -1.0), (-2.0, 2.0))
    with pytest.raises(ConfigError, match="valence is 4"):
        read_targets([[4, 0]])
    with pytest.raises(ConfigError, match="write 'balanced'"):
        read_targets("everywhere")


@given(st.integers(0, 50), st.integers(1, 9))
def test_tasks_depend_on_seed_and_step_alone_and_cover_prompts_evenly(
    step: int, count: int
) -> None:
    prompts = ("a", "b", "c")
    asked = {"count": count, "seed": 3, "step": step}
    assert draw_tasks(prompts, None, **asked) == draw_tasks(prompts, None, **asked)
    many = draw_tasks(prompts, None, count=36, seed=3, step=step)
    assert {prompt: sum(t.prompt == prompt for t in many) for prompt in prompts} == {
        "a": 12, "b": 12, "c": 12,
    }  # fmt: skip
    cells = {(int((v + 3) // 1), int((a + 3) // 1)) for v, a in (t.target for t in many)}
    assert len(cells) >= 34  # 36 cells once each; a target on a cell's edge may round over


def write_header(path: Path, keys: list[str]) -> Path:
    header = json.dumps(
        {key: {"dtype": "F16", "shape": [0], "data_offsets": [0, 0]} for key in keys}
    ).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    return path


def test_a_single_file_is_recognised_by_its_header(tmp_path: Path) -> None:
    for key, family in (
        ("model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight", "sd3.5"),
        ("double_blocks.0.img_attn.qkv.weight", "flux"),
    ):
        assert family_of_file(write_header(tmp_path / "model.safetensors", [key])) == family
    with pytest.raises(CheckpointError, match="no family that training knows.*input_blocks"):
        family_of_file(write_header(tmp_path / "model.safetensors", ["input_blocks.0.weight"]))


def test_a_single_file_without_components_and_a_gpu_preset_without_gpu_are_explained(
    tmp_path: Path,
) -> None:
    import torch

    file = write_header(tmp_path / "model.safetensors", ["double_blocks.0.img_attn.qkv.weight"])
    cpu = torch.device("cpu")
    with pytest.raises(ConfigError, match="flux transformer alone.*--components DIR"):
        load_family(load_config(None, [f"model.path={file}"]), device=cpu)
    with pytest.raises(ConfigError, match="made for a GPU.*--preset tiny"):
        load_family(load_config(None, ["model.needs_gpu=true"]), device=cpu)


def test_a_model_that_cannot_fit_is_refused_before_it_is_loaded(tmp_path: Path) -> None:
    import torch

    from training.families.pipelines import parts_of
    from training.runs.memory import Spread, check_memory, needed_bytes

    values = 2**40
    entry = {"dtype": "F16", "shape": [values], "data_offsets": [0, 2 * values]}
    header = json.dumps({"weight": entry}).encode()
    for part in ("transformer", "vae"):
        (tmp_path / part).mkdir()
        write_header(tmp_path / part / "model.safetensors", [])
    with (tmp_path / "transformer" / "model.safetensors").open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + 2 * values)  # a hole: nothing is on the disk
    named = {"transformer": ["diffusers", "A"], "vae": ["diffusers", "B"], "safety": [None, None]}
    index = json.dumps({"_class_name": "FluxPipeline", **named})
    (tmp_path / "model_index.json").write_text(index, encoding="utf-8")
    # neither a second copy in half precision nor a whole checkpoint beside the parts is loaded
    huge = tmp_path / "transformer" / "model.safetensors"
    os.link(huge, tmp_path / "transformer" / "model.fp16.safetensors")
    os.link(huge, tmp_path / "flux1-dev.safetensors")
    parts = parts_of(tmp_path)
    half, cpu = load_config(None, ["model.dtype=bfloat16", "loss.kl_coef=0"]), torch.device("cpu")
    unet = {"unet": huge, "text_encoder": huge}
    assert needed_bytes(parts, half, Spread()) == (round(2.5 * values), 0)
    assert needed_bytes(unet, half, Spread()) == (round(2.5 * values), 2 * values)
    # two processes hold a copy each, or half of one, which both have read before
    assert needed_bytes(unet, half, Spread(here=2)) == (round(2.5 * values), 4 * values)
    shared = Spread(here=2, sharing=2)
    assert needed_bytes(unet, half, shared) == (round(1.25 * values), 8 * values)
    # value, gradient, two moments, average; and what KL is taken from
    full = [f"model.path={tmp_path}", "model.dtype=bfloat16", "model.train=full"]
    for kl, each in ((0, 20), (0.1, 22)):
        trained = load_config(None, [*full, f"loss.kl_coef={kl}"])
        assert needed_bytes(parts, trained, Spread()) == (round(1.25 * each * values), 0)
    with pytest.raises(ConfigError, match="needs about 2560.0 GiB of main memory"):
        check_memory(parts, half, cpu, Spread())
    with pytest.raises(
        ConfigError, match="about 36352.0 GiB.*lora, loss.kl_coef=0 .KL wants a fro"
    ):
        check_memory(parts, trained, cpu, Spread(here=2, sharing=2))
    check_memory(parts, half, cpu, Spread(first=False))  # another process tells


def test_drawn_and_neutral_prompts_are_held_apart() -> None:
    drawn, neutral = load_prompts("drawn"), load_prompts("neutral")
    assert not set(drawn.training) & set(drawn.held_out)
    assert (len(neutral.training), len(neutral.held_out)) == (368, 132)
    assert len({p.lower() for p in neutral.training + neutral.held_out}) == 500


def test_the_command_says_what_to_change_and_returns_two(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("sys.path", ["", *sys.path])
    assert main(["--preset", "tinny"]) == 2
    assert "Did you mean 'tiny'" in caplog.text
    monkeypatch.setattr("training.needs.NEEDED", ("torch", "a_package_that_is_not_there"))
    assert main([]) == 2
    assert "needs a_package_that_is_not_there. Run: pip install -e .[train]" in caplog.text
