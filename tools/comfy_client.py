"""A client of a real ComfyUI server that counts what it executes, and the shipped workflows."""

import asyncio
import copy
import json
import struct
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from launcher.server import ComfyServer

Graph = dict[str, dict[str, Any]]
Event = dict[str, Any]

CACHE_MODES = {
    "default": (),
    "classic": ("--cache-classic",),
    "lru": ("--cache-lru", "200"),
    "none": ("--cache-none",),
}
TEXT_MESSAGE = 3  # ComfyUI's number for it, before the node's id and the text
ENDS = ("execution_success", "execution_error", "execution_interrupted")
WORKFLOWS = Path(__file__).resolve().parents[1] / "workflows" / "api"
# What keeps a run short without changing what it does.
QUICK: dict[str, dict[str, Any]] = {
    "KSampler": {"steps": 2},
    "EmoFB_StartLoop": {"candidates": 2, "tolerance": 0.0, "stop_unpromising": False},
    "EmoFB_EmotionFeedback": {
        "steps": 2,
        "candidates": 2,
        "tolerance": 0.0,
        "stop_unpromising": False,
    },
    "EmoFB_EmotionGrid": {"side": 2},
    "EmoFB_EmotionPath": {"points": 3},
    "ImageGrid": {"columns": 2},
}


@dataclass
class Run:
    """What a queued graph did."""

    graph: Graph
    events: list[Event] = field(default_factory=list)
    refusal: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    texts: list[tuple[str, str]] = field(default_factory=list)
    """What nodes showed: (node id, text), oldest first."""

    @property
    def executions(self) -> Counter[str]:
        """How often each node of the graph ran, copies counted with the node they stand for."""
        return Counter(
            event["data"]["display_node"]
            for event in self.events
            if event["type"] == "executing" and event["data"].get("node")
        )

    def runs_of(self, class_type: str) -> int:
        """Executions of all nodes of a class."""
        return sum(
            count for node, count in self.executions.items() if self.class_of(node) == class_type
        )

    def class_of(self, node_id: str) -> str:
        return str(self.graph[node_id]["class_type"])

    @property
    def end(self) -> str:
        return self.events[-1]["type"] if self.events else "refused"

    @property
    def message(self) -> str:
        """Everything a person reads when the run was refused or failed."""
        if self.refusal:
            return json.dumps(self.refusal)
        return str(self.events[-1]["data"].get("exception_message", ""))

    @property
    def report(self) -> dict[str, Any]:
        return dict(json.loads(self.outputs_of("emofb_report")[-1]))

    def outputs_of(self, key: str) -> list[Any]:
        """Everything that nodes showed under a key, oldest first."""
        return [value for out in self.outputs.values() for value in out.get(key, ())]

    def progress_of(self, node_id: str) -> list[tuple[float, float]]:
        """Value and maximum of the bar that a node of the graph showed itself, each once."""
        states = [
            event["data"]["nodes"].get(node_id)
            for event in self.events
            if event["type"] == "progress_state"
        ]
        return list(dict.fromkeys((state["value"], state["max"]) for state in states if state))

    def images(self, prefix: str) -> list[dict[str, str]]:
        """Saved pictures whose file name starts so."""
        saved = [image for out in self.outputs.values() for image in out.get("images", ())]
        return [image for image in saved if image["filename"].startswith(prefix)]


class Comfy:
    """A running server as the tests use it."""

    def __init__(self, server: ComfyServer, mode: str) -> None:
        self.server = server
        self.mode = mode
        self.client = uuid.uuid4().hex

    def run(self, graph: Graph, watch: Callable[[Event], None] | None = None) -> Run:
        """Runs a graph to its end; `watch` sees every event as it comes."""
        return asyncio.run(self._run(copy.deepcopy(graph), watch))

    def post(self, path: str, value: Any = None) -> None:
        self.server.post(path, value)

    async def _run(self, graph: Graph, watch: Callable[[Event], None] | None) -> Run:
        run, client = Run(graph), self.client
        async with (
            aiohttp.ClientSession(self.server.url) as session,
            session.ws_connect(f"/ws?clientId={client}", max_msg_size=0) as socket,
        ):
            body = {"prompt": graph, "client_id": client}
            async with session.post("/prompt", data=json.dumps(body)) as answer:
                reply = await answer.json()
            if "prompt_id" not in reply or reply.get("node_errors"):
                run.refusal = reply
            if "prompt_id" not in reply:
                return run
            while run.end not in ENDS:
                message = await socket.receive(timeout=240)
                if message.type is not aiohttp.WSMsgType.TEXT:
                    assert message.type is aiohttp.WSMsgType.BINARY, self.server.tail()
                    run.texts += _text_in(message.data)
                    continue
                event = json.loads(message.data)
                if event["data"].get("prompt_id") == reply["prompt_id"]:
                    run.events.append(event)
                    if watch is not None:
                        watch(event)
            run.outputs = await _history(session, reply["prompt_id"])
        return run


def _text_in(data: bytes) -> list[tuple[str, str]]:
    """The node and the text of a binary message, nothing if it is a picture."""
    kind, length = struct.unpack(">II", data[:8])
    if kind != TEXT_MESSAGE:
        return []
    return [(data[8 : 8 + length].decode(), data[8 + length :].decode())]


async def _history(session: aiohttp.ClientSession, prompt_id: str) -> dict[str, Any]:
    """Outputs of a prompt; ComfyUI writes its history a moment after the last event."""
    for _ in range(100):
        async with session.get(f"/history/{prompt_id}") as answer:
            history = await answer.json()
        if prompt_id in history:
            return dict(history[prompt_id]["outputs"])
        await asyncio.sleep(0.05)
    raise AssertionError(f"prompt {prompt_id} ended, but ComfyUI keeps no history of it")


def start_comfy(
    tree: Path, folder: Path, arguments: Sequence[str], extra_node: Path | None = None
) -> ComfyServer:
    """A server with this pack, and perhaps one file of nodes, whose files lie in `folder`."""
    base = folder / "base"
    for name in ("custom_nodes", "models", "input", "output", "temp", "user"):
        (base / name).mkdir(parents=True, exist_ok=True)
    (base / "custom_nodes" / "emofeedback").symlink_to(WORKFLOWS.parents[1])
    if extra_node is not None:
        (base / "custom_nodes" / extra_node.name).symlink_to(extra_node)
    return ComfyServer(
        Path(sys.executable), tree, base, log=folder / "server.log", arguments=("--cpu", *arguments)
    )


def workflow(name: str, **changes: dict[str, Any]) -> Graph:
    """A shipped workflow, made quick; `changes` are inputs by class, over the quick ones."""
    graph: Graph = json.loads((WORKFLOWS / f"{name}.json").read_text(encoding="utf-8"))
    for node in graph.values():
        kind = node["class_type"]
        node["inputs"] |= QUICK.get(kind, {}) | changes.get(kind, {})
    return graph


def only(graph: Graph, class_type: str) -> str:
    """Id of the one node of a class."""
    (node_id,) = [key for key, node in graph.items() if node["class_type"] == class_type]
    return node_id
