"""How well the ways to an emotion control the embedded generator, by the judge, and what they cost.

    OMP_NUM_THREADS=1 python tests/benchmarks/control.py [--prompts 20] [--sweeps 12]

Every measurement is appended to runs/control.jsonl under a digest of weights and steps, so an
interrupted or widened run goes on where it stopped; `--part` and `--way` choose what is made. Times
are ratios of processor time on one thread, taken alternately. Prints tables in Markdown of all that
the file holds for these weights, and exits with 1 if a number is missed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from control_report import report  # noqa: E402
from control_ways import NEUTRAL, WAYS, Point, Workbench, at_zero, load_workbench  # noqa: E402

from emofeedback.embedded.clip import embed_images, load_clip  # noqa: E402
from emofeedback.embedded.weights import FOLDER  # noqa: E402
from emofeedback.metrics import GRID  # noqa: E402
from training.world.captions import neutral_prompt  # noqa: E402
from training.world.evaluate import Plan  # noqa: E402
from training.world.judge import WEIGHTS, judge  # noqa: E402
from training.world.measure_makers import grid_scenes  # noqa: E402
from training.world.scene import Scene  # noqa: E402

SWEEP = tuple(float(value) for value in np.linspace(-3, 3, 9))
SWEPT = ("phrase", "anchors", "adapter")
TIMED = ("anchors", "anchors, half window", "anchors, conditionings")
GENERIC = tuple(Point(v, a) for v, a in ((2.1, 0.9), (-0.8, 2.3), (-1.9, -0.7), (1.2, -2.6)))
STILL = Point(2.0, 1.0)


@dataclass(frozen=True)
class Work:
    """One thing to measure: its key in the results, and how."""

    key: tuple[Any, ...]
    measure: Callable[[], dict[str, Any]]


def grid_work(bench: Workbench, ways: list[str], prompts: int) -> Iterator[Work]:
    """Every way at 25 points, and the prompt alone from the same 25 noises."""
    for index, scene, prompt in contents(prompts):
        for way in ways:
            made = WAYS[way](bench, prompt)
            for place, (valence, arousal) in enumerate((v, a) for v in GRID for a in GRID):
                point = Point(valence, arousal)
                work = (lambda m, s, p, n: lambda: judged(bench, m(p), s, n))(
                    made, scene, point, 25 * index + place
                )
                yield Work(("grid", way, index, valence, arousal), work)


def sweep_work(bench: Workbench, ways: list[str], prompts: int) -> Iterator[Work]:
    """Nine points of each axis from one noise."""
    for index, scene, prompt in contents(prompts):
        for way in ways:
            for axis in ("valence", "arousal"):
                made = WAYS[way](bench, prompt)
                work = (lambda m, s, a, n: lambda: swept(bench, m, s, a, n))(
                    made, scene, axis, index
                )
                yield Work(("sweep", way, index, axis), work)


def cost_work(bench: Workbench, ways: list[str], repeats: int) -> Iterator[Work]:
    """Seconds against stock sampling, at the grid's points and at generic ones."""
    prompt = next(contents(1))[2]
    points = {"grid": [Point(v, a) for v in GRID for a in GRID], "generic": list(GENERIC)}
    for repeat in range(repeats):
        for way in ways:
            made = WAYS[way](bench, prompt)
            for kind, several in points.items():
                for point in several:
                    work = (lambda m, p: lambda: timed(bench, m, prompt, p))(made, point)
                    yield Work(("cost", way, kind, repeat, point.valence, point.arousal), work)
            yield Work(
                ("still", way, repeat),
                (lambda m: lambda: timed(bench, m, prompt, at_zero(STILL)))(made),
            )


def contents(count: int) -> Iterator[tuple[int, Scene, str]]:
    """Prompts of pairs of place and subject that no model was trained on."""
    plan = Plan(prompts=count)
    for index, scene in enumerate(grid_scenes(plan)):
        yield index, scene, neutral_prompt(scene, np.random.default_rng((plan.seed, index)))


def judged(bench: Workbench, fed: tuple[Any, list[Any]], scene: Scene, seed: int) -> dict[str, Any]:
    """What the judge sees in the picture of one sampling."""
    model, positive = fed
    seen = judge(bench.pictures(bench.stock(positive, seed, model)))
    return {
        "valence": seen.valence.item(),
        "arousal": seen.arousal.item(),
        "place": seen.places[0] == scene.place,
        "subject": seen.subjects[0] == scene.subject,
    }


def swept(bench: Workbench, made: Any, scene: Scene, axis: str, seed: int) -> dict[str, Any]:
    """The judged axis along a sweep, and the steps between its pictures as CLIP sees them."""
    points = [Point(*((x, 0.0) if axis == "valence" else (0.0, x))) for x in SWEEP]
    images = []
    for point in points:
        model, positive = made(point)
        images.append(bench.pictures(bench.stock(positive, seed, model)))
    pictures = torch.cat(images)
    with torch.inference_mode():
        features = embed_images(load_clip()[0], pictures).numpy()
    return {
        "read": getattr(judge(pictures), axis).tolist(),
        "steps": np.linalg.norm(np.diff(features, axis=0), axis=1).tolist(),
    }


def timed(bench: Workbench, made: Any, prompt: str, point: Point) -> dict[str, Any]:
    """Processor seconds of the way and of stock sampling, one after the other, and their gap."""
    plain = bench.encode(prompt)
    seconds, latents = [], []
    for model, positive in ((bench.model, plain), made(point)):
        started = time.process_time()
        latents.append(bench.stock(positive, 1, model))
        seconds.append(time.process_time() - started)
    gap = float((latents[1] - latents[0]).abs().max())
    return {"stock": seconds[0], "way": seconds[1], "gap": gap}


def digest(steps: int) -> str:
    """Of everything the numbers depend on."""
    files = [*sorted(path for path in FOLDER.rglob("*") if path.is_file()), WEIGHTS]
    found = hashlib.sha256(f"{steps} steps".encode())
    for path in files:
        found.update(path.read_bytes())
    return found.hexdigest()[:12]


class Results:
    """Measurements by key, appended to a file as they are made."""

    def __init__(self, path: Path, weights: str) -> None:
        self.path, self.weights = path, weights
        self.found: dict[tuple[Any, ...], dict[str, Any]] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        for line in path.read_text("utf-8").splitlines() if path.exists() else ():
            record = json.loads(line)
            if record["weights"] == weights:
                self.found[tuple(record["key"])] = record["value"]

    def complete(self, works: Iterator[Work]) -> None:
        """Measures what is missing."""
        for work in works:
            if work.key in self.found:
                continue
            self.found[work.key] = value = work.measure()
            record = {"weights": self.weights, "key": work.key, "value": value}
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
            say(f"{' '.join(map(str, work.key))}")


def main() -> int:
    """Measures and prints; 0 if every number was reached."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    tree = os.environ.get("COMFYUI_PATH") or ROOT / ".comfyui" / "src"
    parser.add_argument("tree", nargs="?", type=Path, default=Path(tree), help="ComfyUI's folder")
    parser.add_argument("--prompts", type=int, default=20, help="contents painted over the grid")
    parser.add_argument("--sweeps", type=int, default=12, help="contents swept along each axis")
    parser.add_argument("--repeats", type=int, default=2, help="of each time")
    parser.add_argument("--steps", type=int, default=20, help="of each sampling; 8 is a quick look")
    parser.add_argument("--part", action="append", choices=("grid", "sweep", "cost"))
    parser.add_argument("--way", action="append", choices=list(WAYS), help="default: all")
    parser.add_argument("--results", type=Path, default=ROOT / "runs" / "control.jsonl")
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = Results(options.results, digest(options.steps))
    parts, ways = options.part or ("grid", "sweep", "cost"), options.way or list(WAYS)
    bench = load_workbench(options.tree, options.steps)
    if "cost" in parts:
        results.complete(cost_work(bench, [w for w in TIMED if w in ways], options.repeats))
    if "grid" in parts:
        both = list(dict.fromkeys([NEUTRAL, *ways]))
        results.complete(grid_work(bench, both, options.prompts))
    if "sweep" in parts:
        results.complete(sweep_work(bench, [w for w in SWEPT if w in ways], options.sweeps))
    lines, reached = report(results.found)
    say("\n".join(lines))
    return 0 if reached else 1


def say(line: str) -> None:
    """Shows a line at once: the whole takes hours."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
