"""Runs many loops on one ComfyUI server for two pages at once, and says what grew.

    python -m tools.benchmarks.soak 200 --seed 1

Every loop has a seed of its own, so that nothing is known from before. After each one the server's
resident memory, open files and threads are read; what is shown is how far they grew between the
loops after the 20th and the last ones (means of ten).

Memory is to say what is held, so the server's allocator keeps no holes: glibc, left alone, comes to
lay tensors of many MB between small blocks that stay, and a tensor that fits into none of its holes
grows the process by 15 to 26 MB at once. `--as-it-is` leaves it alone.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import tempfile
import threading
from pathlib import Path
from statistics import mean

import psutil

from launcher.places import ROOT
from tools.comfy_client import Comfy, start_comfy, workflow

log = logging.getLogger(__name__)
# What is freed above so many bytes goes back at once; else the limit rises to the largest tensor.
NO_HOLES = {"MALLOC_MMAP_THRESHOLD_": str(2**20)}
CLIENTS, WARM, SPAN = 2, 20, 10
Sample = tuple[float, int, int]


def run_loops(comfy: Comfy, seeds: list[int], process: psutil.Process, seen: list[Sample]) -> None:
    """Takes seeds until none is left; adds MB, open files and threads after each loop."""
    while seeds:
        start = {"rounds": 2, "candidates": 2, "seed": seeds.pop()}
        run = comfy.run(workflow("feedback_loop", EmoFB_StartLoop=start, KSampler={"steps": 1}))
        if run.end != "execution_success":
            raise RuntimeError(f"seed {start['seed']}: {run.end} {run.message}")
        with process.oneshot():
            memory = process.memory_info().rss / 2**20
            seen.append((memory, process.num_fds(), process.num_threads()))
        log.info("%d loops: %.0f MB, %d files, %d threads", len(seen), *seen[-1])


def growth(seen: list[Sample]) -> dict[str, float]:
    """From the loops after the warm ones to the last, of each number."""
    names = ("MB", "open files", "threads")
    early, late = (list(zip(*part)) for part in (seen[WARM : WARM + SPAN], seen[-SPAN:]))
    return {
        name: round(mean(late[place]) - mean(early[place]), 1) for place, name in enumerate(names)
    }


def main() -> None:
    """Prints one line of JSON with what grew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("loops", type=int, help=f"at least {WARM + 2 * SPAN}")
    parser.add_argument("--seed", type=int, default=0)
    tree = os.environ.get("COMFYUI_PATH") or ROOT / ".comfyui" / "src"
    parser.add_argument("--tree", type=Path, default=Path(tree), help="ComfyUI's folder")
    parser.add_argument("--as-it-is", action="store_true", help="leave the allocator alone")
    options = parser.parse_args()
    if options.loops < WARM + 2 * SPAN:
        parser.error(f"{options.loops} loops say nothing; ask for {WARM + 2 * SPAN} or more")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if not options.as_it_is:
        os.environ |= NO_HOLES  # the server inherits them
    seeds = [1000 * options.seed + 10 * number for number in range(options.loops)]
    seen: list[Sample] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        start_comfy(options.tree, Path(folder), ()) as server,
    ):
        process = psutil.Process(server.pid)
        clients = [Comfy(server, "default") for _ in range(CLIENTS)]
        threads = [
            threading.Thread(target=run_loops, args=(comfy, seeds, process, seen))
            for comfy in clients
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if len(seen) < options.loops:
        raise SystemExit(f"Only {len(seen)} of {options.loops} loops ended well.")
    log.info("%s", json.dumps({"loops": len(seen), "seed": options.seed, **growth(seen)}))


if __name__ == "__main__":
    main()
