"""What the loop itself costs on a real ComfyUI server: seconds beside its work, and memory.

    python -m tools.benchmarks.loop_overhead [COMFYUI_TREE] [--mode default]

Overhead: seconds of a warm loop, by the server's clock, minus those in which nodes that generate,
score or refine were running. Memory: resident size of the server after 30 loops against after 5,
every loop with new seeds.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import psutil

from launcher.places import ROOT
from tools.comfy_client import CACHE_MODES, Comfy, Event, Graph, start_comfy, workflow

GENERATE = ("CLIPTextEncode", "EmptySD3LatentImage", "KSampler", "VAEDecode")
WORK = {
    **dict.fromkeys(GENERATE, "generate"),
    "EmoFB_ScoreRound": "score",
    "EmoFB_RefineRound": "refine",
}
KINDS = ("generate", "score", "refine")
STEPS = 20
REPEATS = 3
EARLY, LATE = 5, 30


def bare_loop(seed: int, *, steps: int, candidates: int = 4) -> Graph:
    """The shipped loop without the artist's own preview and save nodes."""
    graph = workflow(
        "feedback_loop",
        EmoFB_StartLoop={"seed": seed, "candidates": candidates, "rounds": 3},
        KSampler={"steps": steps},
    )
    shown = ("PreviewImage", "PreviewAny", "SaveImage")
    return {key: node for key, node in graph.items() if node["class_type"] not in shown}


def timed_loop(comfy: Comfy, seed: int) -> dict[str, float]:
    """Seconds of one loop by kind of work, and in all."""
    graph = bare_loop(seed, steps=STEPS)
    seconds = dict.fromkeys(KINDS, 0.0)
    running: tuple[str, float] | None = None

    def watch(event: Event) -> None:
        nonlocal running
        if event["type"] == "executing":
            now = time.perf_counter()
            if running is not None and running[0] in WORK:
                seconds[WORK[running[0]]] += now - running[1]
            node = event["data"].get("display_node")
            running = (graph[node]["class_type"], now) if node else None

    run = comfy.run(graph, watch)
    assert run.end == "execution_success", run.message
    stamps = {event["type"]: event["data"].get("timestamp") for event in run.events}
    total = (stamps["execution_success"] - stamps["execution_start"]) / 1000  # the server's clock
    return {**seconds, "total": total}


def overhead_table(comfy: Comfy) -> Iterator[str]:
    """One line a repeat, the first of them not warm."""
    yield " ".join(f"{name:>9}" for name in ("loop", "total s", *KINDS, "overhead"))
    for number in range(REPEATS + 1):
        took = timed_loop(comfy, seed=1000 + number)
        rest = took["total"] - sum(took[kind] for kind in KINDS)
        parts = [f"{took[kind]:>9.2f}" for kind in ("total", *KINDS)]
        yield " ".join([f"{number or 'cold':>9}", *parts, f"{rest / took['total']:>9.1%}"])


def memory_table(comfy: Comfy) -> Iterator[str]:
    """Resident megabytes of the server after some loops."""
    assert comfy.server.pid is not None
    process, sizes = psutil.Process(comfy.server.pid), {}
    yield f"{'loops':>9} {'server MB':>9}"
    for number in range(1, LATE + 1):
        run = comfy.run(bare_loop(2000 + 10 * number, steps=2))
        assert run.end == "execution_success", run.message
        if number in (EARLY, LATE):
            sizes[number] = process.memory_info().rss / 2**20
            yield f"{number:>9} {sizes[number]:>9.1f}"
    yield f"growth {sizes[LATE] - sizes[EARLY]:+.1f} MB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    tree = os.environ.get("COMFYUI_PATH") or ROOT / ".comfyui" / "src"
    parser.add_argument("tree", nargs="?", type=Path, default=Path(tree), help="ComfyUI's folder")
    parser.add_argument("--mode", action="append", choices=CACHE_MODES, help="default: all")
    options = parser.parse_args()
    for mode in options.mode or CACHE_MODES:
        with (
            tempfile.TemporaryDirectory() as folder,
            start_comfy(options.tree, Path(folder), CACHE_MODES[mode]) as server,
        ):
            comfy = Comfy(server, mode)
            say(f"cache mode: {mode}")
            for line in chain(overhead_table(comfy), memory_table(comfy)):
                say(line)


def say(line: str) -> None:
    """Shows a line at once: the whole takes minutes."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
