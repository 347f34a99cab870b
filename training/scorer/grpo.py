"""Stage `scorer`: GRPO of a vision-language model by TRL; ours are rewards, data, processor."""

from __future__ import annotations

import importlib.util
import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from emofeedback.errors import ConfigError, MissingDependencyError
from emofeedback.lvlm.folder import SETTINGS, folder_settings, refuse_redirections
from emofeedback.lvlm.promises import refuse_empty_promises
from emofeedback.records.files import replacing

from ..settings.config import TrainConfig
from ..settings.scorer import ScorerConfig
from .data import prompts_of, read_examples, rows, streamed
from .lasting import Lasting, finished, restore, trained, walk
from .measure import first_gaps, held_out_examples, held_out_gaps, report
from .rewards import (
    RewardFn,
    agreement_reward,
    category_reward,
    cue_reward,
    expected_reward,
    format_reward,
)
from .start import supervised_start
from .together import Together, together
from .trl_settings import Rhythm, trl_classes, trl_settings

log = logging.getLogger(__name__)
START = "start"
TOKENIZERS = ("tokenizer.json", "vocab.json")
"""A folder has one of them."""
LANGUAGE = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj)"
LANGUAGE_AND_VISION = rf"{LANGUAGE}|.*visual.*attn\.(qkv|proj)"


def train_scorer(config: TrainConfig, folder: Path | None) -> None:
    """Train, measure on held-out pictures, and write `folder/scorer`.

    What the folder holds of an earlier part of the run is gone on with, to the same bits.

    Args:
        folder: None in all processes but the first.
    Raises: ConfigError, MissingDependencyError, CheckpointError. KeyboardInterrupt: a signal came.
    """
    with together(folder) as (among, shared):
        if not finished(config, shared):
            _train(config, shared, among)


def _train(config: TrainConfig, folder: Path, among: Together) -> None:
    # refused here rather than after minutes of measuring
    told = trl_settings(config, folder, processes=among.processes.count)
    scorer = config.scorer
    model, processor = load_scorer_model(scorer)
    if not scorer.four_bit:  # which is where it belongs
        model = model.to(told[0].device)
    if among.first and scorer.reward_weights:
        log.info("rewards: %s", ", ".join(f"{name} {w:g}" for name, w in scorer.rewards.items()))
    examples, held_out = held_out_examples(
        read_examples(scorer, seed=config.seed), scorer, seed=config.seed
    )
    asked = rows(examples, scorer)
    lora = lora_of(scorer)
    if scorer.supervised_steps:
        model, losses = supervised_start(
            model, processor, asked, scorer, seed=config.seed, lora=lora, folder=folder / START,
            among=among,
        )  # fmt: skip
        if losses:
            log.info("supervised start: loss %.3f, then %.3f", losses[0], losses[-1])
    before = None
    if held_out:
        before = first_gaps(
            folder, among, lambda: held_out_gaps(model, processor, held_out, scorer, among)
        )
    elif among.first:
        log.warning(
            "No picture is held out (scorer.held_out is %d; %d pictures to train on): the change "
            "is not measured.",
            scorer.held_out, len(examples),
        )  # fmt: skip
    learner = grpo(
        config, told, model, processor, asked, reward_functions(scorer), lora, folder, among
    )  # fmt: skip
    if scorer.four_bit:
        result = learner.get_base_model()
        if among.first:
            whole = merged_whole(learner, scorer, lora)
            save_trained(whole, processor, scorer, folder / "scorer")
    else:
        result = learner.merge_and_unload()
        if among.first:
            save_trained(result, processor, scorer, folder / "scorer")
    if before is not None:
        after = held_out_gaps(result, processor, held_out, scorer, among)
        if among.first:
            report(before, after, folder)


def lora_of(scorer: ScorerConfig) -> Any:
    """What is trained of a vision-language model, as peft takes it."""
    from peft import LoraConfig

    return LoraConfig(
        r=scorer.lora_rank,
        lora_alpha=2 * scorer.lora_rank,
        target_modules=LANGUAGE_AND_VISION if scorer.lora_vision else LANGUAGE,
    )


def grpo(
    config: TrainConfig,
    told: tuple[Any, Rhythm],
    model: Any,
    processor: Any,
    asked: list[dict[str, Any]],
    rewards: Sequence[RewardFn],
    lora: Any,
    folder: Path,
    among: Together,
) -> Any:
    """The model with its LoRA after GRPO; the log lies in the folder.

    Args:
        told: what `trl_settings` gave.
        asked: a prompt, what opens its picture, and columns for the rewards.
    Raises: MissingDependencyError: no trl.
    """
    settings, rhythm = told
    lasting = Lasting(config, folder, rhythm, among)
    # TRL pads prompts there, and takes from the processor where in them the picture is
    processor.tokenizer.padding_side = "left"
    ends = (rhythm.prompts_until(step) for step in (lasting.step, config.steps))
    trainer = trl_classes()[1](
        model=model,
        reward_funcs=list(rewards),
        args=settings,
        train_dataset=streamed(asked).select(walk(len(asked), config.seed, *ends)),
        processing_class=processor,
        peft_config=lora,
        callbacks=[lasting],
    )
    lasting.restore(trainer.model)
    with lasting.keeping():
        if not lasting.over():
            trainer.train()
    return trainer.model


def merged_whole(learner: Any, config: ScorerConfig, lora: Any) -> Any:
    """The weights of scorer.path as they are, with the LoRA of a model in four bits merged in."""
    from peft import get_peft_model

    whole, _ = load_scorer_model(replace(config, four_bit=False))
    taught = get_peft_model(whole, lora)
    restore(taught, trained(learner))
    return taught.merge_and_unload()


def reward_functions(config: ScorerConfig) -> list[RewardFn]:
    """What answers are rewarded for."""
    if config.form == "expected":
        found: list[RewardFn] = [expected_reward(group=config.num_generations)]
    else:
        found = [agreement_reward(form=config.form)]
    found.append(format_reward)
    if config.multi_task:
        found += [category_reward, cue_reward]  # type: ignore[list-item]
    return found


def load_scorer_model(config: ScorerConfig) -> tuple[Any, Any]:
    """A vision-language model, trainable, and its processor.

    Raises: ConfigError: the folder holds none that transformers knows, a part of it is missing or
        damaged, or it is of another family. CheckpointError: it names code or weights elsewhere.
        MissingDependencyError: no bitsandbytes for four bits.
    """
    if not config.path:
        import copy

        from emofeedback.embedded.scorer import load_lvlm

        folder = _embedded_folder(config)
        embedded = copy.deepcopy(load_lvlm(folder).model).requires_grad_(True)
        return embedded, _processor(folder)
    from transformers import AutoModelForImageTextToText

    options = four_bits() if config.four_bit else {}
    folder = Path(config.path)
    refuse_redirections(folder)
    refuse_empty_promises(folder)
    try:
        model = AutoModelForImageTextToText.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, trust_remote_code=False, **options
        )
        processor = _processor(folder)
    except Exception as error:  # transformers, tokenizers and safetensors each raise their own
        told = (str(error).splitlines() or [""])[0]
        raise ConfigError(
            f"scorer.path is {config.path!r}, which holds no whole vision-language model "
            f"({type(error).__name__}: {told[:200]}). Give a folder with weights, tokenizer and "
            "image processor."
        ) from error
    kind = str(model.config.model_type)
    if not kind.startswith("qwen"):
        raise ConfigError(
            f"scorer.path is {config.path!r}, a model of the family {kind!r}; stage scorer trains "
            "Qwen2.5-VL and Qwen3-VL."
        )
    if config.four_bit:
        from peft import prepare_model_for_kbit_training

        checkpointing = torch.cuda.is_available()
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=checkpointing)
        for module in model.modules():
            # on a CPU it would pack what has read once, and give no gradient from then on
            if type(module).__name__ == "Linear4bit":
                module.support_avx512bf16_for_cpu = False
    return model, processor


def four_bits() -> dict[str, Any]:
    """How transformers loads the weights of QLoRA.

    Raises: MissingDependencyError: no bitsandbytes.
    """
    if importlib.util.find_spec("bitsandbytes") is None:
        raise MissingDependencyError(
            "scorer.four_bit needs bitsandbytes, which is missing. Run: pip install -e .[qlora]"
        )
    from accelerate import PartialState
    from transformers import BitsAndBytesConfig

    quantised = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    return {"quantization_config": quantised, "device_map": {"": PartialState().device}}


def _embedded_folder(config: ScorerConfig) -> Path:
    from emofeedback.embedded.scorer import MODEL
    from emofeedback.embedded.weights import FOLDER

    return Path(config.start) if config.start else FOLDER / MODEL


def _processor(folder: Path) -> Any:
    """The processor; for the embedded one with the PIL image side, whatever torchvision does.

    Raises: OSError: a file of it is missing. What transformers raises besides.
    """
    from transformers import AutoProcessor, AutoTokenizer
    from transformers.models.qwen2_5_vl import Qwen2_5_VLProcessor
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import (
        Qwen2VLImageProcessorPil,
    )
    from transformers.models.qwen2_vl.video_processing_qwen2_vl import Qwen2VLVideoProcessor

    if not any((folder / name).is_file() for name in TOKENIZERS):  # an empty one would be made
        raise OSError(f"{TOKENIZERS[0]} is missing")
    tokenizer = AutoTokenizer.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False
    )
    described = ("processor_config.json", "video_preprocessor_config.json")
    if any((folder / name).is_file() for name in described):
        return AutoProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    images = Qwen2VLImageProcessorPil.from_pretrained(folder, local_files_only=True)
    videos = Qwen2VLVideoProcessor(patch_size=images.patch_size, merge_size=images.merge_size)
    return Qwen2_5_VLProcessor(images, tokenizer, videos, chat_template=tokenizer.chat_template)


def save_trained(model: Any, processor: Any, config: ScorerConfig, folder: Path) -> None:
    """As transformers loads it; for the embedded model also as this package does."""
    for left in folder.parent.glob(f".{folder.name}.*.partial"):  # of a run killed while it wrote
        shutil.rmtree(left, ignore_errors=True)
    with replacing(folder, durable=True) as partial:
        _write(model, processor, config, partial)


def _write(model: Any, processor: Any, config: ScorerConfig, folder: Path) -> None:
    from emofeedback.embedded.scorer import FILES

    model.save_pretrained(folder)
    if config.path:
        processor.save_pretrained(folder)
        settings = folder_settings(Path(config.path)) | {"prompts": prompts_of(config).name}
        (folder / SETTINGS).write_text(json.dumps(settings, indent=1), encoding="utf-8")
        return
    for name in FILES:
        if not (folder / name).is_file():
            shutil.copyfile(_embedded_folder(config) / name, folder / name)
