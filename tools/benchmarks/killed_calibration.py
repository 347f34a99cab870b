"""Kills `python -m emofeedback calibrate` at random moments and lets it go on.

What is measured: readings that were in the file before a kill and not after it, readings made
twice, and bytes of the calibration that differ from those of a run that nobody killed. Pictures are
drawn from the seed, their ratings follow what the embedded scorer reads.

    python -m tools.benchmarks.killed_calibration 20 --seed 1
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from emofeedback.embedded.scorer import load_scorer
from emofeedback.images import load_picture
from emofeedback.reading.kept import ENDING

log = logging.getLogger(__name__)
PICTURES = 400


def rated_folder(folder: Path, seed: int) -> None:
    """Coarse pictures in many colours, and a table of ratings on -3..3."""
    folder.mkdir()
    noise, scorer = np.random.default_rng(seed), load_scorer()
    rows = ["file,valence,arousal,theme"]
    for number in range(PICTURES):
        pixels = noise.integers(0, 255, (8, 8, 3), dtype=np.uint8) // (1 + number % 4)
        path = folder / f"{number}.png"
        Image.fromarray(pixels).resize((128, 128)).save(path)
        (reading,) = scorer.score(load_picture(path))
        felt = (reading.emotion.valence, reading.emotion.arousal)
        rated = [float(np.clip(0.8 * x + noise.normal(0, 0.1), -3, 3)) for x in felt]
        rows.append(f"{path.name},{rated[0]:.3f},{rated[1]:.3f},theme {number % 12}")
    (folder / "ratings.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def whole_lines(kept: Path) -> list[str]:
    """The pictures of the readings that are whole."""
    found = []
    for line in kept.read_bytes().splitlines() if kept.exists() else []:
        try:
            found.append(json.loads(line)["picture"])
        except ValueError:
            continue  # cut off by a kill
    return found


def main() -> None:
    """Prints one line of JSON with the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kills", type=int)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    chance = random.Random(options.seed)  # noqa: S311  moments, not secrets
    with tempfile.TemporaryDirectory() as made:
        rated, out, undisturbed = (Path(made) / n for n in ("rated", "fit.json", "one/fit.json"))
        rated_folder(rated, options.seed)
        command = [sys.executable, "-m", "emofeedback", "calibrate", str(rated), "--scale=-3..3"]
        started = time.monotonic()
        subprocess.run([*command, "--out", str(undisturbed)], check=True, capture_output=True)
        whole = time.monotonic() - started
        kept, lost, killed = out.with_name(out.name + ENDING), 0, 0
        while killed < options.kills:
            before = whole_lines(kept)
            process = subprocess.Popen(
                [*command, "--out", str(out)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            try:
                process.wait(chance.uniform(0.2, 1.0) * whole)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                killed += 1
            lost += len(set(before) - set(whole_lines(kept)))
            log.info("%d kills: %d readings kept", killed, len(whole_lines(kept)))
            if out.exists() and killed < options.kills:
                if out.read_bytes() != undisturbed.read_bytes():
                    break
                out.unlink()
                kept.unlink()
        subprocess.run([*command, "--out", str(out)], check=True, capture_output=True)
        pictures = whole_lines(kept)
        differing = sum(
            a != b for a, b in zip(out.read_bytes(), undisturbed.read_bytes(), strict=True)
        )
        counts = {"kills": killed, "readings lost": lost, "differing bytes": differing}
        log.info("%s", json.dumps(counts | {"read twice": len(pictures) - len(set(pictures))}))


if __name__ == "__main__":
    main()
