"""What TRL is told: our own settings, and `scorer.trl`, which is passed through by name."""

from __future__ import annotations

import dataclasses
import difflib
import enum
import importlib.util
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from emofeedback.errors import ConfigError, MissingDependencyError

from ..settings.config import TrainConfig

REASONS = {
    "the run's folder is --run": "output_dir",
    "set seed": "seed data_seed",
    "set steps": "max_steps num_train_epochs",
    "set scorer.batch, the answers of an update": "per_device_train_batch_size",
    "set scorer.num_generations": "num_generations",
    "set scorer.max_completion_length": "max_completion_length",
    "set scorer.learning_rate": "learning_rate",
    "set scorer.beta": "beta",
    "set scorer.scale_rewards": "scale_rewards",
    "pictures are walked through by seed": "shuffle_dataset train_sampling_strategy "
    "dataloader_drop_last",
    "rewards need every column": "remove_unused_columns label_names length_column_name",
    "checkpoints are this training's own: set checkpoint_every and keep_checkpoints, go on with "
    "--resume": "save_strategy save_steps save_total_limit save_only_model save_on_each_node "
    "enable_jit_checkpoint resume_from_checkpoint ignore_data_skip load_best_model_at_end "
    "metric_for_best_model greater_is_better restore_callback_states_from_checkpoint",
    "every step goes to log.jsonl, and where tensorboard and wandb say": "logging_strategy "
    "logging_steps logging_first_step log_on_each_node report_to run_name project trackio_space_id "
    "trackio_bucket_id trackio_static_space_id",
    "pictures of scorer.held_out are measured before and after": "eval_strategy eval_steps "
    "eval_delay eval_on_start eval_do_concat_batches eval_use_gather_object do_eval do_predict "
    "eval_accumulation_steps per_device_eval_batch_size num_generations_eval prediction_loss_only "
    "include_for_metrics batch_eval_metrics bf16_full_eval fp16_full_eval do_train",
    "nothing is uploaded": "push_to_hub hub_token hub_private_repo hub_model_id hub_strategy "
    "hub_always_push hub_revision log_completions_hub_repo",
    "processes and engine are those of accelerate launch": "use_cpu local_rank ddp_backend "
    "ddp_timeout deepspeed fsdp fsdp_config accelerator_config parallelism_config",
    "the model is that of scorer.path, without code of its own": "model_init_kwargs "
    "trust_remote_code",
    "the reference of a LoRA is the model without it": "sync_ref_model ref_model_mixup_alpha "
    "ref_model_sync_steps",
    "checkpoints do not hold what it learns": "use_adaptive_entropy fp16",
    "TRL has it for models without pictures alone": "use_transformers_continuous_batching "
    "use_transformers_paged transformers_continuous_batching_config",
    "set scorer.reward_weights": "reward_weights",
}  # fmt: skip
"""Why a setting of TRL cannot be given, or what is given in its place; then the settings."""
REFUSED = {name: reason for reason, names in REASONS.items() for name in names.split()}
OPTIMISERS = ("adamw_torch", "adamw_torch_fused", "sgd", "rmsprop")
"""Whose memory checkpoints hold."""
SCHEDULES_WITH_MEMORY = ("reduce_lr_on_plateau", "greedy")


@dataclass(frozen=True)
class Rhythm:
    """How drawing of answers and learning from them take turns.

    An update makes `passes` forward and backward passes; answers that were drawn serve
    `serve` passes, and then new ones are drawn.
    """

    passes: int
    serve: int
    prompts: int
    """Of one drawing, over all processes."""

    def fresh(self, step: int) -> bool:
        """Whether new answers are drawn first after so many updates, so that weights, optimiser and
        step are all that a run has to remember."""
        return step * self.passes % self.serve == 0

    @property
    def reuses(self) -> bool:
        """Whether answers serve more than one update."""
        return self.serve > self.passes

    def prompts_until(self, step: int) -> int:
        """Prompts drawn for so many updates."""
        return -(-step * self.passes // self.serve) * self.prompts


def trl_classes() -> tuple[Any, Any]:
    """TRL's settings and trainer of GRPO. Raises: MissingDependencyError: no trl."""
    try:
        from trl import GRPOConfig, GRPOTrainer
    except ImportError as error:
        raise MissingDependencyError(
            f"Stages scorer and refiner need trl ({error}). Run: pip install -e .[train]"
        ) from error
    return GRPOConfig, GRPOTrainer


def trl_settings(config: TrainConfig, folder: Path, *, processes: int = 1) -> tuple[Any, Rhythm]:
    """TRL's settings for a run, and what follows from them.

    Args:
        processes: that share an update.
    Raises: ConfigError: `scorer.trl` has what TRL does not know or this training does not hand on;
        or the answers of an update cannot be shared out. MissingDependencyError: no trl, or no
        vllm where it is asked for.
    """
    kind, _ = trl_classes()
    given, scorer = config.scorer.trl, config.scorer
    check_given(given, kind)
    passes = given.get("gradient_accumulation_steps", 1)
    own = own_settings(config, folder, _share(scorer.batch, processes, passes))
    try:
        found = kind(**own | given)
    except (ValueError, TypeError) as error:
        raise ConfigError(
            f"TRL does not take scorer.batch, scorer.num_generations and scorer.trl as they are "
            f"({scorer.batch}, {scorer.num_generations}, {dict(given)}): {error}"
        ) from error
    drawn = found.per_device_train_batch_size * found.steps_per_generation
    if drawn % scorer.num_generations:
        raise ConfigError(
            f"Each of {processes} process(es) draws {drawn} answers at a time, no multiple of the "
            f"{scorer.num_generations} generations of a prompt (scorer.num_generations): choose "
            "scorer.batch so that each has whole groups."
        )
    return found, Rhythm(
        passes=passes,
        serve=found.steps_per_generation * found.num_iterations,
        prompts=found.generation_batch_size // scorer.num_generations,
    )


def check_given(given: Mapping[str, Any], kind: Any) -> None:
    """Raises: ConfigError: a key that TRL has not or that is not handed on, a value of another
    type, or vLLM in a mode that reads pictures wrongly. MissingDependencyError: no vllm."""
    hints = typing.get_type_hints(kind)
    for name, value in given.items():
        known = {each.name for each in dataclasses.fields(kind)}
        if name not in known:
            near = difflib.get_close_matches(name, sorted(known), 3, 0.6)
            meant = f" Did you mean {', '.join(near)}?" if near else ""
            raise ConfigError(f"TRL's GRPOConfig has no {name!r} (scorer.trl.{name}).{meant}")
        if name in REFUSED:
            raise ConfigError(f"scorer.trl.{name} is not handed on: {REFUSED[name]}.")
        if not fits(value, hints[name]):
            raise ConfigError(
                f"scorer.trl.{name} is {value!r}, where TRL takes {_told(hints[name])}."
            )
    for name in ("gradient_accumulation_steps", "num_iterations", "steps_per_generation",
                 "generation_batch_size"):  # fmt: skip
        if (value := given.get(name)) is not None and value < 1:
            raise ConfigError(f"scorer.trl.{name} is {value}: set 1 or more.")
    if (optim := given.get("optim", OPTIMISERS[0])) not in OPTIMISERS:
        raise ConfigError(
            f"scorer.trl.optim is {optim!r}, whose memory checkpoints do not hold: set one of "
            f"{', '.join(OPTIMISERS)}."
        )
    if (schedule := given.get("lr_scheduler_type")) in SCHEDULES_WITH_MEMORY:
        raise ConfigError(
            f"scorer.trl.lr_scheduler_type is {schedule!r}, whose memory checkpoints do not hold: "
            "set linear, cosine, constant or another one that follows the step alone."
        )
    _check_vllm(given)


def fits(value: Any, hint: Any) -> bool:
    """Whether a value of YAML is what a type hint says; what YAML cannot hold never is."""
    return any(_is(value, each) for each in _members(hint))


def own_settings(config: TrainConfig, folder: Path, share: int) -> dict[str, Any]:
    """TRL's settings as this training's say them.

    Args:
        share: answers in one pass of one process.
    """
    scorer, accelerated = config.scorer, torch.cuda.is_available()
    return {
        "output_dir": str(folder / "trl"),
        "max_steps": config.steps,
        "per_device_train_batch_size": share,
        "num_generations": scorer.num_generations,
        "max_completion_length": scorer.max_completion_length,
        "learning_rate": scorer.learning_rate,
        "beta": scorer.beta,
        "scale_rewards": scorer.scale_rewards,
        "gradient_checkpointing": accelerated,  # on a CPU it only costs time
        "seed": config.seed,
        "save_strategy": "no",  # it would pickle; `lasting` keeps the run
        "logging_steps": 1,
        "report_to": [],
        "shuffle_dataset": False,  # `walk` has
        "use_cpu": not accelerated,
        "bf16": accelerated,
        "dataloader_pin_memory": False,
        "remove_unused_columns": False,
        "reward_weights": list(scorer.rewards.values()) if scorer.reward_weights else None,
    }


def _share(batch: int, processes: int, passes: int) -> int:
    if batch % (processes * passes):
        parts = f"{processes} process(es) x {passes} passes (gradient_accumulation_steps)"
        raise ConfigError(
            f"scorer.batch is {batch}, no multiple of {parts}: the {batch} answers of an update "
            "are shared among them. Change one of the three."
        )
    return batch // (processes * passes)


def _check_vllm(given: Mapping[str, Any]) -> None:
    if not given.get("use_vllm"):
        return
    mode = given.get("vllm_mode", "colocate")
    if mode != "server":
        default = "" if "vllm_mode" in given else ", TRL's default,"
        raise ConfigError(
            f"scorer.trl.use_vllm with vllm_mode={mode}{default} would show the model each picture "
            "wrongly: TRL expands its tokens twice (its issues 6294 and 6401). Start `trl "
            "vllm-serve --model FOLDER` and set scorer.trl.vllm_mode=server."
        )
    if importlib.util.find_spec("vllm") is None:
        raise MissingDependencyError(
            "scorer.trl.use_vllm needs vllm, which is missing. Run: pip install trl[vllm]"
        )


def _members(hint: Any) -> Iterator[Any]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        for each in typing.get_args(hint):
            yield from _members(each)
    else:
        yield hint


def _is(value: Any, hint: Any) -> bool:
    origin = typing.get_origin(hint)
    if hint is Any:
        return True
    if origin is typing.Literal:
        return value in typing.get_args(hint)
    if origin is list:
        return isinstance(value, list) and all(fits(v, typing.get_args(hint)[0]) for v in value)
    kind = origin or hint
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return value in [each.value for each in kind]
    if kind in (int, float):
        allowed = int if kind is int else (int, float)
        return isinstance(value, allowed) and not isinstance(value, bool)
    return isinstance(value, kind)


def _told(hint: Any) -> str:
    return " or ".join(getattr(each, "__name__", str(each)) for each in _members(hint))
