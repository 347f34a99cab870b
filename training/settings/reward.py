"""What pictures are rewarded for: a part of `config.TrainConfig`."""

from __future__ import annotations

from dataclasses import dataclass

from emofeedback.errors import ConfigError
from emofeedback.records.limits import check_choice

from .ranges import check_ranges

EMOTION_FORMS = ("continuous", "threshold", "distribution")


@dataclass(frozen=True, kw_only=True)
class RewardConfig:
    """What pictures are rewarded for; each part is logged apart, weighted and summed."""

    emotion: float = 1.0
    """Weight of agreement with the target emotion."""
    emotion_form: str = "continuous"
    """continuous: 1 - mean abs gap / 6; threshold: share of axes with abs gap below it;
    distribution: 1 - expected abs gap / 6 over the embedded model's digits, so that a picture
    between two emotions is not taken for one of the middle."""
    emotion_threshold: float = 0.525
    """0.35 on a 1..5 scale, as Q-Insight's reward, on [-3, 3]."""
    scorer: str = "embedded"
    """Who reads the emotion: embedded, server, head, or rules (colour statistics; a reference)."""
    scorer_folder: str = ""
    """For scorer: embedded, the folder with other weights, as RUN/scorer of stage scorer."""
    content: float = 0.0
    """Weight of the drawn world's CLIP pair: does the picture show its prompt?"""
    clip_score: float = 0.0
    pick_score: float = 0.0
    clip_path: str = ""
    """Folder of a transformers CLIP for clip_score."""
    pick_path: str = ""
    """Folder of PickScore, a transformers CLIP with its processor."""
    pick_scale: float = 26.0
    """PickScore is divided by this: about 0..1."""
    quality: float = 0.0
    """Weight of a picture without noise, grids and burnt-out colours, which rewards come to like;
    told from the pixels alone."""
    brightness: float = 0.0
    """Weight of mean brightness: a reward without a model, for trials."""
    normalise: str = "none"
    """none: weighted sum of values; group: each part is scaled by its deviation in the batch."""
    server: str = ""
    """Base address of an OpenAI-compatible server, for scorer: server."""
    server_model: str = ""
    retries: int = 3
    workers: int = 8
    timeout_s: float = 60.0
    patience_s: float = 300.0
    """How long a server is waited for that is away: one that is started again loads for minutes."""
    head: str = ""
    """File of `python -m emofeedback fit`, for scorer: head."""
    head_encoder: str = ""
    """Its encoders as fit names them, joined by " + "; empty where they lie beside it."""

    def __post_init__(self) -> None:
        check_ranges("reward", self)
        check_choice("reward.emotion_form", self.emotion_form, EMOTION_FORMS)
        check_choice("reward.normalise", self.normalise, ("none", "group"))
        check_choice("reward.scorer", self.scorer, ("embedded", "server", "rules", "head"))
        if self.emotion_form == "distribution" and self.scorer != "embedded":
            raise ConfigError(
                f"reward.emotion_form is 'distribution', which scorer={self.scorer} does not tell: "
                "set reward.scorer=embedded or reward.emotion_form=continuous."
            )
        if self.scorer_folder and self.scorer != "embedded":
            raise ConfigError(
                f"reward.scorer_folder is {self.scorer_folder!r}, which scorer={self.scorer} does "
                "not read: leave it empty or set reward.scorer=embedded."
            )
        if self.scorer == "server" and self.emotion and not (self.server and self.server_model):
            raise ConfigError("reward.scorer is 'server': set reward.server and server_model too.")
        if self.scorer == "head" and self.emotion and not self.head:
            raise ConfigError("reward.scorer is 'head': set reward.head to a file that fit wrote.")
        for part, folder in (("clip_score", self.clip_path), ("pick_score", self.pick_path)):
            if getattr(self, part) and not folder:
                raise ConfigError(
                    f"reward.{part} is on, but there is no model for it: set reward."
                    f"{part.split('_')[0]}_path to its folder. Nothing is downloaded."
                )

    @property
    def weighs(self) -> bool:
        """Whether any part has a weight."""
        models = self.emotion, self.content, self.clip_score, self.pick_score
        return any((*models, self.quality, self.brightness))
