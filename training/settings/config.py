"""What a training run can be told: a tree of frozen dataclasses, the single truth of all settings.

Presets and `--config` files list differences only; see `config_files` for how they are read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from emofeedback.errors import ConfigError
from emofeedback.records.limits import check_choice

from ..formulas.dynamics import DYNAMICS
from ..formulas.losses import MATCHING_POWERS, RATIO_LOSSES
from .chain import ChainConfig
from .ranges import check_ranges
from .reward import RewardConfig
from .scorer import ScorerConfig
from .start import StartConfig

FORWARD_LOSSES = ("nft", "awm")
PATHWISE = "pathwise"
STAGES = ("generator", "adapter", "scorer", "refiner", "chain")
FULL_DIMS = 65_536
"""Latent dims of SD3.5 at 512 px, for which published clip ranges were chosen."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """What is trained."""

    path: str = ""
    """Diffusers folder or ComfyUI single file; empty: the embedded generator; "smoke": a random
    model of the same kind that takes seconds."""
    components: str = ""
    """Diffusers folder with what a single file lacks: text encoders, tokenizers, autoencoder."""
    size: int = 0
    """Side of the pictures in pixels; 0: the model's own."""
    dtype: str = "float32"
    """Of the frozen weights and of autocast; trained weights and latents are always float32."""
    train: str = "lora"
    """lora, or full: every weight of the network (not the embedded one's), at 16 bytes of memory a
    weight and more; optim.learning_rate is then better a hundredth of
    a LoRA's or less."""
    lora_rank: int = 16
    lora_alpha: int = 32
    train_adapter: bool = True
    """Train the emotion adapter, too."""
    adapter: str = ""
    """Emotion checkpoint to start from; empty: the shipped adapter, or a new one; "fresh": a new
    one, drawn by the seed, that changes nothing yet."""
    gradient_checkpointing: bool = False
    """Keep less for the backward pass and compute it again: about a third slower, much smaller."""
    text_tokens: int = 0
    """Length that prompts are padded or cut to for the encoder of long texts (SD3.5's and FLUX.1's
    T5, SANA's Gemma, ...); 0: the pipeline's own. SDXL has no such encoder."""
    needs_gpu: bool = False
    """Refuse to start on a CPU."""

    def __post_init__(self) -> None:
        check_ranges("model", self)
        check_choice("model.dtype", self.dtype, ("float32", "bfloat16"))
        check_choice("model.train", self.train, ("lora", "full"))

    @property
    def full(self) -> bool:
        """Whether every weight of the network is trained."""
        return self.train == "full"


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """What is asked for in training."""

    prompts: str = "drawn"
    """"drawn", "neutral" (500 free sentences), or a file: one prompt a line, or JSON lines or a CSV
    with a column prompt and, where wanted, valence and arousal (its target) and words; or a folder
    with such columns that datasets wrote by save_to_disk."""
    evaluation: str = ""
    """File or folder of the same kinds that watch and closing table ask for, in place of the
    held-out prompts of data.prompts, which are trained on then; empty: those."""
    words: str = "none"
    """Words of emotion in training prompts: none but those of the file, or phrase: our own table's
    for the target. They are what the model is told; rewards hear the prompt alone."""
    prompts_per_step: int = 4
    """Groups of a step: each has one prompt and one target."""
    targets: Any = "balanced"
    """"balanced" covers the plane evenly; else a list of pairs, as [[2, -1], [-2, 2]]."""

    def __post_init__(self) -> None:
        check_ranges("data", self)
        check_choice("data.words", self.words, ("none", "phrase"))


@dataclass(frozen=True, kw_only=True)
class RolloutConfig:
    """How training pictures are made."""

    group_size: int = 8
    """Pictures of one prompt and target; an advantage compares within the group only. pathwise
    compares nothing: 1 shows it most prompts."""
    num_inference_steps: int = 10
    guidance_scale: float = 1.0
    """1: no guidance, half the cost; above, both branches are trained ..."""
    guidance_detached: bool = False
    """... or only the one with the prompt, as Flow-GRPO's code does; the other then has no backward
    pass."""
    dynamics: str = "cps"
    """Step of the stochastic window: cps, flow_sde, or dance."""
    eta: float = 0.8
    """Share of fresh noise in a stochastic step; 0 would be the ODE."""
    window: int = 3
    """Stochastic, trained steps, contiguous and the same for all groups; 0: all but the last."""
    window_share: float = 0.5
    """The window lies in this first share of the steps."""
    same_noise: bool = False
    """One starting noise for all pictures of a group."""
    micro_batch: int = 32
    """Pictures in one forward pass."""

    def __post_init__(self) -> None:
        check_ranges("rollout", self)
        check_choice("rollout.dynamics", self.dynamics, tuple(DYNAMICS))
        if self.window > self.window_end:
            raise ConfigError(
                f"rollout.window is {self.window}, but stochastic steps may lie in the first "
                f"{self.window_end} of {self.num_inference_steps} only. Set a smaller window, or "
                "raise rollout.window_share or rollout.num_inference_steps."
            )

    @property
    def window_end(self) -> int:
        """First step that the window may not reach; the last step adds no noise."""
        share = round(self.window_share * self.num_inference_steps)
        return min(max(share, 1), self.num_inference_steps - 1)


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """How rewards change the policy."""

    kind: str = "clip"
    """Reverse process: clip, guard or dppo. Forward process: nft or awm. Through sampler, decoder
    and reward: pathwise, for rewards that have a gradient."""
    clip_range: float = 1e-5
    """Room of the ratio at 512 px; scaled by the root of the dims for other sizes, but for awm."""
    dppo_threshold: float = 1e-5
    """dppo: a step that lies this far off already, and would go farther, is left out."""
    kl_coef: float = 1e-4
    kl_form: str = "velocity"
    """velocity: distance of the velocities; mean: of the step's means, as Flow-GRPO."""
    advantage_limit: float = 5.0
    advantage_scale: str = "batch"
    nft_beta: float = 1.0
    nft_sigmas: int = 4
    """Noise levels a picture that the forward loss draws ..."""
    nft_least_sigma: float = 0.0
    """... from here to 1, one in each even share: what is decided early is learnt at high ones."""
    awm_weight: str = "ghuber"
    """awm: of the error of a noise level: uniform, sigma, sigma2, or robust: huber, ghuber."""
    old_kl: float = 1.0
    """awm: pull to the old policy."""
    old_decay_rate: float = 0.001
    """nft, awm: the old policy's decay grows by this a step ..."""
    old_decay_max: float = 0.5
    """... up to this."""
    path_steps: int = 0
    """pathwise: the gradient goes back through this many last sampler steps; 0: through all."""
    path_shift: int = 0
    """pathwise: pictures are rewarded shifted by up to this many pixels ..."""
    path_noise: float = 0.0
    """... and with noise of this deviation, drawn anew each step: fine patterns that please the
    reward alone do not last."""

    def __post_init__(self) -> None:
        check_ranges("loss", self)
        check_choice("loss.kind", self.kind, (*RATIO_LOSSES, *FORWARD_LOSSES, PATHWISE))
        check_choice("loss.kl_form", self.kl_form, ("velocity", "mean"))
        check_choice("loss.awm_weight", self.awm_weight, tuple(MATCHING_POWERS))
        check_choice("loss.advantage_scale", self.advantage_scale, ("batch", "group"))
        if self.kind not in RATIO_LOSSES and self.kl_form == "mean":
            raise ConfigError(f"loss.kl_form is 'mean', which {self.kind} has not: set 'velocity'.")

    @property
    def forward(self) -> bool:
        """Whether the loss belongs to the forward process."""
        return self.kind in FORWARD_LOSSES

    @property
    def pathwise(self) -> bool:
        """Whether the gradient comes through the reward itself."""
        return self.kind == PATHWISE

    def limit(self, dims: int) -> float:
        """What a ratio loss allows at this many latent dims: a log-ratio, which is a mean over d
        dims, spreads as 1 / sqrt(d); dppo's divergence does not."""
        if self.kind == "dppo":
            return self.dppo_threshold
        return float(self.clip_range * (FULL_DIMS / dims) ** 0.5)


@dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """AdamW on what is trained."""

    learning_rate: float = 3e-4
    adapter_rate: float = 1e-4
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    updates: int = 1
    """Optimiser steps on one rollout, each on an equal share of every group."""
    micro_batch: int = 32
    """Rows (picture x trained step) in one forward and backward pass."""
    ema_decay: float = 0.9
    """Average of the weights that is evaluated and saved; 0: the last weights."""

    def __post_init__(self) -> None:
        check_ranges("optim", self)


@dataclass(frozen=True, kw_only=True)
class WatchConfig:
    """The hacking watch and the table at the end, both by the judge, which is never a reward."""

    every: int = 20
    """Steps between measurements; 0: never."""
    pictures: int = 25
    stop: bool = False
    """Stop the run when the reward rises while the judged error does."""
    tolerance: float = 0.1
    """Rise of the judged gap, in scale points, that is called hacking."""
    table_prompts: int = 8
    """Held-out prompts of the closing table, each at 25 targets; 0: no table."""
    table_steps: int = 10
    """Sampler steps of measured pictures."""
    head: str = ""
    """File of a head that judges, on models that the drawn world's judge does not know; it should
    not be the reward's own."""
    head_encoder: str = ""
    """Its encoders, as reward.head_encoder."""

    def __post_init__(self) -> None:
        check_ranges("watch", self)


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One run of `python training/train.py`."""

    stage: str = "generator"
    """generator, adapter, scorer, refiner (of the scorer's rewriting), chain (scorer, generator,
    evaluation), or embedded-ROLE."""
    seed: int = 0
    steps: int = 100
    """Training steps; each is one rollout and its updates."""
    minutes: float = 0.0
    """Ends the training earlier when this time is spent; 0: no limit."""
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    rollout: RolloutConfig = field(default_factory=RolloutConfig)
    reward: RewardConfig = field(default_factory=RewardConfig)
    rewards: Any = ()
    """Functions of your own beside them, as [my_module:sharpness,my_module:faces=0.3]: pictures
    [B, H, W, 3] in 0..1 and prompts -> a score each; logged by their names."""
    loss: LossConfig = field(default_factory=LossConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    watch: WatchConfig = field(default_factory=WatchConfig)
    scorer: ScorerConfig = field(default_factory=ScorerConfig)
    start: StartConfig = field(default_factory=StartConfig)
    chain: ChainConfig = field(default_factory=ChainConfig)
    tensorboard: bool = True
    wandb: str = ""
    """Project of Weights & Biases that numbers go to as well, by accelerate's tracker; empty: none.
    """
    peak_tflops: float = 0.0
    """Of one accelerator in model.dtype: then each step logs mfu, the share of it that the model's
    FLOPs take; 0: unknown."""
    sheet_every: int = 20
    """Steps between picture sheets in the run folder; 0: none."""
    checkpoint_every: int = 20
    keep_checkpoints: int = 2
    compare_every: int = 10
    """Steps between comparisons of all processes' weights; 0: at the start only."""
    threads: int = 0
    """Torch threads; 0: torch's own choice."""

    def __post_init__(self) -> None:
        from ..recipes.train import ROLES

        check_ranges("", self)
        if not self.reward.weighs and not self.rewards:
            raise ConfigError("Every reward weight is 0: set at least reward.emotion.")
        check_choice("stage", self.stage, (*STAGES, *(f"embedded-{role}" for role in ROLES)))
        if self.stage == "chain" and (self.loss.pathwise or self.model.path):
            raise ConfigError(
                "Stage chain trains the embedded generator with a server as reward, which has no "
                "gradient: leave model.path empty and set loss.kind to clip, guard or another."
            )
        self._check_evaluation()
        if self.model.full and (self.stage != "generator" or not self.model.path):
            raise ConfigError(
                "model.train=full is for stage generator and models of your own: the embedded "
                "generator's nodes load a LoRA. Give --model PATH, or leave model.train at lora."
            )
        if not self.loss.pathwise:
            if self.rollout.group_size < 2:
                raise ConfigError(
                    "rollout.group_size is 1, but a group needs peers to compare with: set 2 or "
                    "more."
                )
        elif self.optim.updates != 1:
            raise ConfigError(
                f"optim.updates is {self.optim.updates}, but loss.kind=pathwise has one gradient "
                "for each set of pictures: set 1."
            )
        if self.rollout.group_size % self.optim.updates:
            raise ConfigError(
                f"optim.updates is {self.optim.updates}, which does not divide the "
                f"{self.rollout.group_size} pictures of a group. Choose a divisor."
            )

    def _check_evaluation(self) -> None:
        given = self.data.evaluation
        if given and self.stage not in ("generator", "chain"):
            raise ConfigError(
                f"data.evaluation is {given!r}, but stage {self.stage} measures with no prompts "
                "(scorer and refiner with pictures, scorer.held_out of them): leave it out."
            )
        table = self.watch.table_prompts and not self.model.path
        if given and self.stage == "generator" and not self.watch.every and not table:
            raise ConfigError(
                f"data.evaluation is {given!r}, but nothing is measured: set watch.every, or leave "
                "it out."
            )
