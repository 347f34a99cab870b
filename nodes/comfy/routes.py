"""What the page may ask of a running loop, of past ones, and of servers."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from aiohttp import web

from ...emofeedback.errors import EmoFeedbackError
from ...emofeedback.lvlm.server.allowed import usual_urls
from ...emofeedback.records.files import parsed
from ...emofeedback.records.state import Chosen
from .live import RUNS, LiveRun, log
from .wiring import tell_wiring

LARGEST_BODY = 4096  # bytes; a request holds two ids and two numbers, or one URL
RUN = "/emofeedback/runs/{run}"


def register_routes() -> None:
    """Adds the pack's addresses, and its look at queued prompts, to ComfyUI's server."""
    module = sys.modules.get("server")  # not imported here: in-process use has none
    server = getattr(getattr(module, "PromptServer", None), "instance", None)
    if server is None:
        return
    routes = server.routes
    routes.get(RUN)(read_run)
    routes.post(RUN + "/accept")(accept)
    routes.post(RUN + "/skip")(skip)
    routes.post(RUN + "/prefer")(prefer)
    routes.get("/emofeedback/servers")(usual_servers)
    routes.post("/emofeedback/models")(list_server)
    server.add_on_prompt_handler(tell_wiring)


async def read_run(request: web.Request) -> web.Response:
    """The events of a run so far, and whether it goes on; 404 where nothing is kept of it."""
    run_id = request.match_info["run"]
    events = log().read(run_id)
    if events is None:
        raise _problem(
            web.HTTPNotFound, "The results of this run are not kept any more. Run the loop again."
        )
    return web.json_response({"events": events, "running": RUNS.find(run_id) is not None})


async def accept(request: web.Request) -> web.Response:
    """Stop as soon as there is a picture, and keep the best."""
    run, _ = await _steered(request, {"client_id"})
    run.accept = True
    return web.json_response({})


async def skip(request: web.Request) -> web.Response:
    """Throw the round away that is being made; a round that is over by now stays."""
    run, body = await _steered(request, {"client_id", "round"})
    if refusal := run.ask_to_skip(body["round"]):
        raise _problem(web.HTTPConflict, refusal)
    return web.json_response({})


async def prefer(request: web.Request) -> web.Response:
    """Lead the loop by a candidate from the next boundary on; round 0 leaves it to the gaps."""
    run, body = await _steered(request, {"client_id", "round", "candidate"})
    numbers = body["round"], body["candidate"]
    if not all(type(number) is int for number in numbers):
        raise _problem(web.HTTPBadRequest, "round and candidate are whole numbers.")
    if refusal := run.ask_to_prefer(Chosen(*numbers)):
        raise _problem(web.HTTPConflict, refusal)
    return web.json_response({})


async def usual_servers(_: web.Request) -> web.Response:
    """The servers of this computer that may be asked without permission: URLs by name."""
    return web.json_response(usual_urls())


async def list_server(request: web.Request) -> web.Response:
    """The models of a server that may be called, or the problem with it."""
    from ...emofeedback.lvlm.server.endpoint import list_models  # late: it loads the client

    url = (await _fields(request, {"url"}))["url"]
    try:
        names = await asyncio.to_thread(list_models, str(url))
    except EmoFeedbackError as error:
        return web.json_response({"models": [], "problem": str(error)})  # nothing to log
    return web.json_response({"models": names})


async def _fields(request: web.Request, fields: set[str]) -> dict[str, Any]:
    """The fields of a request's JSON. Raises: web.HTTPException: what is wrong with it."""
    # Other sites' pages can post text, but not JSON, without being asked for permission first.
    if request.content_type != "application/json":
        raise _problem(web.HTTPUnsupportedMediaType, "Send JSON.")
    data = b""
    async for part in request.content.iter_any():  # a body may come in pieces
        data += part
        if len(data) > LARGEST_BODY:
            told = f"The request is too long: send at most {LARGEST_BODY} bytes."
            raise _problem(web.HTTPRequestEntityTooLarge, told, LARGEST_BODY, len(data))
    try:
        body = parsed(data)
    except ValueError:
        raise _problem(web.HTTPBadRequest, "The request is no JSON.") from None
    if not isinstance(body, dict) or set(body) != fields:
        raise _problem(web.HTTPBadRequest, f"Send {' and '.join(sorted(fields))}, nothing else.")
    return body


async def _steered(request: web.Request, fields: set[str]) -> tuple[LiveRun, dict[str, Any]]:
    """The run that the request may steer, and the request's fields.

    Raises: web.HTTPException: what is wrong with the request.
    """
    body = await _fields(request, fields)
    run = RUNS.find(request.match_info["run"])
    if run is None:
        raise _problem(web.HTTPNotFound, "This loop does not run any more.")
    if body["client_id"] != run.client_id:
        raise _problem(web.HTTPForbidden, "Only the page that started the loop can steer it.")
    return run, body


def _problem(kind: type[web.HTTPException], message: str, *sizes: int) -> web.HTTPException:
    return kind(*sizes, text=json.dumps({"error": message}), content_type="application/json")
