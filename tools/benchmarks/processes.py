"""What sharing a training among processes costs: processor seconds, and the share of collectives.

    python -m tools.benchmarks.processes tiny 3

The same steps of a preset are made by one process of one thread, then by two under torchrun. The
first step, with all that starting costs, is left out: a run of one step is made for each, too.
Seconds are the processors', so other work on the machine counts little. The time in collectives is
what gloo's calls take, waiting included, of the wall seconds of the same steps.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)
TRAIN = """
import json, os, sys, time
import torch
from torch.profiler import ProfilerActivity, profile
from training.train import main

torch.set_num_threads(1)
started, spent = time.perf_counter(), time.process_time()
with profile(activities=[ProfilerActivity.CPU], acc_events=True) as seen:
    code = main(sys.argv[2:])
told = {
    "processor_s": time.process_time() - spent,
    "wall_s": time.perf_counter() - started,
    "collectives_s": sum(e.cpu_time_total for e in seen.key_averages() if "gloo:" in e.key) / 1e6,
}
open(sys.argv[1] + os.environ.get("RANK", "0"), "w").write(json.dumps(told))
sys.exit(code)
"""
QUIET = (
    "minutes=60", "tensorboard=false", "threads=1", "sheet_every=0", "watch.every=0",
    "watch.table_prompts=0",
)  # fmt: skip


@dataclass(frozen=True)
class Spent:
    """Of all processes together, in seconds."""

    processor_s: float
    wall_s: float
    collectives_s: float

    def less(self, other: Spent) -> Spent:
        """What was spent beyond another run."""
        return Spent(
            self.processor_s - other.processor_s,
            self.wall_s - other.wall_s,
            self.collectives_s - other.collectives_s,
        )


def spent(preset: str, steps: int, processes: int, settings: Sequence[str]) -> Spent:
    """Train in a folder of its own.

    Raises: CalledProcessError: the training failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "shared_training.py"
        script.write_text(TRAIN, encoding="utf-8")
        launcher = [sys.executable]
        if processes > 1:
            launcher += ["-m", "torch.distributed.run", f"--nproc-per-node={processes}"]
        arguments = ["--preset", preset, "--run-dir", f"{folder}/run", f"steps={steps}"]
        subprocess.run(
            [*launcher, str(script), f"{folder}/told", *arguments, *QUIET, *settings],
            check=True,
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path.cwd())},
        )
        told = [json.loads(path.read_text()) for path in Path(folder).glob("told*")]
    return Spent(**{name: sum(each[name] for each in told) for name in told[0]})


def main() -> None:
    """Measure and show the ratio and the share."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("preset")
    parser.add_argument("steps", type=int, help="steps that are measured")
    parser.add_argument("settings", nargs="*", help="of the training, as section.name=value")
    asked = parser.parse_args()
    found = []
    for processes in (1, 2):
        first = spent(asked.preset, 1, processes, asked.settings)
        found.append(spent(asked.preset, 1 + asked.steps, processes, asked.settings).less(first))
    alone, both = found
    log.info(
        "processor seconds of %d steps: one process %.1f, two %.1f, ratio %.3f; collectives "
        "%.1f of %.1f wall seconds of both, %.1f %%",
        asked.steps, alone.processor_s, both.processor_s, both.processor_s / alone.processor_s,
        both.collectives_s, both.wall_s, 100 * both.collectives_s / both.wall_s,
    )  # fmt: skip


if __name__ == "__main__":
    main()
