"""What a loop hands on: the outputs that End Emotion Loop and the all-in-one node share."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Any

import torch
from comfy_api.latest import io
from comfy_execution.graph_utils import ExecutionBlocker
from comfy_execution.utils import get_executing_context
from torch import Tensor
from torch.nn.functional import interpolate

from ...emofeedback.images import from_png
from ...emofeedback.loop.report import loop_report
from ...emofeedback.pictures.circumplex import trajectory_chart
from ...emofeedback.records.drawn import from_bytes
from ...emofeedback.records.state import LoopState
from .chart import AUTO, theme_of
from .names import EMOTION_CHART, SCORE_ROUND
from .sockets import ReadingsSocket, StateSocket

NO_LATENT = (
    f"The loop kept no latents: connect what the pictures are decoded from to {SCORE_ROUND}'s "
    "latents input."
)


def result_outputs() -> list[io.Output]:
    """The output sockets, in the order of `result_values`."""
    return [
        io.Image.Output(
            display_name="best", tooltip="The picture nearest to the target of all rounds."
        ),
        io.Image.Output(
            display_name="all", tooltip="Every candidate of every round, oldest first."
        ),
        io.String.Output(display_name="prompt", tooltip="The prompt that made the best picture."),
        ReadingsSocket.Output(
            display_name="readings",
            tooltip="One reading for each picture of 'all', in order, or why there is none.",
        ),
        io.String.Output(
            display_name="report",
            tooltip="The whole run as JSON: prompts, readings, gaps, cost, why it stopped.",
        ),
        io.Image.Output(
            display_name="chart", tooltip="The path over the valence-arousal plane as a picture."
        ),
        StateSocket.Output(
            display_name="state", tooltip=f"The finished loop, for example for {EMOTION_CHART}."
        ),
        io.Int.Output(display_name="seed", tooltip="The seed that the best picture came from."),
        io.Int.Output(
            display_name="batch_index",
            tooltip="The best picture's place among the candidates of its round, from 0.",
        ),
        io.Latent.Output(
            display_name="latent",
            tooltip="What the best picture was decoded from, with its place in the batch, by which "
            "a sampler gives it the same noise.",
        ),
    ]


def result_values(
    state: LoopState,
    run_id: str = "",
    wired: Collection[int] | None = None,
    *,
    theme: str = AUTO,
) -> tuple[list[Any], dict[str, Any]]:
    """The values for `result_outputs`, and what the browser gets to show.

    Args:
        run_id: names the run's events for the page, which shows them again when all is cached.
        wired: indices of what feeds something, all where unknown; the others are not made, since
            the pictures of a long loop are gigabytes.
        theme: of the chart, as its widget says.
    """
    best = state.best
    assert best is not None, "a loop ends after at least one round"
    report = json.dumps(loop_report(state), indent=2, ensure_ascii=False)
    made: list[Callable[[], Any]] = [
        lambda: from_png(state.best_image).unsqueeze(0),
        lambda: _all_pictures(state),
        lambda: state.best_round.prompts[best.candidate],
        lambda: tuple(outcome for record in state.made for outcome in record.outcomes),
        lambda: report,
        lambda: trajectory_chart(state, theme=theme_of(theme)),
        lambda: state,
        lambda: state.best_round.seed,
        lambda: best.candidate,
        lambda: _best_latent(state),
    ]
    values = [
        make() if wired is None or index in wired else ExecutionBlocker(None)
        for index, make in enumerate(made)
    ]
    return values, _shown([report], run_id)


def _best_latent(state: LoopState) -> Any:
    assert state.best is not None, "a loop ends after at least one round"
    latents, place = state.best_round.latents, state.best.candidate
    if not latents:
        return ExecutionBlocker(NO_LATENT)
    return {"samples": from_bytes(latents[place]).unsqueeze(0), "batch_index": [place]}


def shown_meanwhile(run_id: str) -> dict[str, Any]:
    """What the browser gets while the loop goes on: the server keeps this for cached runs.

    It has the keys of a finished loop's: a list of targets runs several loops on one node.
    """
    return _shown([], run_id)


def _shown(reports: list[str], run_id: str) -> dict[str, Any]:
    """A page that gets this from the cache looks up what else the prompt showed."""
    context = get_executing_context()
    prompt_id = context.prompt_id if context else ""
    return {"emofb_report": reports, "emofb_run": [run_id], "emofb_prompt": [prompt_id]}


def _all_pictures(state: LoopState) -> Tensor:
    """[N, H, W, 3]; pictures of another size than the first are fitted to it, as one batch asks."""
    stored = [data for record in state.made for data in record.images]
    height, width, _ = from_png(stored[0]).shape
    batch = torch.empty(len(stored), height, width, 3)
    for place, data in zip(batch, stored, strict=True):
        place.copy_(_fitted(from_png(data), height, width))
    return batch


def _fitted(picture: Tensor, height: int, width: int) -> Tensor:
    if picture.shape[:2] == (height, width):
        return picture
    planes = picture.movedim(-1, 0).unsqueeze(0)
    resized = interpolate(planes, (height, width), mode="bicubic", antialias=True)
    return resized[0].movedim(0, -1).clamp(0, 1)
