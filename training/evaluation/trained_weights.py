"""A policy with trained weights: an emotion checkpoint's, or those of a run on its way."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from emofeedback.control.checkpoint import find_partner, load_adapter, read_facts
from emofeedback.errors import CheckpointError
from emofeedback.records.weights import read_file, read_header

from ..families.lora_names import stored_name
from ..rl.checkpoints import check_edition
from ..rl.policy import Policy
from ..runs.run_state import kept_facts, read_average
from ..settings.files import CONFIG_FILE, load_config


@contextlib.contextmanager
def weights_of(policy: Policy, checkpoint: Path | None) -> Iterator[None]:
    """Inside, the policy has a checkpoint's weights, or those of the base where there is none.

    Args:
        checkpoint: NAME_emotion.safetensors with its LoRA beside it, or a run's folder
            checkpoints/step-NNNNNN, whose averaged weights are used.
    Raises: CheckpointError: the checkpoint is of another family, rank or layout.
    """
    if checkpoint is None:
        with policy.reference():
            yield
        return
    read = _of_run if checkpoint.is_dir() else _of_files
    values = read(policy, checkpoint)
    try:
        with policy.using(values):
            yield
    except RuntimeError as error:
        if "size of tensor" not in str(error):
            raise
        raise CheckpointError(
            f"{checkpoint} has another LoRA rank than this policy; set model.lora_rank as it was "
            f"trained ({error})."
        ) from error


def rank_of(checkpoint: Path) -> int:
    """LoRA rank of a checkpoint; 1 where it has no LoRA."""
    if checkpoint.is_dir():
        tensors = read_average(checkpoint)
    else:
        partner = find_partner(checkpoint)
        tensors = read_file(partner)[0] if partner is not None else {}
    return next(
        (
            value.shape[0]
            for key, value in tensors.items()
            if any(half in key for half in (".lora_A.", ".lora_down."))
        ),
        1,
    )


def _of_files(policy: Policy, checkpoint: Path) -> dict[str, Tensor]:
    facts = read_facts(checkpoint)
    if facts.base_family != policy.family.name:
        raise CheckpointError(
            f"{checkpoint} was trained on the family {facts.base_family!r}; this model is "
            f"{policy.family.name!r}."
        )
    if facts.outdated:
        raise CheckpointError(f"{checkpoint} {facts.outdated}")
    network = checkpoint.parent / facts.network
    if facts.network and network.resolve() != Path(policy.family.source).resolve():
        raise CheckpointError(
            f"{checkpoint} was trained with a network of its own. Give --model {network} and "
            "--components with the diffusers folder that it was trained from."
        )
    adapter = load_adapter(checkpoint)
    values = {f"adapter.{name}": value for name, value in adapter.state_dict().items()}
    partner = find_partner(checkpoint)
    if partner is None:
        if "lora_sha256" in read_header(checkpoint).metadata:
            raise CheckpointError(f"The LoRA of {checkpoint} is not beside it: copy it there.")
        lora = policy.lora_parameters().items()  # stage adapter trains none
        return values | {f"transformer.{name}": torch.zeros_like(each) for name, each in lora}
    tensors, _ = read_file(partner)
    for name in policy.lora_parameters():
        key = stored_name(name, policy.family.lora_style)
        if key not in tensors:
            raise CheckpointError(f"{partner} has no {key}: it was trained with other targets.")
        scale = policy.lora_scale if ".lora_B." in name else 1.0  # folded in when it was saved
        values[f"transformer.{name}"] = tensors[key] / scale
    return values


def _of_run(policy: Policy, checkpoint: Path) -> dict[str, Tensor]:
    """The averaged weights; a LoRA trained with another alpha is scaled to this policy's."""
    model = load_config(checkpoint.parent.parent / CONFIG_FILE).model
    if model.full:
        raise CheckpointError(
            f"{checkpoint} is of a run that trains the whole network, which is measured when it is "
            "done: give --model RUN/FAMILY_transformer and adapter@RUN/FAMILY_emotion.safetensors."
        )
    values = read_average(checkpoint)
    check_edition(kept_facts(checkpoint), policy.family.name)
    missing = [name for name in policy.parameters() if name not in values]
    if missing:
        raise CheckpointError(
            f"{checkpoint} has no {missing[0]}: it was trained on another family or with other "
            f"targets than this model ({policy.family.name!r})."
        )
    scale = model.lora_alpha / model.lora_rank / policy.lora_scale
    return {name: value * scale if "lora_B" in name else value for name, value in values.items()}
