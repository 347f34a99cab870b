"""Going on from an ended loop, and from a picture that the artist prefers, on a real server."""

import json
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_live_loop import ask, once, told

from tools.comfy_client import Comfy, Graph, Run, only, workflow


def loop(seed: int, **settings: Any) -> Graph:
    return workflow("feedback_loop", EmoFB_StartLoop={"seed": seed, "rounds": 2, **settings})


def done(comfy: Comfy, graph: Graph, watch: Any = None) -> Run:
    run = comfy.run(graph, watch)
    assert run.end == "execution_success", run.message
    return run


def run_id(run: Run) -> str:
    return str(run.outputs_of("emofb_run")[-1])


def numbers(run: Run) -> list[int]:
    return [record["round"] for record in run.report["rounds"]]


@pytest.fixture(scope="module")
def ended(comfy: Comfy) -> Run:
    return done(comfy, loop(731))


def test_an_ended_loop_goes_on_and_draws_only_new_rounds(default_comfy: Comfy, ended: Run) -> None:
    graph = loop(731, resume=f"{run_id(ended)}:0:0:2")
    run = done(default_comfy, graph)
    assert numbers(run) == [1, 2, 3, 4]
    same = ("prompts", "seed", "best", "gap", "readings")
    for was, now in zip(ended.report["rounds"], run.report["rounds"], strict=False):
        assert [was[name] for name in same] == [now[name] for name in same]
    drawn = run.report["cost"]["pictures"] - ended.report["cost"]["pictures"]
    assert (drawn, run.report["resumed"]["run"]) == (4, run_id(ended))
    assert run.report["rounds"][1]["next_prompt"]  # the last round is rewritten after all
    assert [e["kind"] for e in told(run)].count("round") == 4
    assert not default_comfy.run(graph).executions  # once more: all from the cache
    again = done(default_comfy, loop(731, resume=f"{run_id(run)}:1:2:1"))
    assert numbers(again) == [1, 2, 3, 4, 5]
    chosen = {"round": 1, "candidate": 2, "chosen_by": "you"}
    assert again.report["rounds"][3]["refined_from"] == chosen
    assert {name: again.report["best"][name] for name in chosen} == chosen


@pytest.mark.parametrize(
    ("resume", "message"),
    [
        ("f" * 32 + ":0:0:1", "not kept any more"),
        ("../../x:0:0:1", "resume is"),
        ("{run}:7:1:1", "no picture 1 of round 7"),
        ("{run}:0:0:99", "98 at most"),
    ],
)
def test_what_cannot_be_gone_on_from_is_an_error_and_no_new_run(
    default_comfy: Comfy, ended: Run, resume: str, message: str
) -> None:
    run = default_comfy.run(loop(731, resume=resume.replace("{run}", run_id(ended))))
    assert run.end == "execution_error" and message in run.message
    assert run.runs_of("KSampler") == 0


def test_another_prompt_is_no_loop_to_go_on_from(default_comfy: Comfy, ended: Run) -> None:
    run = default_comfy.run(loop(731, resume=f"{run_id(ended)}:0:0:1", prompt="a cat"))
    assert run.end == "execution_error" and "a cat" in run.message


def test_the_all_in_one_node_goes_on_too(default_comfy: Comfy) -> None:
    settings: dict[str, Any] = {"seed": 733, "rounds": 1}
    first = done(default_comfy, workflow("feedback_all_in_one", EmoFB_EmotionFeedback=settings))
    settings["resume"] = f"{run_id(first)}:1:2:1"
    run = done(default_comfy, workflow("feedback_all_in_one", EmoFB_EmotionFeedback=settings))
    assert numbers(run) == [1, 2]
    assert run.report["rounds"][0]["refined_from"]["candidate"] == 2
    assert run.report["cost"]["pictures"] == 2 * first.report["cost"]["pictures"]


def test_what_is_gone_on_from_is_no_picture_of_the_new_settings(default_comfy: Comfy) -> None:
    """A loop that begins with them draws its rounds itself."""

    def all_in_one(**more: Any) -> Run:
        settings = {"seed": 736, "rounds": 1, "candidates": 2, "steps": 2, **more}
        return done(default_comfy, workflow("feedback_all_in_one", EmoFB_EmotionFeedback=settings))

    resume = f"{run_id(all_in_one())}:0:0:1"
    assert numbers(all_in_one(steps=3, resume=resume)) == [1, 2]
    assert [r["reused"] for r in all_in_one(steps=3).report["rounds"]] == [False]


def test_a_click_leads_from_the_next_boundary_on(default_comfy: Comfy) -> None:
    comfy, answers = default_comfy, []
    body = {"client_id": comfy.client, "round": 1, "candidate": 2}

    def click(run: str) -> None:
        answers.append(ask(comfy, f"{run}/prefer", {**body, "candidate": 3}))
        answers.append(ask(comfy, f"{run}/prefer", {**body, "client_id": "someone else"}))
        answers.append(ask(comfy, f"{run}/prefer", {**body, "round": "1"}))
        answers.append(ask(comfy, f"{run}/prefer", body))

    run = done(comfy, loop(734, rounds=3), once("making pictures", 2, click))
    assert answers == [409, 403, 400, 200]
    first, second, _ = run.report["rounds"]
    chosen = {"round": 1, "candidate": 2, "chosen_by": "you"}
    assert first["refined_from"] == {"round": 1, "candidate": first["best"], "chosen_by": "gap"}
    assert second["refined_from"] == chosen
    assert {name: run.report["best"][name] for name in chosen} == chosen
    kinds = [event["kind"] for event in told(run) if event["kind"] != "doing"]
    assert kinds == ["start", "round", "refined", "round", "preferred", "refined", "round", "end"]
    assert json.dumps(run.report["best"]["reading"]["valence"]) == json.dumps(
        first["readings"][1]["valence"]
    )


def image_to_image(seed: int, rounds: int) -> Graph:
    """The loop whose body starts from a picture, and keeps latents."""
    graph = loop(seed, rounds=rounds)
    start, sampler, decode = (only(graph, n) for n in ("EmoFB_StartLoop", "KSampler", "VAEDecode"))
    score, end = only(graph, "EmoFB_ScoreRound"), only(graph, "EmoFB_EndLoop")
    vae = graph[decode]["inputs"]["vae"]
    empty = {"width": 256, "height": 256, "batch_size": 1, "color": 0x4080C0}
    graph |= {
        "80": {"class_type": "EmptyImage", "inputs": empty},
        "81": {"class_type": "VAEEncode", "inputs": {"pixels": [start, 5], "vae": vae}},
        "82": {"class_type": "RepeatLatentBatch",
               "inputs": {"samples": ["81", 0], "amount": [start, 3]}},
        "83": {"class_type": "VAEDecode", "inputs": {"samples": [end, 9], "vae": vae}},
        "84": {"class_type": "SaveImage",
               "inputs": {"images": ["83", 0], "filename_prefix": "latent"}},
        "85": {"class_type": "PreviewAny", "inputs": {"source": [end, 7]}},
        "86": {"class_type": "PreviewAny", "inputs": {"source": [end, 8]}},
        "87": {"class_type": "SaveImage",
               "inputs": {"images": [start, 5], "filename_prefix": "start"}},
    }  # fmt: skip
    graph[start]["inputs"]["picture"] = ["80", 0]
    graph[sampler]["inputs"] |= {"latent_image": ["82", 0], "denoise": 0.6}
    graph[score]["inputs"]["latents"] = [sampler, 0]
    return graph


def test_the_choice_leads_by_its_pixels_and_the_best_latent_is_handed_on(
    default_comfy: Comfy,
) -> None:
    comfy, body = default_comfy, {"client_id": default_comfy.client, "round": 1, "candidate": 2}
    graph = image_to_image(735, 1)
    first = done(comfy, graph)
    (latent,), (best,) = first.images("latent"), first.images("best_")
    assert np.abs(pixels(comfy, latent) - pixels(comfy, best)).max() <= 1
    assert first.outputs["85"]["text"] == [str(first.report["best"]["seed"])]
    assert first.outputs["86"]["text"] == [str(first.report["best"]["candidate"] - 1)]

    def rounds_after(watch: Any) -> Run:
        again = json.loads(json.dumps(graph))
        again[only(graph, "EmoFB_StartLoop")]["inputs"]["rounds"] = 3
        return done(comfy, again, watch)

    run = rounds_after(
        once("making pictures", 2, lambda run: ask(comfy, f"{run}/prefer", body) and None)
    )
    assert [record["reused"] for record in run.report["rounds"]] == [True, False, False]
    second, third = (pixels(comfy, image) for image in run.images("start"))
    chosen = pixels(comfy, run.images("candidates_")[1])
    assert len(np.unique(second.reshape(-1, 3), axis=0)) == 1  # the even blue picture
    assert np.array_equal(third, chosen)


def pixels(comfy: Comfy, image: dict[str, str]) -> np.ndarray:
    """A saved picture as whole numbers."""
    folder = comfy.server.base / image["type"] / image["subfolder"]
    with Image.open(folder / image["filename"]) as picture:
        return np.asarray(picture.convert("RGB"), dtype=np.int16)
