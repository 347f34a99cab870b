"""What pages are told of a run, and what is kept of it on disk."""

import base64
import io
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from emofeedback.images import thumbnail, to_png
from emofeedback.loop.events import THUMBNAIL_SIDE, Told, events_since, upgraded
from emofeedback.loop.log import RunLog
from emofeedback.loop.report import loop_report
from emofeedback.loop.steps import (
    accept_best,
    record_refinement,
    record_scores,
    rewritten_for_target,
    skip_round,
    start_loop,
)
from emofeedback.records.emotion import Emotion
from emofeedback.records.policy import LoopPolicy
from emofeedback.records.reading import Reading
from emofeedback.records.refinement import Refinement, Suggestion
from emofeedback.records.request import RefineRequest
from emofeedback.records.state import LoopState
from emofeedback.refining.rules import RuleRefiner


class Confetti(RuleRefiner):
    """Proposes what stands in the golden file, whatever the table of cues says today."""

    def refine(self, request: RefineRequest) -> Refinement:
        text = "weather: still air -> whirling confetti"
        return replace(
            super().refine(request),
            prompt="a boat, in whirling confetti",
            clause="in whirling confetti",
            suggestions=(Suggestion(text, cue="whirling confetti", reason="raises both"),),
        )


def history() -> list[LoopState]:
    """The states of a run: begun, rewritten, read, refined, skipped, read, accepted."""
    begun = start_loop("a boat", Emotion(1, 1), LoopPolicy(rounds=9, tolerance=0))
    state = rewritten_for_target(begun, Confetti())
    readings = [Reading(emotion=Emotion(v, 0), uncertainty=(0.3, 0.2)) for v in (0, 2)]
    images = torch.rand(2, 16, 24, 3, generator=torch.Generator().manual_seed(0))
    refinement = Refinement(
        prompt="a boat, calm", suggestions=(Suggestion("calm it", reason="why"),)
    )
    read = record_scores(state, images, readings)
    refined = record_refinement(read, refinement)
    skipped = skip_round(refined, pictures=2)
    again = record_scores(skipped, images, readings)
    return [begun, state, read, refined, skipped, again, accept_best(again)]


KINDS = ["start", "refined", "round", "refined", "skipped", "round", "end"]


@given(st.sets(st.integers(0, 5)))
@settings(deadline=None)
def test_the_story_is_the_same_however_often_it_is_told(moments: set[int]) -> None:
    told, kinds, rounds, refined = Told(), [], [], []
    for index, state in enumerate(STATES):
        if index in moments or index == len(STATES) - 1:
            events, told = events_since(state, told)
            kinds += [event["kind"] for event in events]
            rounds += [event["round"] for event in events if event["kind"] == "round"]
            refined += [event["round"] for event in events if event["kind"] == "refined"]
    assert sorted(kinds) == sorted(KINDS)
    assert (kinds[0], kinds[-1]) == ("start", "end")
    assert rounds == [1, 3]
    assert refined == [0, 1], "what came before the first round, and what followed it"


STATES = history()


def test_events_are_json_and_name_the_best_picture_by_its_round() -> None:
    events, _ = events_since(STATES[-1], Told())
    assert json.loads(json.dumps(events)) == events
    best = {"round": 1, "candidate": 1}
    assert events[-1]["best_so_far"].items() >= best.items()
    assert events[-1]["stop_reason"] == "accepted"
    assert events[-1]["why"] == "accepted by you"
    assert events[-1]["cost"]["pictures"] == 6


def test_a_round_is_told_as_the_report_has_it() -> None:
    events, _ = events_since(STATES[-1], Told())
    told = [event for event in events if event["kind"] == "round"]
    for event, written in zip(told, loop_report(STATES[-1])["rounds"], strict=True):
        assert event.items() >= written.items()
    refined = [event for event in events if event["kind"] == "refined"]
    assert refined[0]["changes"][0] == {"text": "a boat", "change": "same"}


OLD = Path(__file__).parents[2] / "golden" / "run_format_1.jsonl"


def test_a_run_kept_by_an_earlier_version_is_told_as_by_this_one(tmp_path: Path) -> None:
    """The golden file holds the events of `history`, as format 1 wrote them."""
    (tmp_path / "old.jsonl").write_bytes(OLD.read_bytes())
    found = RunLog(tmp_path).read("old")
    now, _ = events_since(STATES[-1], Told())
    assert found is not None
    for old, new in zip(found, now, strict=True):
        assert set(old) <= set(new)
        assert set(new) - set(old) <= set(new) - {"best", "changes", "readings", "why", "kind"}
        for name in ("kind", "round", "best", "prompt", "changes", "why", "format"):
            assert old.get(name) == new.get(name), name
        for reading, other in zip(old.get("readings", ()), new.get("readings", ()), strict=True):
            assert reading["gap"] == other["gap"]
        best, other = old.get("best_so_far"), new.get("best_so_far")
        assert best is other is None or best["gap"].pop("size") == other["gap"]["size"]
        assert best is None or (best["round"], best["candidate"]) == (1, 1)


@pytest.mark.parametrize("line", [{"kind": "round"}, {}, {"kind": "end"}, {"kind": "refined"}])
def test_a_damaged_line_of_an_old_run_is_left_out(line: dict[str, object]) -> None:
    start = {"kind": "start", "format": 1, "prompt": "a boat"}
    assert upgraded([start, line]) == [{**start, "format": 2}]


@pytest.mark.parametrize("shape", [(16, 24), (1024, 512), (300, 301)])
def test_thumbnails_are_small_whole_pictures(shape: tuple[int, int]) -> None:
    url = thumbnail(to_png(torch.rand(*shape, 3)), THUMBNAIL_SIDE)
    head, data = url.split(",")
    assert head == "data:image/jpeg;base64"
    size = Image.open(io.BytesIO(base64.b64decode(data))).size
    assert max(size) <= THUMBNAIL_SIDE
    assert size[0] / size[1] == pytest.approx(shape[1] / shape[0], rel=0.05)


def test_what_is_kept_is_what_was_told(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "new" / "runs")
    events, _ = events_since(STATES[-1], Told())
    log.append("one", events[:2])
    log.append("one", events[2:])
    assert log.read("one") == events


def test_a_line_cut_off_by_a_crash_is_left_out(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    log.append("one", [{"kind": "start"}])
    with (tmp_path / "one.jsonl").open("a", encoding="utf-8") as stream:
        stream.write('{"kind": "round", "candi')
    assert log.read("one") == [{"kind": "start"}]


@pytest.mark.parametrize("name", ["../secret", "secret", "..", "", "/etc/passwd", "one.jsonl", "*"])
def test_an_id_never_reaches_another_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.jsonl").write_text("{}\n", encoding="utf-8")
    log = RunLog(tmp_path / "runs")
    log.append("one", [{}])
    assert log.read(name) is None


def test_only_the_newest_runs_are_kept(tmp_path: Path) -> None:
    log = RunLog(tmp_path, keep=3)
    for index in range(6):
        log.append(str(index), [{}])
        os.utime(tmp_path / f"{index}.jsonl", (index, index))
    assert [index for index in range(6) if log.read(str(index)) is not None] == [3, 4, 5]


def test_servers_read_each_others_runs_and_delete_their_own(tmp_path: Path) -> None:
    one, two = (RunLog(tmp_path, part=part, keep=2) for part in ("8188", "8189"))
    RunLog(tmp_path).append("of before", [{}])
    one.append("first", [{"kind": "start"}])
    for index in range(4):
        two.append(str(index), [{}])
    assert one.read("of before") == [{}] and two.read("first") == [{"kind": "start"}]
    assert len(list((tmp_path / "8189").iterdir())) == 2


def test_a_folder_without_runs_is_no_error(tmp_path: Path) -> None:
    assert RunLog(tmp_path / "none").read("one") is None
