"""`python -m tools.measure_photographs RATED --encoder ...`: heads on photographs, as the docs say.

Downloads nothing: it takes a folder of rated pictures (OASIS) and whatever encoders are given, and
prints a row an encoder and one for all joined, on themes held out, as means over shuffles of the
folds. With `--head` it reads ComfyUI's own example pictures instead, of which a list chosen by hand
stands in example_pictures.json: everyday pictures of real generators, without ratings.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from emofeedback.commands.fit import strangers
from emofeedback.embedded.picture_encoder import open_any_encoder
from emofeedback.embedded.scorer import load_scorer
from emofeedback.images import load_picture
from emofeedback.reading.base import Scorer
from emofeedback.reading.calibration import pearson
from emofeedback.reading.encoders import encode
from emofeedback.reading.features import picture_features
from emofeedback.reading.head_fit import hold_out
from emofeedback.reading.head_scorer import HeadScorer, open_head
from emofeedback.reading.rated import RatedPicture, read_ratings
from emofeedback.records.reading import Reading

log = logging.getLogger(__name__)
EXAMPLES = Path(__file__).with_name("example_pictures.json")
AXES = ("V", "A")
NOISES, BATCH, REPEATS = 24, 16, 9


def main() -> int:
    """Measures what the command line asks for."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    parser = argparse.ArgumentParser(prog="python -m tools.measure_photographs")
    parser.add_argument("rated", type=Path, nargs="?", help="as for fit")
    parser.add_argument("--encoder", action="append", default=[], help="as for fit")
    parser.add_argument("--head", type=Path, help="reads ComfyUI's example pictures")
    parser.add_argument(
        "--noise", action="store_true", help="with --head: noise that it warns of, and its cost"
    )
    parser.add_argument("--shuffles", type=int, default=5)
    parser.add_argument("--kept", type=Path, default=Path("runs/photographs"), help="features")
    options = parser.parse_args()
    if options.head is not None:
        head = open_head(options.head, options.encoder, open_any_encoder)
        if options.noise:
            log.info("%s\n%s", noise_table(head), cost_line(head))
        else:
            log.info("%s", examples_table(head))
    else:
        pictures = read_ratings(options.rated)
        log.info("%s", rated_table(pictures, options.encoder, options.shuffles, options.kept))
    return 0


def rated_table(pictures: list[RatedPicture], specs: list[str], shuffles: int, kept: Path) -> str:
    """Markdown: each encoder, then all joined."""
    ratings = np.array([(p.emotion.valence, p.emotion.arousal) for p in pictures])
    themes = [picture.theme for picture in pictures]
    foreign = strangers(pictures)
    names, blocks, apart = [], [], []
    for spec in specs:
        encoder = open_any_encoder(spec)
        place = kept / f"{encoder.digest[:8]}.safetensors"
        found = picture_features(encoder, pictures, place, lambda *_: None)
        with torch.inference_mode():
            seen = torch.cat([encode([encoder], images)[0] for images in foreign])
        names.append(encoder.name)
        blocks.append(found.double().numpy())
        apart.append(seen.double().numpy())
    asked = [[number] for number in range(len(specs))]
    asked += [list(range(len(specs)))] if len(specs) > 1 else []
    rows = [
        "| encoder | r V | r A | MAE V | MAE A | within one sd V | A | warned |",
        "| --- " * 8 + "|",
    ]
    for chosen in asked:
        told = []
        for seed in range(shuffles):
            held = hold_out(
                [blocks[i] for i in chosen], ratings, themes,
                np.concatenate([apart[i] for i in chosen], 1), seed=seed,
            )  # fmt: skip
            missed = np.abs(ratings - held.read)
            told.append(
                [
                    *(pearson(ratings[:, axis], held.read[:, axis]) for axis in (0, 1)),
                    *missed.mean(0),
                    *(missed <= held.spread).mean(0),
                    held.foreign.mean(),
                ]
            )
        cells = [
            f"{mean:.3f} ({low:.3f} to {high:.3f})"
            for mean, low, high in zip(
                np.mean(told, 0), np.min(told, 0), np.max(told, 0), strict=True
            )
        ]
        rows.append(f"| {' + '.join(names[i] for i in chosen)} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def examples_table(head: Scorer) -> str:
    """What the head and the embedded scorer say of the example pictures."""
    listed = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    read = _read(head, listed["pictures"])
    warned = np.mean([bool(reading.warnings) for reading in read.values()])
    embedded = _read(load_scorer(), listed["pictures"])
    known = np.mean([bool(reading.warnings) for reading in embedded.values()])
    sides = {side: [read[n] for n in listed[side] if n in read] for side in SIDES}
    pairs = [
        np.sign(one.emotion.valence - other.emotion.valence) / 2 + 0.5
        for one in sides["pleasant"]
        for other in sides["unpleasant"]
    ]
    return (
        f"{len(read)} of {len(listed['pictures'])} listed pictures are installed, all read.\n"
        f"The embedded scorer warns of {known:.1%}, the head of {warned:.1%}.\n"
        f"Pleasant against unpleasant ({', '.join(str(len(each)) for each in sides.values())}): "
        f"AUC {np.mean(pairs):.2f} by the head's valence."
    )


def noise_pictures() -> dict[str, torch.Tensor]:
    """Pictures of nothing by kind, [`NOISES`, 256, 256, 3] each."""
    draw = torch.Generator().manual_seed(5)

    def grain(side: int, channels: int = 3) -> torch.Tensor:
        coarse = torch.rand(NOISES, channels, side, side, generator=draw)
        return torch.nn.functional.interpolate(coarse, 256, mode="bicubic").clamp(0, 1)

    kinds = {
        "a colour for each pixel": grain(256),
        "grey, a value for each pixel": grain(256, 1).expand(-1, 3, -1, -1),
        "grain of 8 pixels": grain(32),
        "clouds of colour": grain(6),
        "one even colour": grain(1),
    }
    return {name: pictures.movedim(1, -1).contiguous() for name, pictures in kinds.items()}


def noise_table(head: Scorer) -> str:
    """Markdown: the share of each kind of noise that a head warns of."""
    rows = ["| noise | warned |", "| --- | --- |"]
    warned: list[bool] = []
    for name, pictures in noise_pictures().items():
        mine = [bool(reading.warnings) for reading in head.score(pictures)]
        warned += mine
        rows.append(f"| {name} | {np.mean(mine):.0%} |")
    return "\n".join([*rows, f"| all | {np.mean(warned):.0%} |"])


def cost_line(head: HeadScorer) -> str:
    """How long a batch takes with the head, of what its encoders take alone."""
    pictures = noise_pictures()["clouds of colour"][:BATCH]
    spent: dict[str, list[float]] = {"encoder": [], "head": []}
    for _ in range(REPEATS + 1):
        for name, times in spent.items():
            started = time.process_time()
            with torch.inference_mode():
                encode(head.encoders, pictures) if name == "encoder" else head.score(pictures)
            times.append(time.process_time() - started)
    alone, whole = (min(each[1:]) for each in spent.values())  # what is shared only adds
    return (
        f"A batch of {BATCH}: {whole:.3f} processor seconds with the head, {alone:.3f} of the "
        f"encoder alone: {whole / alone:.3f} (the least of {REPEATS} each, interleaved)."
    )


SIDES = ("pleasant", "unpleasant")


def _read(scorer: Scorer, names: list[str]) -> dict[str, Reading]:
    found = {}
    for name in names:
        package, _, inside = name.partition("/")
        place = find_spec(package)
        for root in (place.submodule_search_locations or ()) if place else ():
            path = Path(root) / inside
            if path.is_file():
                found[name] = scorer.score(load_picture(path, side=256))[0]
    return found


if __name__ == "__main__":
    sys.exit(main())
