"""`python -m emofeedback fits`: which graphics card holds a generator and a scorer.

Weights are told by file headers; what the work itself takes is a rule of thumb, and said to be. A
phase of a loop needs its own models only: ComfyUI moves the others away, which costs seconds.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigError
from ..records.weights import read_header

log = logging.getLogger(__name__)
CARDS = (6, 8, 12, 16, 24, 32)
GIB = 2**30
TAKEN = 1.0
"""GiB that the desktop and ComfyUI's reserve keep."""
SAMPLING = 0.9
"""GiB of work for one picture of 1024 x 1024; more pictures or pixels take more in proportion."""
READING = 1.0
"""GiB of work for reading one picture."""
DECODING = 2178 * 64 * 2 / 64
"""Bytes a pixel that ComfyUI expects of a decoder in 16 bit (2178 x 64 values a latent cell)."""
WEIGHTS = (".safetensors", ".gguf")


@dataclass(frozen=True)
class Phase:
    """One part of a round."""

    name: str
    weights: float
    """GiB."""
    work: float
    """GiB, by rule of thumb."""

    @property
    def together(self) -> float:
        """GiB."""
        return self.weights + self.work


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    for name, what in (
        ("generator", "diffusion model or checkpoint"),
        ("encoders", "text encoders, where they are files of their own"),
        ("vae", "autoencoder, where it is a file of its own"),
        ("scorer", "vision-language model: file or folder; leave out for a server"),
    ):
        parser.add_argument(
            f"--{name}", type=Path, nargs="+", default=[], metavar="FILE", help=what
        )
    parser.add_argument("--side", type=int, default=1024, help="of the pictures, in pixels")
    parser.add_argument("--pictures", type=int, default=4, help="sampled at once: candidates")


def run(options: argparse.Namespace) -> int:
    """Show what each phase takes and what each card does with it."""
    if not options.generator or options.side < 64 or options.pictures < 1:
        raise ConfigError("Give --generator FILE; --side is 64 or more, --pictures 1 or more.")
    found = phases(
        generator=weights_of(options.generator), encoders=weights_of(options.encoders),
        vae=weights_of(options.vae), scorer=weights_of(options.scorer),
        side=options.side, pictures=options.pictures,
    )  # fmt: skip
    log.info("%s", table(found))
    return 0


def weights_of(paths: Sequence[Path]) -> float:
    """GiB of all weight files given, or in the folders given.

    Raises: CheckpointError: a damaged file. ConfigError: a path with no weights.
    """
    total = 0
    for path in paths:
        files = [path] if path.is_file() else sorted(path.rglob("*.safetensors"))
        if not files or any(file.suffix not in WEIGHTS for file in files):
            raise ConfigError(f"There are no weights (.safetensors or .gguf) at {path}.")
        for file in files:
            if file.suffix == ".gguf":
                total += file.stat().st_size  # quantised blocks are kept as they are
                continue
            spans = (entry["data_offsets"] for entry in read_header(file).tensors.values())
            total += sum(end - begin for begin, end in spans)
    return total / GIB


def phases(
    *, generator: float, encoders: float, vae: float, scorer: float, side: int, pictures: int
) -> tuple[Phase, ...]:
    """The phases of a round; arguments are GiB of weights."""
    share = (side / 1024) ** 2
    found = [
        Phase("encode the prompt", encoders, 0.3),
        Phase("sample", generator, SAMPLING * share * pictures),
        Phase("decode", vae, DECODING * side**2 / GIB),
    ]
    if scorer:
        found.append(Phase("read and rewrite", scorer, READING))
    return tuple(found)


def verdict(found: Sequence[Phase], card: float) -> str:
    """What a card of so many GB does with the phases, in words."""
    room = card - TAKEN
    everything = sum(phase.weights for phase in found) + max(phase.work for phase in found)
    if everything <= room:
        return "all at once"
    told = []
    for phase in found:
        if phase.together <= room:
            continue
        if phase.name == "decode":
            told.append("decodes in tiles")
        elif phase.name == "sample" and phase.weights + SAMPLING <= room:
            told.append("fewer candidates at once")
        else:
            told.append(f"{phase.name}: weights stay partly in main memory, slow")
    return "; ".join(told) or "one phase after the other"


def table(found: Sequence[Phase]) -> str:
    """Phases, then cards, as text."""
    lines = [
        f"{'phase':<18} {'weights':>8} {'work':>8} {'together':>9}   GiB; work is a rule of thumb"
    ]
    lines += [
        f"{phase.name:<18} {phase.weights:8.1f} {phase.work:8.1f} {phase.together:9.1f}"
        for phase in found
    ]
    lines += ["", *(f"{card:>3} GB  {verdict(found, card)}" for card in CARDS)]
    return "\n".join(lines)
