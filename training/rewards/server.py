"""Readings from an OpenAI-compatible server, such as vLLM, by the expected value of its digits."""

from __future__ import annotations

import base64
import json
import math
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor

from emofeedback.errors import ScorerAnswerError, ScorerError
from emofeedback.images import to_png
from emofeedback.records.emotion import from_scale

from ..settings.config import RewardConfig

QUESTION = {
    "valence": "How pleasant does this picture make its viewer feel? 1 is very unpleasant, 9 is "
    "very pleasant. Rate the viewer's feeling, not the people shown. Answer with one digit.",
    "arousal": "How activated does this picture make its viewer feel? 1 is very calm, 9 is very "
    "activated. Rate the viewer's feeling, not the people shown. Answer with one digit.",
}


class ServerReader:
    """Reads pictures one by one, several at a time, one digit an axis.

    Args:
        config: address, model name, workers, timeout.
    """

    def __init__(self, config: RewardConfig) -> None:
        self.config = config
        self._pool = ThreadPoolExecutor(max_workers=config.workers)

    def __call__(self, images: Tensor) -> Tensor:
        """[B, H, W, 3] -> [B, 2].

        Raises: ScorerError: the server cannot be reached or refuses. ScorerAnswerError: it
            answers without the digits' probabilities.
        """
        pictures = [base64.b64encode(to_png(image)).decode() for image in images]
        asked = [(picture, axis) for picture in pictures for axis in QUESTION]
        return torch.tensor(list(self._pool.map(lambda each: self._read(*each), asked))).view(-1, 2)

    def _read(self, picture: str, axis: str) -> float:
        # the question stands before the picture, so that a server's prefix cache can serve it
        content = [
            {"type": "text", "text": QUESTION[axis]},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}},
        ]
        answer = self._post(
            {
                "model": self.config.server_model,
                "messages": [{"role": "user", "content": content}],
                "max_tokens": 1,
                "temperature": 0,
                "logprobs": True,
                "top_logprobs": 20,
            }
        )
        return expected_rating(answer)

    def _post(self, body: dict[str, Any]) -> dict[str, Any]:
        url = f"{self.config.server.rstrip('/')}/chat/completions"
        request = urllib.request.Request(
            url, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=self.config.timeout_s) as response:
                return dict(json.loads(response.read()))
        except (urllib.error.URLError, TimeoutError, ValueError) as error:
            raise ScorerError(
                f"The scorer at {url} did not answer ({error}). Check reward.server."
            ) from error


def expected_rating(answer: dict[str, Any]) -> float:
    """Expected digit of a chat completion's first token, on [-3, 3].

    Raises: ScorerAnswerError: no log-probabilities, or no digit among them.
    """
    try:
        told = answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
    except (KeyError, IndexError, TypeError) as error:
        raise ScorerAnswerError(
            "The scorer's server answered without log-probabilities, which the reward needs. "
            "Serve the model with an engine that gives them, such as vLLM."
        ) from error
    weights = {
        int(each["token"].strip()): math.exp(each["logprob"])
        for each in told
        if each["token"].strip() in {"1", "2", "3", "4", "5", "6", "7", "8", "9"}
    }
    if not weights:
        raise ScorerAnswerError(
            f"The scorer's likeliest answers hold no digit: {[e['token'] for e in told][:5]}. "
            "Use a model that follows the question."
        )
    mean = sum(digit * weight for digit, weight in weights.items()) / sum(weights.values())
    return from_scale(mean, "sam9")
