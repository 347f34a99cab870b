"""Running loops as the page sees them: what it is told, and what the artist asks for meanwhile."""

from __future__ import annotations

import logging
import threading
import uuid
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import folder_paths
from comfy.cli_args import args
from comfy_execution.progress import get_progress_state
from comfy_execution.utils import get_executing_context

from ...emofeedback.loop.drawn_rounds import DrawnRounds
from ...emofeedback.loop.ended import EndedLoops
from ...emofeedback.loop.events import Event, Told, events_since
from ...emofeedback.loop.log import RunLog
from ...emofeedback.loop.observer import Observer, Wish
from ...emofeedback.loop.progress import MAKING, doing_event
from ...emofeedback.loop.steps import may_skip
from ...emofeedback.records.state import Chosen, LoopState
from .bridge import stop_if_interrupted
from .loop_graph import shown_loop

EVENT = "emofeedback.run"
REMEMBERED_RUNS = 64


@dataclass
class LiveRun:
    """A loop of the prompt that runs now, on one node of the artist's canvas.

    Args:
        client_id: the page that queued it; only that page may steer it.
        node: display id of the node that shows it: "5", in a subgraph "12:5".
        workflow: id of the workflow that the page had open.
        round: the round that is being made or read, 0 before the first.
        may_skip: its pictures are being made, and the loop need not end without one.
        choice: the candidate that the artist prefers, once they are `choosing`.
        read: candidates with a reading, which can be preferred.
        over: nothing can be asked of it any more.
    """

    client_id: str
    prompt_id: str
    node: str
    workflow: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    told: Told = field(default_factory=Told)
    round: int = 0
    may_skip: bool = False
    accept: bool = False
    skip: int = 0
    choice: Chosen | None = None
    choosing: bool = False
    read: frozenset[Chosen] = frozenset()
    over: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def enter(self, state: LoopState, *, making: bool) -> None:
        """Notes where the loop stands."""
        with self._lock:
            self.round, self.over = state.coming_round, state.done
            self.may_skip = making and may_skip(state)
            self.read = frozenset(
                Chosen(record.number, place)
                for record in state.rounds
                for place, was_read in enumerate(record.was_read, 1)
                if was_read
            )

    def ask_to_prefer(self, choice: Chosen) -> str:
        """Wishes a candidate to lead, 0 of 0 for none; returns why that cannot be, as below."""
        with self._lock:
            if choice == Chosen(0, 0):
                self.choice, self.choosing = None, True
            elif choice in self.read:
                self.choice, self.choosing = choice, True
            else:
                return f"Round {choice.round} has no picture {choice.candidate} that was read."
            return ""

    def ask_to_skip(self, number: object) -> str:
        """Wishes a round away; returns why that cannot be, empty for a wish that will be met."""
        with self._lock:
            if type(number) is not int or number != self.round:
                return f"Round {number!r} is not the one being made ({self.round})."
            if not self.may_skip:
                return (
                    f"Round {number} cannot be skipped: it is being read already, or the loop "
                    "would end without a picture."
                )
            self.skip = number
            return ""

    def wish(self, state: LoopState, *, last: bool) -> Wish:
        """What shall end the coming round now; after the `last` look no skip is granted."""
        with self._lock:
            self.may_skip = self.may_skip and not last
            if self.accept and state.best is not None:
                return "accept"
            return "skip" if self.skip == state.coming_round and may_skip(state) else ""


class LiveRuns:
    """The runs of this server that may still be steered; used by nodes and routes."""

    def __init__(self) -> None:
        self._runs: OrderedDict[Hashable, LiveRun] = OrderedDict()
        self._lock = threading.Lock()

    def here(self, state: LoopState) -> LiveRun | None:
        """The run of a state in the node that executes now; None where no page looks."""
        context = get_executing_context()
        server = _server() if context else None
        if context is None or server is None or server.client_id is None:
            return None
        node = shown_loop(get_progress_state().dynprompt, context.node_id)
        if node is None:
            return None
        # A list of targets or prompts runs several loops on one node.
        key = context.prompt_id, node, state.artist_prompt, state.target, state.seed
        with self._lock:
            if key not in self._runs:
                workflow = _workflow_id(server, context.prompt_id)
                self._runs[key] = LiveRun(server.client_id, context.prompt_id, node, workflow)
            while len(self._runs) > REMEMBERED_RUNS:
                self._runs.popitem(last=False)
            return self._runs[key]

    def find(self, run_id: str) -> LiveRun | None:
        """A run that goes on, by its id."""
        with self._lock:
            run = next((run for run in self._runs.values() if run.id == run_id), None)
        # A prompt that failed or was cancelled tells nobody: ask what runs.
        return run if run and not run.over and _running(_server(), run.prompt_id) else None


RUNS = LiveRuns()


def log() -> RunLog:
    """Where the events of runs are kept, a part each server."""
    return RunLog(_folder() / "runs", part=str(args.port))


def ended_loops() -> EndedLoops:
    """Where loops are kept that one can go on from, a part each server."""
    return EndedLoops(_folder() / "loops", part=str(args.port))


def drawn_rounds() -> DrawnRounds:
    """Where pictures of rounds are kept that need not be drawn again, a part each server."""
    return DrawnRounds(_folder() / "rounds", part=str(args.port))


def keep_ended(state: LoopState) -> str:
    """Keeps a loop that has ended, where a page looks; by what the page knows it, else empty."""
    run = run_id(state)
    if run:
        ended_loops().keep(run, state)
    return run


def _folder() -> Path:
    """One of ComfyUI's that no request can reach."""
    return Path(folder_paths.get_system_user_directory("emofeedback"))


class Page(Observer):
    """The page that queued a loop: hears what happens, may cut rounds short, can interrupt.

    Args:
        counted: the costs of the last round are known, so that the end may be told.
    """

    def __init__(self, *, counted: bool = False) -> None:
        self._counted = counted

    def told(self, state: LoopState, doing: str = "") -> None:
        """Tells the page what is new in a state, and what is done next.

        Raises: ComfyUI's interrupt, before anything begins.
        """
        if doing:
            stop_if_interrupted()
        run = RUNS.here(state)
        if run is None:
            return
        events, run.told = events_since(state, run.told, final=self._counted)
        if events:
            _keep(run, events)
        run.enter(state, making=doing == MAKING)
        if doing:
            events.append(doing_event(state, doing))
        if events:
            message = {
                "run": run.id,
                "node": run.node,
                "workflow": run.workflow,
                "prompt_id": run.prompt_id,
                "events": events,
            }
            _server().send_sync(EVENT, message, run.client_id)

    def cut_wanted(self, state: LoopState, *, last: bool = False) -> Wish:
        """What the artist asked for on the page."""
        run = RUNS.here(state)
        return "" if run is None else run.wish(state, last=last)

    def choice(self, state: LoopState) -> Chosen | None:
        """The candidate that was clicked last, or what the state says."""
        run = RUNS.here(state)
        return run.choice if run is not None and run.choosing else super().choice(state)


PAGE = Page()
"""Of what happens before the loop's last node."""


def run_id(state: LoopState) -> str:
    """By what the page knows the run of a state, empty where no page looks."""
    run = RUNS.here(state)
    return "" if run is None else run.id


def _keep(run: LiveRun, events: list[Event]) -> None:
    try:
        log().append(run.id, events)
    except OSError as error:
        logging.warning("EmoFeedback cannot keep a run for a later look: %s", error)


def _server() -> Any:
    from server import PromptServer  # late: in-process use has no server module loaded

    return getattr(PromptServer, "instance", None)


def _running(server: Any, prompt_id: str) -> dict[str, Any] | None:
    """What came with a prompt that runs now, None if it does not."""
    running, _ = server.prompt_queue.get_current_queue_volatile()
    return next((extra for _, number, _, extra, *_ in running if number == prompt_id), None)


def _workflow_id(server: Any, prompt_id: str) -> str:
    extra = _running(server, prompt_id) or {}
    workflow = (extra.get("extra_pnginfo") or {}).get("workflow") or {}
    return str(workflow.get("id", ""))
