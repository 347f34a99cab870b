"""A kept loop that somebody damaged or made up: it is read as a loop, or refused in words."""

import json
import os
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emofeedback.errors import EmoFeedbackError, LoopError
from emofeedback.loop.events import Told, events_since
from emofeedback.loop.going_on import Resume, resumed_loop
from emofeedback.loop.report import loop_report
from emofeedback.loop.steps import record_refinement, record_scores, skip_round, start_loop
from emofeedback.records.archive import MOST_BYTES, MOST_VALUES, load_state, save_state
from emofeedback.records.drawn import from_bytes
from emofeedback.records.emotion import Emotion
from emofeedback.records.reading import Cue, Reading, Unread
from emofeedback.records.refinement import Refinement, Suggestion
from emofeedback.records.state import Best, Chosen, LoopPolicy, LoopState, Resumed


def loop() -> LoopState:
    """A value in every place that a loop has."""
    policy = LoopPolicy(rounds=4, candidates=2, tolerance=0.0)
    first = Refinement(prompt="a boat, calm", suggestions=(Suggestion("calm"),), warnings=("w",))
    state = start_loop("a boat", Emotion(2, 0), policy, seed=7, origin=b"origin")
    state = replace(state, first_refinement=first, resumed=Resumed("0" * 32, 1, 1, 0.5))
    reading = Reading(emotion=Emotion(1, 0), words=("w",), cues=(Cue("sun"),), content=0.5)
    pictures = torch.rand(2, 8, 8, 3)
    for readings in ([reading, Unread(why="no")], [Unread(why="no")] * 2, [reading, reading]):
        state = record_scores(state, pictures, readings, latents=(b"one", b"two"))
        if state.awaits_refinement:
            state = record_refinement(state, first)
    state = skip_round(state, pictures=2, generate_seconds=1, steps=2)
    rounds = (*state.rounds[:-1], replace(state.rounds[-1], refined_from=Chosen(1, 1)))
    best = Best(1, 1, state.rounds[1].gap, chosen=True)
    return replace(state, rounds=rounds, best=best, stop_reason="rounds", failure="an end")


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value, itself too."""
    yield path
    inner = value.items() if isinstance(value, dict) else []
    for key, each in enumerate(value) if isinstance(value, list) else inner:
        yield from places(each, (*path, key))


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = put(copy[path[0]], path[1:], new)
    return copy


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Of the file that keeps `loop()`."""
    file = tmp_path_factory.mktemp("kept") / "whole.loop"
    save_state(file, loop())
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def loaded(entries: dict[str, bytes], file: Path, packing: int = zipfile.ZIP_STORED) -> LoopState:
    with zipfile.ZipFile(file, "w", packing) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return load_state(file)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 9) | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_any_value_at_any_place_gives_a_loop_or_a_typed_error(
    entries: dict[str, bytes], tmp_path: Path, data: st.DataObject
) -> None:
    values = json.loads(entries["state.json"])
    spots = list(places(values))
    path = data.draw(st.sampled_from(spots))
    others = st.sampled_from(spots).map(lambda spot: at(values, spot))  # a value of another place
    new = data.draw(JSON | others)
    changed = {**entries, "state.json": json.dumps(put(values, path, new)).encode()}
    try:
        state = loaded(changed, tmp_path / "changed.loop")
    except LoopError:
        return
    try:
        for choice in (None, Chosen(1, 1), Chosen(3, 2)):
            after = resumed_loop(state, Resume("0" * 32, choice, 1), LoopPolicy()).known
            assert after is not None
            events_since(after, Told())
            loop_report(after)
    except EmoFeedbackError:
        pass


def test_what_is_kept_comes_back_as_it_was(entries: dict[str, bytes], tmp_path: Path) -> None:
    save_state(tmp_path / "a.loop", load := loop())
    assert vars(load_state(tmp_path / "a.loop")) == vars(load)


NO_LOOPS = {
    **{text: text.encode() for text in ("", "[]", '"x"', "null", "{", '{"target": [1]}')},
    **{text: text.encode() for text in ('{"policy": []}', '{"seed": 1e999}', '{"known": {}}')},
    "no text": b"\xff",
    "many digits": b'{"seed": ' + b"9" * 9999 + b"}",
    "deep list": b"[" * 100_000,
    "deep loops": b'{"target":' * 50_000 + b"1" + b"}" * 50_000,
    "long": b" " * (MOST_VALUES + 1),
}


@pytest.mark.parametrize("text", NO_LOOPS.values(), ids=NO_LOOPS)
def test_what_is_no_loop_is_refused(entries: dict[str, bytes], tmp_path: Path, text: bytes) -> None:
    with pytest.raises(LoopError, match="The kept loop a cannot be read"):
        loaded({**entries, "state.json": text}, tmp_path / "a.loop")


def test_a_small_file_that_claims_to_hold_much_is_not_unpacked(
    entries: dict[str, bytes], tmp_path: Path
) -> None:
    file = tmp_path / "a.loop"
    for packing in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with pytest.raises(LoopError, match="compressed"):
            loaded(entries, file, packing)
    whole = loaded(entries, file)
    assert whole.made[0].latents[0] is whole.made[1].latents[0]  # what is named twice is read once
    with pytest.raises(LoopError, match="damaged"):
        from_bytes(whole.made[0].latents[0])
    os.truncate(file, MOST_BYTES + 1)
    with pytest.raises(LoopError, match="are the most"):
        load_state(file)
