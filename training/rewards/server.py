"""Readings from a server as a reward: it is asked literally what the nodes ask."""

from __future__ import annotations

import torch
from torch import Tensor

from emofeedback.errors import ScorerAnswerError
from emofeedback.lvlm.server.endpoint import NO_LOGPROBS, open_endpoint
from emofeedback.reading.scorer import LvlmScorer

from ..settings.reward import RewardConfig

RETRIES = 100


class ServerReader:
    """Reads pictures with a model on an OpenAI-compatible server, such as vLLM.

    Who may be called, the key, the question and the way of reading its reply are those of the node
    Load Emotion Scorer; a server that is busy or away is waited for longer, `reward.patience_s`.

    Args:
        config: address, model name, questions at a time, timeout.
    Raises: ConfigError: a server that may not be called, or a missing key.
    """

    def __init__(self, config: RewardConfig) -> None:
        lvlm = open_endpoint(
            config.server,
            config.server_model,
            timeout_s=config.timeout_s,
            at_once=config.workers,
            retries=RETRIES,
            patience_s=config.patience_s,
        )
        self.scorer = LvlmScorer(lvlm)
        self.question = lvlm.prompts.digits

    def __call__(self, images: Tensor) -> Tensor:
        """[B, H, W, 3] -> [B, 2], expected valence and arousal.

        Raises: ScorerError: the server cannot be reached or refuses. ScorerAnswerError: too little
            of the probability lies on digits, or it answers without the digits' probabilities;
            whole digits would be steps of 0.75.
        """
        readings = self.scorer.score(images)
        if any(NO_LOGPROBS in reading.warnings for reading in readings):
            raise ScorerAnswerError(
                f"{self.scorer.name} answered without log-probabilities, which the reward needs. "
                "Serve the model with an engine that gives them, such as vLLM."
            )
        return torch.tensor([(r.emotion.valence, r.emotion.arousal) for r in readings])
