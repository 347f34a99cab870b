"""How well the ways to an emotion control the embedded generator, by the judge, and what they cost.

    OMP_NUM_THREADS=1 python -m tools.benchmarks.control [--prompts 20] [--sweeps 12]

Pictures are kept in runs/control by what painted them, measurements in runs/control.jsonl by the
judge too: an interrupted or widened run goes on where it stopped, and another judge looks at the
same pictures. `--part` and `--way` choose what is made. Times are ratios of processor time on one
thread, taken alternately. Prints tables in Markdown of all that the file holds for these weights,
and exits with 1 if a number is missed.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from emofeedback.embedded.clip import embed_images, load_clip
from emofeedback.plane.metrics import GRID
from launcher.places import ROOT
from tools.benchmarks.control_files import Album, Results, Work, judges_digest, painters_digest
from tools.benchmarks.control_report import report
from tools.benchmarks.control_ways import (
    PATCHES,
    SIDE,
    WAYS,
    Point,
    Workbench,
    at_zero,
    load_workbench,
)
from training.recipes.measure_makers import grid_scenes
from training.recipes.plan import Plan
from training.world.captions import neutral_prompt
from training.world.judge import judge
from training.world.render import render
from training.world.scene import Scene, sample_scene

PARTS = ("cost", "grid", "image-to-image", "sweep")
SWEEP = tuple(float(value) for value in np.linspace(-3, 3, 9))
SWEPT = ("phrase", "anchors", "adapter")
POINTS = [Point(v, a) for v in GRID for a in GRID]
CORNERS = [Point(v, a) for v in (-3.0, 3.0) for a in (-3.0, 3.0)]
DENOISE = (0.4, 0.6, 0.8)
GENERIC = tuple(Point(v, a) for v, a in ((2.1, 0.9), (-0.8, 2.3), (-1.9, -0.7), (1.2, -2.6)))


def contents(count: int) -> Iterator[tuple[int, Scene, str]]:
    """Prompts of pairs of place and subject that no model was trained on."""
    plan = Plan(prompts=count)
    for index, scene in enumerate(grid_scenes(plan)):
        yield index, scene, neutral_prompt(scene, np.random.default_rng((plan.seed, index)))


def grid_work(bench: Workbench, album: Album, ways: list[str], prompts: int) -> Iterator[Work]:
    """Every way at 25 points, from 25 noises that are the same for all ways."""

    def measure(key: tuple[Any, ...], scene: Scene, prompt: str) -> dict[str, Any]:
        _, way, index = key
        images = album.get(
            key,
            lambda: bench.pictures(
                list(map(WAYS[way](bench, prompt), POINTS)), index, list(range(len(POINTS)))
            ),
        )
        seen = judge(images)
        return {
            "valence": seen.valence.tolist(),
            "arousal": seen.arousal.tolist(),
            "place": [place == scene.place for place in seen.places],
            "subject": [subject == scene.subject for subject in seen.subjects],
        }

    for index, scene, prompt in contents(prompts):
        for way in ways:
            key = ("grid", way, index)
            yield Work(key, partial(measure, key, scene, prompt))


def sweep_work(bench: Workbench, album: Album, ways: list[str], prompts: int) -> Iterator[Work]:
    """Nine points of each axis from one noise: how they are read, how far CLIP sees them apart."""

    def measure(key: tuple[Any, ...], prompt: str) -> dict[str, Any]:
        _, way, index, axis = key
        points = [Point(x, 0.0) if axis == "valence" else Point(0.0, x) for x in SWEEP]
        images = album.get(
            key,
            lambda: bench.pictures(
                list(map(WAYS[way](bench, prompt), points)), index, [0] * len(points)
            ),
        )
        features = embed_images(load_clip()[0], images).numpy()
        return {
            "read": getattr(judge(images), axis).tolist(),
            "steps": np.linalg.norm(np.diff(features, axis=0), axis=1).tolist(),
        }

    for index, _, prompt in contents(prompts):
        for way in ways:
            for axis in ("valence", "arousal"):
                key = ("sweep", way, index, axis)
                yield Work(key, partial(measure, key, prompt))


def change_work(bench: Workbench, album: Album, pictures: int) -> Iterator[Work]:
    """Drawn pictures of held-out pairs, with moods of their own, moved towards the four corners."""

    def measure(key: tuple[Any, ...], scene: Scene, prompt: str) -> dict[str, Any]:
        _, denoise, index = key
        drawn = torch.from_numpy(np.array(render(scene, 8 * SIDE)))[None].float() / 255
        # strength 0: what painting over the picture does by itself
        points = [at_zero(CORNERS[0]), *CORNERS]
        made = album.get(key, lambda: bench.changed(drawn, prompt, points, denoise, index))
        seen = judge(torch.cat([drawn, made]))
        return {
            "felt": torch.stack([seen.valence, seen.arousal], 1).tolist(),
            "targets": [[point.valence, point.arousal] for point in CORNERS],
            "kept": [
                place == scene.place and subject == scene.subject
                for place, subject in zip(seen.places, seen.subjects, strict=True)
            ],
        }

    random = np.random.default_rng(Plan().seed)
    for index in range(pictures):
        scene = sample_scene(random, split="held_out")
        prompt = neutral_prompt(scene, np.random.default_rng((Plan().seed, index)))
        for denoise in DENOISE:
            key = ("image-to-image", denoise, index)
            yield Work(key, partial(measure, key, scene, prompt))


def cost_work(bench: Workbench, ways: list[str], repeats: int) -> Iterator[Work]:
    """Seconds against stock sampling: at the grid's points, at generic ones, at strength 0."""
    prompt = next(contents(1))[2]
    # two in a hundred is a small difference, so that one is measured more often
    kinds = {"grid": POINTS, "generic": GENERIC, "still": [at_zero(p) for p in GENERIC] * 2}
    for repeat in range(repeats):
        for way in ways:
            made = PATCHES[way](bench, prompt)
            for kind, points in kinds.items():
                for number, point in enumerate(points):
                    late = (repeat + number) % 2 == 1
                    work = partial(timed, bench, made, prompt, point, late)
                    yield Work(("cost", way, kind, repeat, number), work)


def timed(bench: Workbench, made: Any, prompt: str, point: Point, late: bool) -> dict[str, Any]:
    """Processor seconds of the way and of stock sampling beside it, and how far they differ.

    Args: late: stock sampling comes second; what comes first pays for cold caches.
    """
    fed = {"stock": (bench.model, bench.encode(prompt)), "way": made(point)}
    seconds, latents = {}, {}
    for name in sorted(fed, reverse=late):
        model, positive = fed[name]
        started = time.process_time()
        latents[name] = bench.stock(positive, 1, model=model)
        seconds[name] = time.process_time() - started
    return {**seconds, "gap": float((latents["way"] - latents["stock"]).abs().max())}


def main() -> int:
    """Measures and prints; 0 if every number was reached."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    tree = os.environ.get("COMFYUI_PATH") or ROOT / ".comfyui" / "src"
    parser.add_argument("tree", nargs="?", type=Path, default=Path(tree), help="ComfyUI's folder")
    parser.add_argument("--prompts", type=int, default=20, help="contents painted over the grid")
    parser.add_argument("--sweeps", type=int, default=12, help="contents swept along each axis")
    parser.add_argument("--changes", type=int, default=12, help="drawn pictures to change")
    parser.add_argument("--repeats", type=int, default=2, help="of each time")
    parser.add_argument("--steps", type=int, default=20, help="of each sampling; 8 is a quick look")
    parser.add_argument("--part", action="append", choices=PARTS, help="default: all")
    parser.add_argument("--way", action="append", choices=list(WAYS), help="default: all")
    parser.add_argument("--results", type=Path, default=ROOT / "runs" / "control.jsonl")
    options = parser.parse_args()
    torch.set_num_threads(1)
    painters = painters_digest(options.steps)
    results = Results(options.results, judges_digest(painters))
    album = Album(options.results.with_suffix("") / painters)
    ways = options.way or list(WAYS)
    with torch.inference_mode():  # as ComfyUI runs nodes
        bench = load_workbench(options.tree, options.steps)
        swept = [way for way in SWEPT if way in ways]
        works = {
            "cost": cost_work(bench, [way for way in PATCHES if way in ways], options.repeats),
            "grid": grid_work(bench, album, ways, options.prompts),
            "image-to-image": change_work(bench, album, options.changes),
            "sweep": sweep_work(bench, album, swept, options.sweeps),
        }
        for part in options.part or PARTS:
            for key in results.complete(works[part]):
                say(" ".join(map(str, key)))
    lines, reached = report(results.found)
    say("\n".join(lines))
    return 0 if reached else 1


def say(line: str) -> None:
    """Shows a line at once: the whole takes hours."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
