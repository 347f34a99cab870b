"""Main memory of stage `scorer` with few and with many pictures of one's own.

    python -m tools.benchmarks.scorer_memory 10000

Rated pictures of 500 x 500 pixels are written, and the embedded scorer is trained on them for a few
steps, each time in a process of its own. The growth is the difference of both peaks: all that the
number of pictures adds.
"""

from __future__ import annotations

import argparse
import csv
import logging
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

log = logging.getLogger(__name__)
FEW, SIDE, KINDS = 100, 500, 20
SETTINGS = (
    "steps=3", "tensorboard=false", "scorer.num_generations=4", "scorer.batch=4",
    "scorer.supervised_steps=3", "scorer.held_out=8",
)  # fmt: skip
CHILD = """
import resource, sys
from training.train import main
code = main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
sys.exit(code)
"""


def write_pictures(folder: Path, count: int) -> Path:
    """Pictures of grain on a slope with ratings beside them; returns the table."""
    from PIL import Image

    random = np.random.default_rng(0)
    slope = np.linspace(60, 180, SIDE)[:, None, None]
    kinds = []
    for _ in range(KINDS):
        grain = random.normal(0, 12, (SIDE, SIDE, 3))
        kinds.append(Image.fromarray((slope + grain).clip(0, 255).astype(np.uint8)))
    table = folder / "ratings.csv"
    with table.open("w", newline="", encoding="utf-8") as stream:
        lines = csv.writer(stream)
        lines.writerow(["image", "valence", "arousal"])
        for index in range(count):
            name = f"{index:05}.jpg"
            kinds[index % KINDS].save(folder / name, quality=85)
            lines.writerow([name, *random.uniform(-3, 3, 2).round(2)])
    return table


def peak_mb(count: int) -> float:
    """The most memory of a training on `count` pictures, in MB.

    Raises: CalledProcessError: the training failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        table = write_pictures(Path(folder), count)
        command = [
            sys.executable, "-c", CHILD, "--preset", "scorer", "--run", f"{folder}/run",
            f"scorer.data={table}", *SETTINGS,
        ]  # fmt: skip
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return int(done.stdout.split()[-1]) / 1024


def main() -> None:
    """Show both peaks and the growth."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=int)
    count = parser.parse_args().pictures
    few, many = peak_mb(FEW), peak_mb(count)
    log.info("%d pictures: %.0f MB; %d: %.0f MB; growth %.0f MB", FEW, few, count, many, many - few)


if __name__ == "__main__":
    main()
