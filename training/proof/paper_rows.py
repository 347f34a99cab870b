"""The rows of the paper's table as data: what is trained after what, and how pictures are made."""

from __future__ import annotations

from dataclasses import dataclass

TABLE, ABLATIONS, ALONE = PARTS = ("table", "ablations", "alone")
GENERATOR = (
    "data.prompts_per_step=6", "rollout.group_size=16", "rollout.num_inference_steps=6",
    "rollout.guidance_scale=3.0", "rollout.window=2", "rollout.micro_batch=48",
    "reward.emotion=1.0", "reward.content=0.3", "loss.kl_coef=1.0e-3", "optim.micro_batch=48",
    "optim.learning_rate=3.0e-4", "optim.adapter_rate=3.0e-4",
)  # fmt: skip
"""Of every reward-trained arm; the algorithm's own settings come behind."""
EARLY = ("loss.nft_least_sigma=0.5",)
"""A feeling is decided while there is much noise."""
FIRST_WINDOW = ("rollout.same_noise=true", "rollout.window_share=0.34")
"""Two steps of six, the first: these see nothing but the window's noise."""
ALGORITHMS: dict[str, tuple[str, ...]] = {
    "nft": ("loss.kind=nft", "loss.nft_sigmas=4", *EARLY, "rollout.window=1"),
    "awm": (
        "loss.kind=awm", "loss.clip_range=1.0", "loss.nft_sigmas=6", "loss.old_decay_max=0.3",
        *EARLY, "rollout.window=1",
    ),
    "clip": ("loss.kind=clip", *FIRST_WINDOW),
    "guard": ("loss.kind=guard", *FIRST_WINDOW),
    "dppo": ("loss.kind=dppo", *FIRST_WINDOW),
    "pathwise": ("loss.kind=pathwise", "rollout.group_size=1", "data.prompts_per_step=16"),
}  # fmt: skip
"""What needs no gradient of the reward, and what does."""


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One training.

    Args:
        settings: of train.py, behind those of the kind.
        after: the arm whose emotion checkpoint it starts from; "fresh": a new adapter, drawn by the
            seed, last layer zero; empty: the shipped one.
        scorer: the arm whose scorer rewards it; empty: the one that GRPO starts from.
        algorithm: one of `ALGORITHMS`; empty: the one that the table is made with.
    """

    kind: str
    """supervised, scorer or reward."""
    settings: tuple[str, ...] = ()
    after: str = ""
    scorer: str = ""
    algorithm: str = ""


def _reward(*settings: str, scorer: str = "scorer, multi-task") -> Arm:
    return Arm(kind="reward", settings=settings, after="supervised", scorer=scorer)


ARMS: dict[str, Arm] = {
    "supervised": Arm(kind="supervised", after="fresh"),
    "scorer, multi-task": Arm(kind="scorer", settings=("scorer.multi_task=true",)),
    "scorer, single-task": Arm(kind="scorer", settings=("scorer.multi_task=false",)),
    "reward": _reward(),
    "reward, threshold": _reward("reward.emotion_form=threshold"),
    "reward, distribution": _reward("reward.emotion_form=distribution"),
    "reward, single-task scorer": _reward(scorer="scorer, single-task"),
    "reward, scorer without GRPO": _reward(scorer=""),
    "reward, without KL": _reward("loss.kl_coef=0.0"),
    "reward, without preference": _reward("reward.content=0.0"),
    **{f"alone, {name}": Arm(kind="reward", algorithm=name, after="fresh") for name in ALGORITHMS},
    "alone, after supervised": Arm(kind="reward", after="supervised"),
    "alone, pathwise after supervised": Arm(
        kind="reward", algorithm="pathwise", after="supervised"
    ),
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table.

    Args:
        system: of `training.evaluation.systems`: how pictures are made.
        arm: whose weights make them; empty: nobody's was trained.
        against: the row that the paired difference is with; empty: none.
    """

    name: str
    part: str
    system: str
    arm: str = ""
    against: str = ""


NEUTRAL, FEEDBACK, START = "neutral prompt", "+ reward feedback", "fresh adapter"
ROWS = (
    Row(name=NEUTRAL, part=TABLE, system="words"),
    Row(name="emotional prompt", part=TABLE, system="phrase", against=NEUTRAL),
    Row(name="supervised adapter", part=TABLE, system="adapter", arm="supervised", against=NEUTRAL),
    Row(
        name=FEEDBACK, part=TABLE, system="adapter", arm="reward", against="supervised adapter"
    ),
    Row(
        name="+ textual feedback", part=TABLE, system="loop-lvlm", arm="supervised",
        against="supervised adapter",
    ),
    Row(name="both", part=TABLE, system="loop-lvlm", arm="reward", against=FEEDBACK),
    Row(name="continuous reward, all parts", part=ABLATIONS, system="adapter", arm="reward"),
    *(
        Row(
            name=arm.removeprefix("reward, "), part=ABLATIONS, system="adapter", arm=arm,
            against="continuous reward, all parts",
        )
        for arm in ARMS
        if arm.startswith("reward, ")
    ),
    Row(name=START, part=ALONE, system="words"),
    *(
        Row(name=f"reward {arm}", part=ALONE, system="adapter", arm=arm, against=START)
        for arm in ARMS
        if arm.startswith("alone, ")
    ),
)  # fmt: skip


def arms_of(arm: str) -> list[str]:
    """An arm and all that must be trained before it, in that order."""
    if arm not in ARMS:
        return []
    needed = [*arms_of(ARMS[arm].after), *arms_of(ARMS[arm].scorer), arm]
    return list(dict.fromkeys(needed))
