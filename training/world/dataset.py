"""Many drawn pictures on disk: rendered once by several processes, kept, and grown on demand."""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

import numpy as np

from emofeedback.records.files import write_json

from .scene import Scene, sample_scene

_Mode = Literal["r", "r+"]
Draw = Callable[[list[Scene], int], np.ndarray]
"""Scenes and a side -> pictures, uint8 [B, side, side, 3]."""
logger = logging.getLogger(__name__)

CACHE_DIR = Path(__file__).parents[2] / "runs" / "embedded" / "pictures"
_CHUNK = 128
"""Pictures per unit of work; a killed run loses at most this many per process."""

_PROBES = 96
"""Scenes that stand for all in the fingerprint; they contain every cue level."""


@dataclass(frozen=True)
class PictureSet:
    """Scenes and their pictures, uint8 [count, size, size, 3], read from disk on access."""

    scenes: list[Scene]
    pictures: np.ndarray


def scene_at(index: int, *, seed: int, split: str) -> Scene:
    """Scene number `index` of the set of that seed; does not depend on the size of the set."""
    return sample_scene(np.random.default_rng([seed, index]), split=split)


@cache
def fingerprint(split: str) -> str:
    """Changes when scenes or their pictures change, so that no stale set is reused."""
    from .render import render

    digest = hashlib.sha256()
    for index in range(_PROBES):
        scene = scene_at(index, seed=0, split=split)
        digest.update(repr(scene).encode())
        digest.update(render(scene, 48).tobytes())
    return digest.hexdigest()[:10]


def _open(path: Path, count: int, size: int, mode: _Mode) -> np.memmap:
    shape = (count, size, size, 3)
    return np.memmap(path, dtype=np.uint8, mode=mode, shape=shape)


def _rendered(scenes: list[Scene], size: int) -> np.ndarray:
    from .render import render

    return np.stack([render(scene, size) for scene in scenes])


def _draw_chunk(draw: Draw, chunk: int, *, path: Path, seed: int, split: str, size: int) -> int:
    first = chunk * _CHUNK
    pictures = _open(path, first + _CHUNK, size, "r+")
    scenes = scenes_of(range(first, first + _CHUNK), seed=seed, split=split)
    pictures[first:] = draw(scenes, size)
    pictures.flush()
    return chunk


def _read_done(progress: Path, picture_file: Path, size: int) -> set[int]:
    """Finished chunks that the picture file still holds; a shortened file loses its tail only."""
    try:
        done = set(json.loads(progress.read_text()))
        whole = picture_file.stat().st_size // (_CHUNK * size * size * 3)
    except (OSError, ValueError, TypeError):
        return set()
    return done & set(range(whole))


def _write_done(progress: Path, done: set[int]) -> None:
    write_json(progress, sorted(done), indent=None)


def _grow(path: Path, num_bytes: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        if file.tell() < num_bytes:
            file.truncate(num_bytes)


def _render_missing(
    draw: Callable[[int], int], missing: list[int], done: set[int], progress: Path, workers: int
) -> None:
    from tqdm import tqdm

    with tqdm(total=len(missing) * _CHUNK, desc="drawing", unit="picture") as bar:

        def finish(chunk: int) -> None:
            done.add(chunk)
            _write_done(progress, done)
            bar.update(_CHUNK)

        if workers == 1 or len(missing) == 1:
            for chunk in missing:
                finish(draw(chunk))
            return
        # A forked child of a process that runs torch threads can hang, hence spawn.
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            for job in as_completed([pool.submit(draw, chunk) for chunk in missing]):
                finish(job.result())


def picture_set(
    count: int,
    *,
    seed: int,
    size: int,
    split: str,
    cache_dir: Path | str | None = None,
    workers: int | None = None,
) -> PictureSet:
    """The first `count` pictures of a seed, drawn once and then read from disk.

    Kept under `cache_dir` (default `runs/embedded/pictures`); a killed or larger call goes on
    from what is there, and a changed renderer starts a new set.

    Args:
        size: Width and height in pixels.
        split: "train", "held_out" or "any" (place, subject) pairs.
        workers: Processes; all cores when None.
    Raises: ValueError: `count` or `size` below 1. MissingDependencyError: skia is missing.
    """
    if count < 1 or size < 1:
        raise ValueError(f"count is {count} and size is {size}; both must be at least 1.")
    folder = Path(cache_dir) if cache_dir else CACHE_DIR
    path = folder / f"{split}-{size}-{seed}-{fingerprint(split)}.u8"
    draw = partial(_draw_chunk, _rendered, path=path, seed=seed, split=split, size=size)
    pictures = _kept(path, count, size, draw, workers or os.cpu_count() or 1)
    return PictureSet(scenes_of(range(count), seed=seed, split=split), pictures)


def scenes_of(indices: Iterable[int], *, seed: int, split: str) -> list[Scene]:
    """Those scenes of the set of that seed."""
    return [scene_at(index, seed=seed, split=split) for index in indices]


def kept_set(name: str, count: int, *, seed: int, size: int, split: str, draw: Draw) -> PictureSet:
    """As `picture_set`, for pictures that something else than the renderer makes of the scenes.

    Args:
        name: tells apart what made them; a new name starts a new set.
        draw: scenes -> uint8 [B, size, size, 3], called in this process.
    """
    path = CACHE_DIR / f"{name}-{split}-{size}-{seed}-{fingerprint(split)}.u8"
    draw_chunk = partial(_draw_chunk, draw, path=path, seed=seed, split=split, size=size)
    pictures = _kept(path, count, size, draw_chunk, 1)
    return PictureSet(scenes_of(range(count), seed=seed, split=split), pictures)


def _kept(
    path: Path, count: int, size: int, draw: Callable[[int], int], workers: int
) -> np.ndarray:
    num_chunks = -(-count // _CHUNK)
    progress = path.with_suffix(".json")
    done = _read_done(progress, path, size)
    missing = [chunk for chunk in range(num_chunks) if chunk not in done]
    if missing:
        logger.info("drawing %d pictures into %s", len(missing) * _CHUNK, path)
        _grow(path, num_chunks * _CHUNK * size * size * 3)
        _render_missing(draw, missing, done, progress, workers)
    return _open(path, num_chunks * _CHUNK, size, "r")[:count]
