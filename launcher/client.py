"""Queues a graph on a running ComfyUI, shows its progress, and fetches what it made.

Needs aiohttp, which ComfyUI requires: it runs inside .venv.
"""

import asyncio
import json
import struct
import time
import urllib.parse
import uuid
from typing import Any

from .server import ComfyServer
from .steps import StartError, clear_status, say, status

Graph = dict[str, dict[str, Any]]
TEXT_EVENT = 3  # BinaryEventTypes.TEXT of ComfyUI's protocol.py
ENDS = ("execution_success", "execution_error", "execution_interrupted")


def run_graph(server: ComfyServer, graph: Graph) -> dict[str, Any]:
    """Runs an API-format graph to its end and returns the outputs of its history entry.

    Returns: node id -> {"images": [...], ...}, nodes inside a loop under their own ids.
    Raises: StartError: the graph was refused, failed, was interrupted, or the server died.
    """
    return asyncio.run(_run(server, graph))


def fetch_image(server: ComfyServer, image: dict[str, str]) -> bytes:
    """The bytes of a saved picture, `image` as a history entry names it."""
    query = urllib.parse.urlencode({key: image[key] for key in ("filename", "subfolder", "type")})
    return server.read(f"/view?{query}")


async def _run(server: ComfyServer, graph: Graph) -> dict[str, Any]:
    import aiohttp

    client = uuid.uuid4().hex
    progress = Progress(graph)
    try:
        async with (
            aiohttp.ClientSession(server.url) as session,
            session.ws_connect(f"/ws?clientId={client}", max_msg_size=0) as socket,
        ):
            prompt_id = await _queue(session, graph, client)
            end = await _watch(socket, server, prompt_id, progress)
            if end["type"] != "execution_success":
                raise StartError(_failure(end))
            return await _outputs(session, server, prompt_id)
    except (aiohttp.ClientError, ConnectionError) as error:
        server.ensure_alive()
        raise StartError(f"The connection to ComfyUI broke: {error}. Run this again.") from error
    finally:
        clear_status()


async def _queue(session: Any, graph: Graph, client: str) -> str:
    async with session.post("/prompt", json={"prompt": graph, "client_id": client}) as answer:
        body = await answer.json()
        if answer.status == 200:
            return str(body["prompt_id"])
    lines = [f"ComfyUI refused the workflow: {body.get('error', {}).get('message', body)}"]
    for node_id, problem in (body.get("node_errors") or {}).items():
        for error in problem["errors"]:
            details = f": {error['details']}" if error.get("details") else ""
            lines.append(f"  {problem['class_type']} (node {node_id}): {error['message']}{details}")
    raise StartError("\n".join(lines))


async def _watch(
    socket: Any, server: ComfyServer, prompt_id: str, progress: "Progress"
) -> dict[str, Any]:
    """Follows the events of a prompt until its last one, which is returned."""
    import aiohttp

    while True:
        try:
            message = await socket.receive(timeout=2.0)
        except TimeoutError:
            server.ensure_alive()
            continue
        if message.type is aiohttp.WSMsgType.BINARY:
            progress.take_binary(message.data)
        elif message.type is aiohttp.WSMsgType.TEXT:
            event: dict[str, Any] = json.loads(message.data)
            if event["data"].get("prompt_id") == prompt_id:
                if event["type"] in ENDS:
                    return event
                progress.take(event)
        else:
            await asyncio.sleep(0.5)  # a dying server closes the socket before it has ended
            server.ensure_alive()
            raise StartError("ComfyUI closed the connection. Run this again.")


async def _outputs(session: Any, server: ComfyServer, prompt_id: str) -> dict[str, Any]:
    """ComfyUI files a prompt into its history a moment after it has announced the success."""
    while True:
        async with session.get(f"/history/{prompt_id}") as answer:
            history = await answer.json()
        if prompt_id in history:
            return dict(history[prompt_id]["outputs"])
        server.ensure_alive()
        await asyncio.sleep(0.05)


def _failure(end: dict[str, Any]) -> str:
    data = end["data"]
    if end["type"] == "execution_interrupted":
        return "The run was interrupted in ComfyUI."
    return (
        f"{data['node_type']} (node {data['node_id']}) failed: {data['exception_message'].strip()}"
    )


class Progress:
    """Events of the server -> the texts that nodes show, and a live line on a terminal."""

    def __init__(self, graph: Graph) -> None:
        self._titles = {
            node_id: node.get("_meta", {}).get("title") or node["class_type"].removeprefix("EmoFB_")
            for node_id, node in graph.items()
        }
        self._start = time.monotonic()
        self._text = ""

    def take(self, event: dict[str, Any]) -> None:
        if event["type"] != "progress_state":
            return
        running: dict[str, str] = {}
        for node in event["data"]["nodes"].values():
            if node["state"] == "running":
                title = self._titles.get(node["display_node_id"], node["display_node_id"])
                counted = f"{node['value']:.0f}/{node['max']:.0f}" if node["max"] > 1 else ""
                running[title] = counted or running.get(title, "")
        if running:
            parts = [f"{title} {counted}".strip() for title, counted in running.items()]
            status(f"  {self._seconds()}  {', '.join(parts)}")

    def take_binary(self, data: bytes) -> None:
        """A text that a node shows under itself, such as "round 2 of 3"."""
        if struct.unpack(">I", data[:4])[0] != TEXT_EVENT:
            return
        length = struct.unpack(">I", data[4:8])[0]
        text = data[8 + length :].decode("utf-8", errors="replace").strip()
        if text and text != self._text:
            self._text = text
            say(f"  {self._seconds()}  " + text.replace("\n", "\n" + " " * 14))

    def _seconds(self) -> str:
        return f"{time.monotonic() - self._start:6.1f} s"
