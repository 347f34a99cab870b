"""How long generator and vision-language model take to change places in ComfyUI's memory.

    python -m tools.benchmarks.alternating --card 20 [--rounds 4] [--tiny] [COMFYUI_TREE]

SD3.5-Medium's network (loaded by ComfyUI as it loads any diffusion model) paints, the language
model of an 8 B vision-language model (as *Load Emotion Scorer* keeps it) reads, and so on, with
random weights. ComfyUI is told to reserve what the card has beyond `--card` GB, as
`--reserve-vram` does: so a large card behaves as one on which both do not fit. Without a GPU
nothing moves.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import logging
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from launcher.places import ROOT
from training.benchmarks.true_shape import READ_TOKENS, TEXT_TOKENS, TrueShape, new_language

log = logging.getLogger(__name__)
PACK = "custom_nodes.emofeedback"
STEPS, PICTURES = 10, 4


def main() -> int:
    """Measure and print."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--card", type=float, default=20, help="GB that ComfyUI may use")
    options.add_argument("--rounds", type=int, default=4)
    options.add_argument("--tiny", action="store_true", help="small shapes: a dry run on a CPU")
    tree = os.environ.get("COMFYUI_PATH") or ROOT / ".comfyui" / "src"
    options.add_argument("tree", nargs="?", type=Path, default=Path(tree), help="ComfyUI's folder")
    asked = options.parse_args()
    reserve(asked.tree, asked.card)
    with torch.inference_mode():
        alternate(asked.rounds, tiny=asked.tiny)
    return 0


def reserve(tree: Path, card: float) -> None:
    """Puts ComfyUI on the import path and has it keep all but so many GB of a GPU free."""
    sys.path.insert(0, str(tree))
    from comfy.cli_args import args

    args.cpu = not torch.cuda.is_available()
    if not args.cpu:
        total = torch.cuda.get_device_properties(0).total_memory / 2**30
        args.reserve_vram = max(0.0, total - card)
        log.info("%.0f GiB of %.0f reserved", args.reserve_vram, total)


def alternate(rounds: int, *, tiny: bool) -> None:
    """Paints and reads in turn, and says how long each waits for its place."""
    painter, reader = managed_generator(tiny=tiny), managed_reader(tiny=tiny)
    waits: dict[str, list[float]] = {"generator": [], "reader": []}
    for number in range(1, rounds + 1):
        for name, (bring, work) in (("generator", painter), ("reader", reader)):
            there, done = _seconds(bring), _seconds(work)
            waits[name].append(there)
            log.info("round %d, %-9s there after %.3f s, works %.3f s", number, name, there, done)
    for name, found in waits.items():
        log.info("%-9s changes places in %.3f s (median)", name, statistics.median(found[1:]))
    if torch.cuda.is_available():
        log.info("most memory %.1f GiB", torch.cuda.max_memory_allocated() / 2**30)


def managed_generator(*, tiny: bool) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """What brings the generator to its device, and what paints a batch there."""
    import comfy.model_management as management
    import comfy.sd

    device, dtype = management.get_torch_device(), torch.float32 if tiny else torch.bfloat16
    made = TrueShape(tiny=tiny, device=device, dtype=dtype)
    state = {name: value.cpu() for name, value in made.transformer.state_dict().items()}
    shape, made.transformer = made.latent_shape, None
    patcher = comfy.sd.load_diffusion_model_state_dict(state, {"dtype": dtype})
    latents = torch.randn(PICTURES, *shape, device=device)
    words = torch.randn(PICTURES, TEXT_TOKENS, 4096, device=device)
    pooled, sigma = torch.randn(PICTURES, 2048, device=device), torch.full((PICTURES,), 0.5)

    def bring() -> None:
        needed = patcher.memory_required([2 * PICTURES, *shape])
        management.load_models_gpu([patcher], memory_required=needed)

    def paint() -> None:
        for _ in range(1 if tiny else STEPS):
            patcher.model.apply_model(latents, sigma.to(device), c_crossattn=words, y=pooled)

    return bring, paint


def managed_reader(*, tiny: bool) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """What brings the reader to its device, and what reads a batch there in one pass."""
    import comfy.model_management as management
    from comfy.model_patcher import ModelPatcher

    folder_lvlm = _pack("nodes.comfy.folder_lvlm")
    model = new_language(tiny=tiny, device=management.text_encoder_device())
    patcher = ModelPatcher(
        folder_lvlm.LvlmModule(model.cpu()),
        load_device=management.text_encoder_device(),
        offload_device=management.text_encoder_offload_device(),
    )
    ids = torch.randint(5, model.config.vocab_size, (PICTURES, READ_TOKENS))

    def bring() -> None:
        with folder_lvlm.placed(patcher, 2**30):
            return

    def read() -> None:
        model(ids.to(patcher.load_device), logits_to_keep=1)

    return bring, read


def _pack(part: str) -> Any:
    """A module of this pack, imported as ComfyUI imports a folder of custom_nodes."""
    spec = importlib.util.spec_from_file_location(
        PACK, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    assert spec is not None and spec.loader is not None
    sys.modules[PACK] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[PACK])
    return importlib.import_module(f"{PACK}.{part}")


def _seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
