"""Loading a vision-language model from a folder in the layout of transformers.

With AutoModelForImageTextToText and AutoProcessor, from files on disk only: code beside the weights
is never run, and nothing is downloaded.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from ..errors import CheckpointError, ConfigError, MissingDependencyError
from .base import prompt_set
from .local import TransformersLvlm
from .patches import embed_whole_patches
from .pictures import SquareProcessor
from .precision import fast_dtype

SETTINGS = "emofeedback.json"
DEFAULT_PROMPTS = "viewer_v1"
HOW_TO_GET = (
    "Get one with `hf download Qwen/Qwen3-VL-2B-Instruct --local-dir {folder}`, or choose another "
    "folder."
)


def folder_settings(folder: Path) -> dict[str, Any]:
    """What `emofeedback.json` beside the weights says; empty without one.

    "prompts" names the set that the model was taught ("drawn_v1"); "pictures" is "square" where it
    was taught squares of one size, to which others are stretched.

    Raises: ConfigError: not a JSON table.
    """
    path = folder / SETTINGS
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path} is no JSON ({error}). Correct or remove it.") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} holds {type(content).__name__}, not a table. Correct it.")
    return content


def load_folder(
    folder: Path,
    *,
    adapter: Path | None = None,
    dtype: torch.dtype | None = None,
) -> TransformersLvlm:
    """The model in a folder, on the CPU; a peft adapter is merged into its weights.

    Args:
        dtype: of the weights; by default bfloat16 where this CPU computes in it, else float32.
    Raises: CheckpointError: no model there, damaged, without vision, or an adapter that does not
        fit. MissingDependencyError: transformers or peft is missing.
    """
    if not (folder / "config.json").is_file():
        raise CheckpointError(
            f"There is no vision-language model in {folder} (config.json is missing). "
            + HOW_TO_GET.format(folder=folder)
        )
    settings = folder_settings(folder)
    prompts = prompt_set(str(settings.get("prompts", DEFAULT_PROMPTS)))
    square = settings.get("pictures") == "square"
    model, processor = _read_folder(folder, dtype or fast_dtype(), square=square)
    if getattr(processor, "image_processor", None) is None:
        raise CheckpointError(
            f"The model in {folder} ({model.config.model_type}) reads text only: it has no image "
            "processor. Choose a vision-language model. " + HOW_TO_GET.format(folder=folder)
        )
    name = folder.name
    if adapter is not None:
        model = _with_adapter(model, adapter)
        name = f"{folder.name}+{adapter.name}"
    embed_whole_patches(model)
    return TransformersLvlm(model.eval().requires_grad_(False), processor, name, prompts)


def _read_folder(folder: Path, dtype: torch.dtype, *, square: bool) -> tuple[Any, Any]:
    try:
        from transformers import AutoModelForImageTextToText, AutoProcessor, AutoTokenizer
    except ImportError as error:
        raise MissingDependencyError(
            f"A model folder needs transformers ({error}). Run: pip install transformers"
        ) from error
    try:
        if square:
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            processor: Any = SquareProcessor.of_folder(folder, tokenizer)
        else:
            processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
        model = AutoModelForImageTextToText.from_pretrained(
            folder, dtype=dtype, local_files_only=True, use_safetensors=True
        )
    except Exception as error:  # transformers, tokenizers and safetensors each raise their own
        told = str(error).splitlines()[0] if str(error) else ""
        raise CheckpointError(
            f"The folder {folder} holds no vision-language model that transformers can load "
            f"({type(error).__name__}: {told[:200]}). " + HOW_TO_GET.format(folder=folder)
        ) from error
    return model, processor


def _with_adapter(model: Any, adapter: Path) -> Any:
    """The model with an adapter's change added to its own weights: no second copy is kept."""
    needed = ("adapter_config.json", "adapter_model.safetensors")
    missing = [name for name in needed if not (adapter / name).is_file()]
    if missing:
        raise CheckpointError(
            f"The adapter in {adapter} lacks {', '.join(missing)}. Choose a folder that peft or "
            "this project's training wrote."
        )
    try:
        from peft import PeftModel
    except ImportError as error:
        raise MissingDependencyError(
            f"An adapter needs peft ({error}). Run: pip install peft"
        ) from error
    try:
        joined = PeftModel.from_pretrained(model, str(adapter), local_files_only=True)
        return joined.merge_and_unload()
    except Exception as error:  # peft raises many kinds
        raise CheckpointError(
            f"The adapter in {adapter} does not fit the model ({type(error).__name__}: "
            f"{str(error)[:200]}). Choose the model that it was trained on."
        ) from error
