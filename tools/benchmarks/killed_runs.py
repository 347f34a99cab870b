"""Kills a short training at random moments (SIGKILL) and lets it go on.

    python -m tools.benchmarks.killed_runs tiny 20 --seed 1
    python -m tools.benchmarks.killed_runs recipe 20 --seed 1
    python -m tools.benchmarks.killed_runs scorer 20 --seed 1

`tiny` is the preset of that name with few pictures, `recipe` the text tower of the drawn world,
`scorer` a supervised start and GRPO of the embedded scorer. What is measured: whole checkpoints
that were there before a kill and not after it, and bytes of the weights that differ from those of a
run that nobody killed.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from training.runs.folder import has_work
from training.runs.run_state import TENSORS, whole_checkpoints

log = logging.getLogger(__name__)
STEPS = 6
TRAIN = ("-m", "training.train")
RESUME = (*TRAIN, "--resume", "RUN")
TINY = (
    f"steps={STEPS}", "minutes=60", "checkpoint_every=1", "sheet_every=0", "tensorboard=false",
    "data.prompts_per_step=2", "rollout.micro_batch=2",
    "optim.micro_batch=2", "watch.every=3", "watch.pictures=2", "watch.table_prompts=2",
    "watch.table_steps=2",
)  # fmt: skip
SCORER = (
    f"steps={STEPS}", "minutes=60", "checkpoint_every=1", "tensorboard=false",
    "scorer.pictures=3", "scorer.held_out=4", "scorer.supervised_steps=4",
    "scorer.multi_task=false", "scorer.form=expected", "scorer.num_generations=4",
    "scorer.batch=8", "scorer.max_completion_length=2", "scorer.learning_rate=0.01",
)  # fmt: skip
RECIPE = f"""
import sys
from pathlib import Path
from training.recipes.text_tower import TextTowerConfig, train_with
from training.runs.optim import Optim
from training.runs.run import RunOptions
config = TextTowerConfig(
    size=32, text_layers=1, image_width=64, image_layers=1, batch=4,
    optim=Optim(learning_rate=1e-3, warmup_steps=2, ema_decay=0.9),
)
run = Path(sys.argv[1])
train_with(config, RunOptions(
    run_dir=run, weights=run / "weights", steps={10 * STEPS}, threads=1, checkpoint_seconds=0,
))
"""


@dataclass(frozen=True)
class Kind:
    """How a run of a kind begins and goes on, RUN standing for its folder, and what it leaves.

    Args:
        result: the file of weights in the run's folder; the last checkpoint's where it is empty.
    """

    begin: Sequence[str]
    go_on: Sequence[str] = ()
    result: str = ""

    def command(self, run: Path) -> list[str]:
        """What is called next; a run that has got nowhere begins again."""
        kept = has_work(run)
        if not kept:
            shutil.rmtree(run, ignore_errors=True)
        parts = self.go_on if kept and self.go_on else self.begin
        return [sys.executable, *(part.replace("RUN", str(run)) for part in parts)]

    def weights(self, run: Path) -> bytes:
        """What the run has learnt."""
        if self.result:
            return (run / self.result).read_bytes()
        return (whole_checkpoints(run / "checkpoints")[-1] / TENSORS).read_bytes()


KINDS = {
    "tiny": Kind([*TRAIN, "--preset", "tiny", "--run", "RUN", *TINY], RESUME),
    "recipe": Kind(["-c", RECIPE, "RUN"]),
    "scorer": Kind(
        [*TRAIN, "--preset", "scorer", "--run", "RUN", *SCORER],
        RESUME,
        result="scorer/model.safetensors",
    ),
}


def killed(kind: Kind, run: Path, after_s: float) -> tuple[bool, int]:
    """Whether the run lived so long, was killed then, and how many checkpoints that cost."""
    command = kind.command(run)
    before = whole_checkpoints(run / "checkpoints")
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        kept = whole_checkpoints(run / "checkpoints")
        return True, int(bool(before) and (not kept or kept[-1] < before[-1]))
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return False, 0


def main() -> None:
    """Prints one line of JSON with the counts; ends in 1 where anything was lost or differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("kills", type=int)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    kind, chance = KINDS[options.kind], random.Random(options.seed)  # noqa: S311  no secrets
    with tempfile.TemporaryDirectory() as made:
        undisturbed, run = Path(made) / "undisturbed", Path(made) / "killed"
        started = time.monotonic()
        subprocess.run(kind.command(undisturbed), check=True, capture_output=True)
        whole, wanted = time.monotonic() - started, kind.weights(undisturbed)
        kills = lost = differing = ends = 0
        while kills < options.kills or not ends:
            patience = chance.uniform(0.1, 1.0) * whole if kills < options.kills else 100 * whole
            cut, gone = killed(kind, run, patience)
            kills, lost = kills + cut, lost + gone
            log.info("%d kills, checkpoints lost: %d", kills, lost)
            if not cut:
                found = kind.weights(run)
                differing += len(found) != len(wanted)
                differing += sum(a != b for a, b in zip(found, wanted, strict=False))
                ends += 1
                shutil.rmtree(run)
    counts = {"kills": kills, "checkpoints lost": lost, "runs ended": ends}
    told = {"kind": options.kind, "seed": options.seed, **counts, "differing bytes": differing}
    log.info("%s", json.dumps(told))
    sys.exit(int(bool(lost or differing)))


if __name__ == "__main__":
    main()
