"""A ComfyUI graph of the user's own as a system's painter, through the server's API.

The graph keeps its models, samplers and sizes. Prompt, seed, number of candidates and target are
set at its Start Emotion Loop, which runs one round; the pictures come back from its End Emotion
Loop. Systems then differ by what they ask for, never by how it is painted. Where the start's aim is
wired, a study also sets what reaches the generator beside the words.
"""

from __future__ import annotations

import copy
import http.client
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import torch
from torch import Tensor

from ..errors import ConfigError, EmoFeedbackError
from ..images import from_png
from ..lvlm.server.allowed import LOOPBACK, allowed_address
from ..records.emotion import Emotion
from ..records.files import parsed

START, END = "EmoFB_StartLoop", "EmoFB_EndLoop"
AIM = 6
"""Output of the start that hands the aim to what makes the pictures."""
TARGET, SHOWN = "study target", "study pictures"
POLL_S = 0.2
Graph = dict[str, dict[str, Any]]


class GraphPainter:
    """A generate callable.

    Args:
        graph: in ComfyUI's API format.
        url: of the server, http://127.0.0.1:8188.
        target: what the graph's own emotion inputs get.
        timeout_s: for one batch.
    Raises: ConfigError: a server that may not be called.
    """

    def __init__(self, graph: Graph, url: str, target: Emotion, *, timeout_s: float = 3600) -> None:
        self.graph, self.target, self.timeout_s = graph, target, timeout_s
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname not in LOOPBACK:
            parts = urlsplit(allowed_address(url).url)
        self._secure, self._host, self._port = (
            parts.scheme == "https", parts.hostname or "", parts.port,
        )  # fmt: skip

    def take_aim(self, aim: Emotion) -> None:
        """What the graph's own emotion inputs get for the next pictures."""
        self.target = aim

    def __call__(self, prompts: Sequence[str], seed: int) -> Tensor:
        """Pictures [B, H, W, 3] of one prompt, B times, of one seed.

        Raises: ConfigError: prompts differ, or the server refuses the graph. EmoFeedbackError: the
            run failed, or took too long.
        """
        if len(set(prompts)) != 1:
            raise ConfigError("A graph paints one prompt a round; the loop asked for several.")
        asked = asked_graph(self.graph, prompts[0], self.target, len(prompts), seed)
        answer = json.loads(self._call("POST", "/prompt", {"prompt": asked}))
        if "prompt_id" not in answer:
            raise ConfigError(f"ComfyUI refuses the graph: {json.dumps(answer)[:500]}")
        shown = self._finished(str(answer["prompt_id"]))
        return torch.stack([from_png(self._picture(image)) for image in shown])

    def _finished(self, number: str) -> list[Mapping[str, str]]:
        until = time.monotonic() + self.timeout_s
        while time.monotonic() < until:
            history = json.loads(self._call("GET", f"/history/{number}"))
            if number in history:
                done = history[number]
                if done["status"]["status_str"] != "success":
                    told = json.dumps(done["status"].get("messages", ""))[-500:]
                    raise EmoFeedbackError(f"ComfyUI could not run the graph: {told}")
                found: list[Mapping[str, str]] = done["outputs"][SHOWN]["images"]
                return found
            time.sleep(POLL_S)
        raise EmoFeedbackError(f"ComfyUI was not done after {self.timeout_s:g} seconds.")

    def _picture(self, image: Mapping[str, str]) -> bytes:
        return self._call("GET", "/view?" + urlencode(dict(image)))

    def _call(self, method: str, path: str, value: Any = None) -> bytes:
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=60)
        try:
            body = None if value is None else json.dumps(value)
            connection.request(method, path, body, {"Content-Type": "application/json"})
            return connection.getresponse().read()
        except (OSError, http.client.HTTPException) as error:
            raise ConfigError(
                f"No ComfyUI answers at {self._host}:{self._port} ({error}). Start it, or name it "
                "with --server."
            ) from error
        finally:
            connection.close()


def load_graph(path: Path) -> Graph:
    """A graph's file. Raises: ConfigError: not in the API format, or without our loop's ends."""
    try:
        graph = parsed(path.read_text(encoding="utf-8"))
        kinds = [node["class_type"] for node in graph.values()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{path} is no graph in ComfyUI's API format ({error}). Write it with "
            "Workflow > Export (API)."
        ) from error
    for kind in (START, END):
        if kinds.count(kind) != 1:
            raise ConfigError(f"{path} has {kinds.count(kind)} nodes {kind}; it needs one.")
    return dict(graph)


def takes_aim(graph: Graph) -> bool:
    """Whether the graph hands the aim of its start to anything."""
    start = next(key for key, node in graph.items() if node["class_type"] == START)
    return any([start, AIM] in node.get("inputs", {}).values() for node in graph.values())


def asked_graph(graph: Graph, prompt: str, target: Emotion, candidates: int, seed: int) -> Graph:
    """The graph that paints one round of a prompt and shows all its pictures."""
    asked = copy.deepcopy(graph)
    start, end = (
        next(key for key, node in asked.items() if node["class_type"] == kind)
        for kind in (START, END)
    )
    asked[TARGET] = {
        "class_type": "EmoFB_EmotionTarget",
        "inputs": {"valence": target.valence, "arousal": target.arousal, "preset": "custom"},
    }
    asked[start]["inputs"] |= {
        "prompt": prompt, "rounds": 1, "candidates": candidates, "tolerance": 0.0,
        "patience": 0, "time_budget_s": 0, "seed": seed, "seed_policy": "per round",
        "content_floor": 0.0, "first_prompt": "as written", "resume": "", "target": [TARGET, 0],
    }  # fmt: skip
    asked[SHOWN] = {"class_type": "PreviewImage", "inputs": {"images": [end, 1]}}
    return asked
