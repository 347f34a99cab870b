"""Loading a vision-language model from a folder in the layout of transformers.

With AutoModelForImageTextToText and AutoProcessor, from files on disk only: code beside the weights
is never run, and nothing is downloaded.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from ..errors import CheckpointError, ConfigError, MissingDependencyError
from ..records.files import parsed
from .base import DEFAULT_PROMPTS, prompt_set
from .local import TransformersLvlm
from .lora import CONFIG as ADAPTER_CONFIG
from .lora import merge_lora
from .patches import embed_whole_patches
from .pictures import SquareProcessor
from .precision import fast_dtype
from .promises import refuse_empty_promises

SETTINGS = "emofeedback.json"
HUB_ATTENTION = re.compile(r'"\w*attn_implementation\w*"\s*:\s*"[^"]*/[^"]*"')
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
        content = parsed(path.read_text(encoding="utf-8"))
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
    """The model in a folder, on the CPU; a LoRA is merged into its weights.

    Args:
        dtype: of the weights; by default bfloat16 where this CPU computes in it, else float32.
    Raises: CheckpointError: no model there, damaged, without vision, or an adapter that does not
        fit. MissingDependencyError: transformers is missing.
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
        merge_lora(model, adapter)
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
    refuse_redirections(folder)
    refuse_empty_promises(folder)
    try:
        if square:
            tokenizer = AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
            processor: Any = SquareProcessor.of_folder(folder, tokenizer)
        else:
            processor = AutoProcessor.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
        model = AutoModelForImageTextToText.from_pretrained(
            folder,
            dtype=dtype,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
        )
    except Exception as error:  # transformers, tokenizers and safetensors each raise their own
        told = str(error).splitlines()[0] if str(error) else ""
        told = f"{type(error).__name__}: {told[:200]}"
        if not square and find_spec("torchvision") is None:
            raise MissingDependencyError(
                f"The model in {folder} cannot be loaded ({told}): transformers prepares its "
                "pictures with torchvision, which is not installed. Run: pip install torchvision "
                "(the build that belongs to your torch). The embedded scorer, servers and a "
                "ComfyUI CLIP work without it."
            ) from error
        raise CheckpointError(
            f"The folder {folder} holds no vision-language model that transformers can load "
            f"({told}). {_newer_than_installed(folder)}{HOW_TO_GET.format(folder=folder)}"
        ) from error
    return model, processor


def _newer_than_installed(folder: Path) -> str:
    """What to do where a later generation of transformers saved the folder; else empty."""
    from transformers import __version__ as installed

    try:
        settings = parsed((folder / "config.json").read_text(encoding="utf-8"))
        saved = str(settings["transformers_version"])
        major = int(saved.partition(".")[0])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    if major <= int(installed.partition(".")[0]):
        return ""
    return (
        f"It was saved by transformers {saved}, and {installed} is installed, which may lack what "
        f"it names: run `pip install 'transformers>={major}'` if your other packs allow it. "
    )


def refuse_redirections(folder: Path) -> None:
    """Raises: CheckpointError: a setting that would make transformers fetch or run something else.

    An adapter's settings name another base, and an attention with a slash names code on a hub.
    """
    if (folder / ADAPTER_CONFIG).is_file():
        raise CheckpointError(
            f"{folder} holds an adapter ({ADAPTER_CONFIG}). Choose its base's folder as the model, "
            "and this one as the adapter."
        )
    for path in sorted(folder.glob("*config.json")):
        found = HUB_ATTENTION.search(path.read_text(encoding="utf-8", errors="replace"))
        if found:
            raise CheckpointError(
                f"{path} asks for {found[0][:120]}, which is code on a hub. Remove that line: "
                "nothing is fetched or run because of a file."
            )
