"""transformers vision-language models under ComfyUI's memory management.

A model lies in a ModelPatcher, so core brings it to the GPU, moves it away for a sampler, and lets
go of it on "Unload models" and /free. What is kept here between prompts is let go of then, too.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import comfy.model_management as management
import folder_paths
import torch
from comfy.cli_args import args
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import CallbacksMP

from ...emofeedback.errors import CheckpointError
from ...emofeedback.lvlm.folder import HOW_TO_GET, load_folder
from ...emofeedback.lvlm.local import TransformersLvlm
from ...emofeedback.lvlm.precision import fast_dtype
from .model_folders import LVLM

NONE = "none"
MISSING = "(no model found)"
MOST_KEPT = 2
LINGER_S = 1.0
"""Core still looks at a model just after detaching it, so it must outlive that moment."""
_MARKS = {"models": "config.json", "adapters": "adapter_config.json"}
_Key = tuple[str, str, float]
_kept: OrderedDict[_Key, KeptLvlm] = OrderedDict()


def list_folders(kind: str) -> list[str]:
    """Names of the "models" or "adapters" in the registered folders, at most two levels deep."""
    found = set()
    for root in map(Path, folder_paths.get_folder_paths(LVLM)):
        for pattern in (f"*/{_MARKS[kind]}", f"*/*/{_MARKS[kind]}"):
            found |= {path.parent.relative_to(root).as_posix() for path in root.glob(pattern)}
    return sorted(found)


def find_folder(name: str, kind: str = "models") -> Path:
    """The folder of a listed name.

    Raises: CheckpointError: it is not there; says where models are looked for and how to get one.
    """
    roots = [Path(root) for root in folder_paths.get_folder_paths(LVLM)]
    if name in list_folders(kind):
        return next(root / name for root in roots if (root / name / _MARKS[kind]).is_file())
    places = ", ".join(str(root) for root in roots)
    raise CheckpointError(
        f"There is no {kind.removesuffix('s')} {name!r} in {places} (there: "
        f"{', '.join(list_folders(kind)) or 'nothing'}). "
        + HOW_TO_GET.format(folder=roots[0] / "Qwen3-VL-2B-Instruct")
    )


class LvlmModule(torch.nn.Module):
    """Carries a transformers model, which forbids the attributes that ModelPatcher sets."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model


@dataclass
class KeptLvlm(TransformersLvlm):
    """A transformers model that leaves the GPU after each use where `keep` is off."""

    patcher: Any = None
    keep: bool = True

    def release(self) -> None:
        """After each use: off the device, unless it is to be kept there."""
        if not self.keep:
            management.unload_model_and_clones(self.patcher)


def managed_lvlm(name: str, adapter: str = NONE, *, keep: bool = True) -> KeptLvlm:
    """The model of a folder, loaded at most once while core keeps it.

    Raises: CheckpointError: missing or damaged. MissingDependencyError.
    """
    folder = find_folder(name)
    adapter_folder = None if adapter == NONE else find_folder(adapter, "adapters")
    key = (str(folder), str(adapter_folder), newest_change(folder, adapter_folder))
    dtype = folder_dtype(management.text_encoder_device())
    lvlm = _kept.get(key) or _manage(load_folder(folder, adapter=adapter_folder, dtype=dtype), key)
    _kept[key] = lvlm
    _kept.move_to_end(key)
    while len(_kept) > MOST_KEPT:
        _kept.popitem(last=False)
    lvlm.keep = keep
    return lvlm


def newest_change(*folders: Path | None) -> float:
    """When a file of the folders was last written."""
    files = [path for folder in folders if folder is not None for path in folder.glob("*")]
    return max((path.stat().st_mtime for path in files), default=0.0)


def folder_dtype(device: torch.device) -> torch.dtype:
    """What weights are loaded in: core's choice, but bfloat16 on a CPU that computes in it.

    Core takes float16 on every CPU, where a reading then lasts three times as long. Its flags for
    text encoders (`--fp32-text-enc` and others) stay in force, those for 8 bits as float16.
    """
    chosen: torch.dtype = management.text_encoder_dtype(device)
    if chosen.itemsize == 1:  # transformers loads no 8-bit floats
        chosen = torch.float16
    flagged = any(on for name, on in vars(args).items() if name.endswith("_text_enc"))
    if flagged or not management.is_device_cpu(device) or fast_dtype() != torch.bfloat16:
        return chosen
    return torch.bfloat16


def _manage(plain: TransformersLvlm, key: _Key) -> KeptLvlm:
    patcher = ModelPatcher(
        LvlmModule(plain.model),
        load_device=management.text_encoder_device(),
        offload_device=management.text_encoder_offload_device(),
    )

    def let_go(_: Any, unpatch_all: bool) -> None:
        if unpatch_all and key in _kept:  # core detaches what it loads again for a moment, too
            threading.Timer(LINGER_S, _forget, [_kept.pop(key)]).start()

    patcher.add_callback(CallbacksMP.ON_DETACH, let_go)
    return KeptLvlm(
        plain.model,
        plain.processor,
        plain.name,
        plain.prompts,
        place=lambda needed: placed(patcher, needed),
        room=lambda: _room(patcher),
        patcher=patcher,
    )


def _forget(lvlm: KeptLvlm) -> None:
    """Ends with the last hold on the model, if nobody else uses it."""


@contextmanager
def placed(patcher: Any, needed: int) -> Iterator[torch.device]:
    """A model on its device, with room for bytes that a pass needs beside it."""
    management.load_models_gpu([patcher], memory_required=needed, force_full_load=True)
    yield patcher.load_device


def _room(patcher: Any) -> int:
    """Bytes that a pass may use: what is free once the weights are there, with a margin."""
    free = management.get_free_memory(patcher.load_device)
    missing = 0 if patcher.loaded_size() else patcher.model_size()
    return max(0, int((free - missing) * 0.7))
