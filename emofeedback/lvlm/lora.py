"""A LoRA that peft or this project's training wrote, added to a model's own weights.

peft itself would follow the file: other kinds of adapters look up hosts that the file names, target
modules are regular expressions, and tensors that fit nothing are passed over. So the product is
added here, after every tensor has been compared with the layer that it names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..errors import CheckpointError
from ..records.files import parsed
from ..records.weights import Header, read_file, read_header

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
MAX_CONFIG_BYTES = 2**20
MAX_ALPHA = 1e6
DOWN, UP = ".lora_A.weight", ".lora_B.weight"
WRAPPED = "base_model.model."
# how transformers before 4.52 named the same layers -> how it names them since
OLDER_NAMES = (
    ("model.layers.", "model.language_model.layers."),
    ("visual.", "model.visual."),
    ("language_model.model.layers.", "model.language_model.layers."),
    ("vision_tower.", "model.vision_tower."),
)
# settings whose change is more than B @ A on layers named plainly
BEYOND = (
    "use_dora", "use_qalora", "lora_bias", "modules_to_save", "layer_replication", "alpha_pattern",
    "trainable_token_indices", "target_parameters", "alora_invocation_tokens", "megatron_config",
)  # fmt: skip
PLAIN_MARKS = str.maketrans("", "", "._-")
# other ways to start a LoRA change the base's weights as well
STARTS = (None, True, False, "gaussian", "orthogonal", "eva")


def merge_lora(model: nn.Module, folder: Path) -> None:
    """Adds a LoRA's change to the weights of a model, in place; no second copy is kept.

    Raises: CheckpointError: files missing or damaged, another kind of adapter, or tensors that do
        not all fit ("n of m").
    """
    missing = [name for name in (CONFIG, WEIGHTS) if not (folder / name).is_file()]
    if missing:
        raise CheckpointError(
            f"The adapter in {folder} lacks {', '.join(missing)}. Choose a folder that peft or "
            "this project's training wrote."
        )
    config = _config(folder)
    layers = {
        name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)
    }
    pairs = _fitting(folder, read_header(folder / WEIGHTS), layers)
    _check_whole(folder, config, set(pairs), layers)
    tensors, _ = read_file(folder / WEIGHTS)
    for name, key in sorted(pairs.items()):
        down, up = tensors[key + DOWN].float(), tensors[key + UP].float()
        if not (down.isfinite().all() and up.isfinite().all()):
            raise _unfit(folder, f"the tensors of {key} hold numbers that are not finite")
        rank = down.shape[0]
        scale = config["lora_alpha"] / (rank**0.5 if config.get("use_rslora") else rank)
        weight = layers[name].weight
        with torch.no_grad():
            weight.copy_(weight.float() + scale * (up @ down))


def _config(folder: Path) -> dict[str, Any]:
    """The settings of the adapter, of the one kind that is read.

    Raises: CheckpointError: no table, no LoRA, names that are no plain list, or more than a LoRA.
    """
    path = folder / CONFIG
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise _unfit(folder, f"{CONFIG} has {path.stat().st_size} bytes")
        config = parsed(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise _unfit(folder, f"{CONFIG} is no JSON ({str(error)[:80]})") from error
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        kind = config.get("peft_type") if isinstance(config, dict) else type(config).__name__
        raise _unfit(folder, f"{CONFIG} is of the kind {str(kind)[:40]!r}; only LORA is read")
    for name in ("target_modules", "exclude_modules"):
        words = config.get(name) or []
        if not isinstance(words, list) or not all(isinstance(w, str) and _plain(w) for w in words):
            raise _unfit(folder, f"{name} is {str(words)[:60]!r}; only a list of plain names is")
    beyond = [name for name in BEYOND if config.get(name)]
    if config.get("bias", "none") != "none" or config.get("init_lora_weights") not in STARTS:
        beyond.append("bias or init_lora_weights")
    if beyond:
        raise _unfit(folder, f"it uses {', '.join(beyond)}; only a plain LoRA is read")
    alpha = config.get("lora_alpha")
    if not isinstance(alpha, int | float) or not 0 < alpha <= MAX_ALPHA:
        raise _unfit(folder, f"lora_alpha is {str(alpha)[:40]!r}")
    return config


def _plain(name: str) -> bool:
    return 0 < len(name) <= 200 and name.translate(PLAIN_MARKS).isalnum()


def _fitting(folder: Path, header: Header, layers: Mapping[str, nn.Linear]) -> dict[str, str]:
    """Layer -> the stem of its two tensors' names, each compared by shape.

    Raises: CheckpointError: any tensor fits no layer.
    """
    shapes = {key: tuple(entry["shape"]) for key, entry in header.tensors.items()}
    pairs: dict[str, str] = {}
    misfits = []
    for key in shapes:
        stem = key.removesuffix(DOWN).removesuffix(UP)
        name = _layer_name(stem.removeprefix(WRAPPED), layers)
        down, up = shapes.get(stem + DOWN, ()), shapes.get(stem + UP, ())
        fits = name is not None and len(down) == len(up) == 2 and down[0] == up[1] > 0
        if name is None or not fits or pairs.get(name, stem) != stem:
            misfits.append(key)
            continue
        weight = tuple(layers[name].weight.shape)
        if (up[0], down[1]) != weight:
            misfits.append(key)
            continue
        pairs[name] = stem
    if misfits or not pairs:
        first = f"; {misfits[0][:120]!r} is the first that does not" if misfits else ""
        raise _unfit(folder, f"{len(shapes) - len(misfits)} of {len(shapes)} tensors fit{first}")
    return pairs


def _layer_name(name: str, layers: Iterable[str]) -> str | None:
    """The layer that a stem names, today or before transformers 4.52; None without one."""
    older = (new + name.removeprefix(old) for old, new in OLDER_NAMES if name.startswith(old))
    return next((each for each in (name, *older) if each in layers), None)


def _check_whole(
    folder: Path, config: Mapping[str, Any], given: set[str], layers: Iterable[str]
) -> None:
    """Raises: CheckpointError: layers that the settings name have no tensors."""
    chosen = config.get("layers_to_transform")
    numbers = None if chosen is None else {str(n) for n in _as_list(chosen)}
    skipped = config.get("exclude_modules") or []
    wanted = {
        layer
        for layer in layers
        if _named(layer, config.get("target_modules") or []) and not _named(layer, skipped)
        if numbers is None or numbers & set(layer.split("."))
    }
    absent = sorted(wanted - given)
    if absent:
        raise _unfit(
            folder,
            f"{2 * len(given)} of {2 * len(given | wanted)} tensors are there; "
            f"those of {absent[0]} are the first that are not",
        )


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _named(layer: str, words: Iterable[str]) -> bool:
    return any(layer == word or layer.endswith(f".{word}") for word in words)


def _unfit(folder: Path, reason: str) -> CheckpointError:
    return CheckpointError(
        f"The adapter in {folder} does not fit the model: {reason}. Choose a LoRA that was trained "
        "on this model, or merge it into the model's folder with the program that made it."
    )
