"""What the artist asks of a running loop is met or refused, whenever the request comes."""

import threading
from types import ModuleType
from typing import Any

import pytest
import torch


class SilentServer:
    def send_sync(self, *message: Any) -> None:
        pass


@pytest.fixture
def live(pack: ModuleType) -> Any:
    from custom_nodes.emofeedback.nodes.comfy import live

    return live


@pytest.fixture
def state(live: Any) -> Any:
    from custom_nodes.emofeedback.emofeedback.loop.steps import start_loop
    from custom_nodes.emofeedback.emofeedback.records.emotion import Emotion

    return start_loop("a boat", Emotion(1, 1))


def making(run: Any, state: Any) -> Any:
    run.enter(state, making=True)
    return run


def test_a_skip_after_the_last_look_is_refused(live: Any, state: Any) -> None:
    run = making(live.LiveRun("page", "prompt", "5", ""), state)
    assert not run.wish(state, last=False)
    assert run.ask_to_skip(1) == ""
    assert run.wish(state, last=True)
    other = making(live.LiveRun("page", "prompt", "5", ""), state)
    assert not other.wish(state, last=True)
    assert "being read already" in other.ask_to_skip(1)


def test_a_skip_that_is_granted_is_met_even_at_the_last_instant(live: Any, state: Any) -> None:
    """The loop takes its last look between the check of the wish and its note."""
    seen: list[str] = []

    class Slow(live.LiveRun):
        def __getattribute__(self, name: str) -> Any:
            value = super().__getattribute__(name)
            if name == "may_skip" and threading.current_thread() is asking and not seen:
                look.start()
                look.join(0.3)  # longer than a look takes that nothing holds up
            return value

    run = Slow("page", "prompt", "5", "")
    asking = threading.current_thread()
    look = threading.Thread(target=lambda: seen.append(run.wish(state, last=True)))
    run.enter(state, making=True)
    granted = run.ask_to_skip(1) == ""
    look.join()
    assert seen == ["skip" if granted else ""]


def test_accepting_and_skipping_the_first_round_at_once_goes_on(
    live: Any, state: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = making(live.LiveRun("page", "prompt", "5", ""), state)
    from custom_nodes.emofeedback.emofeedback.loop.driver import read_round

    monkeypatch.setattr(live.RUNS, "here", lambda state: run)
    monkeypatch.setattr(live, "_keep", lambda run, events: None)
    monkeypatch.setattr(live, "_server", SilentServer)
    assert run.ask_to_skip(1) == ""
    run.accept = True
    left = read_round(state, torch.zeros(1, 8, 8, 3), None, live.Page())
    assert not left.done and left.coming_round == 2
    assert not run.wish(left, last=True)  # there must be a picture to accept
