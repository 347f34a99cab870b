"""The report's files: whole, closed to what hostile texts try, and true to the run."""

import base64
import csv
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
import torch
from PIL import Image

from emofeedback.errors import LoopError
from emofeedback.loop.report import loop_report
from emofeedback.loop.report_page import (
    COLUMNS,
    report_csv,
    report_html,
    report_json,
)
from emofeedback.loop.steps import (
    record_refinement,
    record_scores,
    rewritten_for_target,
    skip_round,
    start_loop,
)
from emofeedback.records.emotion import Emotion
from emofeedback.records.policy import LoopPolicy
from emofeedback.records.reading import Cue, Reading
from emofeedback.records.refinement import (
    Refinement,
    Suggestion,
)
from emofeedback.records.request import (
    RefineRequest,
)
from emofeedback.records.state import Best, LoopState

HOSTILE = (
    "</bdi><script>alert(1)</script><img src='http://x.example/a.png' onerror=alert(2)> {{ 7*7 }}"
)


class Says:
    """A refiner that always answers the same."""

    name = "says"

    def __init__(self, answer: Refinement) -> None:
        self.answer = answer

    def refine(self, request: RefineRequest) -> Refinement:
        return self.answer


def run(text: str, rounds: int = 2, candidates: int = 2, clause: str = "") -> LoopState:
    """A finished loop in which every text that a person or model writes is `text`.

    `clause` is what the first round's prompt was rewritten with, empty for none.
    """
    policy = LoopPolicy(rounds=rounds, candidates=candidates, tolerance=0)
    state = start_loop(text, Emotion(2, -1), policy, seed=3)
    if clause:
        answer = Refinement(
            prompt=f"{text}, {clause}",
            suggestions=(Suggestion(f"{text} first", reason=text),),
            refiner=text,
            tokens=7,
        )
        state = rewritten_for_target(state, Says(answer))
    for number in range(rounds):
        readings = [
            Reading(
                emotion=Emotion(number / rounds, -index / candidates),
                uncertainty=(0.5, 0.4),
                words=(text,),
                cues=(Cue(text, text, text),),
                rationale=text,
                raw_text=text,
                model=text,
                calibration=text,
                content=0.9,
                warnings=(text,),
            )
            for index in range(candidates)
        ]
        state = record_scores(state, torch.rand(candidates, 16, 16, 3), readings)
        if not state.done:
            refinement = Refinement(
                prompt=f"{text}, under a soft sky",
                suggestions=(Suggestion(text, reason=text),),
                warnings=(text,),
            )
            state = record_refinement(state, refinement)
    return state


class Page(HTMLParser):
    """Tags, addresses and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.names: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.names |= {name for name, _ in attrs}
        addresses = ("src", "srcset", "href", "action", "data")
        self.addresses += [value or "" for name, value in attrs if name in addresses]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("text", [HOSTILE, "a boat"])
def test_the_page_runs_nothing_and_loads_nothing_whatever_was_written(text: str) -> None:
    page = Page(report_html(run(text, clause="calm")))
    plain = Page(report_html(run("a boat", clause="calm")))
    assert page.tags == plain.tags, "a text became markup"
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert not [name for name in page.names if name.startswith("on")]
    assert page.addresses and all(each.startswith("data:image/") for each in page.addresses)
    assert "default-src 'none'" in report_html(run(text))
    assert text in page.text


def test_the_page_shows_every_picture_and_how_the_prompt_changed() -> None:
    page = report_html(run("a boat", rounds=3, candidates=4))
    assert page.count("data:image/jpeg") == 12
    assert page.count("data:image/png") == 3  # the best one and a chart for either theme
    assert page.count("<ins>, under a soft sky</ins>") == 1
    assert "<del>" not in page


def test_the_page_tells_what_was_rewritten_before_the_first_picture() -> None:
    page = report_html(run("a boat", rounds=1, clause="calm"))
    assert page.count("<ins>, calm</ins>") == 1
    assert "a boat first (a boat)" in page
    assert "<td>before</td>" in page and '<td class="number">7</td>' in page
    assert "before the first picture" not in report_html(run("a boat", rounds=1))


@pytest.mark.parametrize(("count", "sides"), [(8, {320}), (16 * 50, {160})])
def test_a_long_run_has_small_pictures_so_that_its_page_stays_light(
    count: int, sides: set[int]
) -> None:
    state = start_loop("a boat", Emotion(1, 0), LoopPolicy(rounds=1))
    flat = torch.full((1, 400, 400, 3), 0.5).expand(count, -1, -1, -1)
    (record,) = record_scores(state, flat[:1], [Reading(emotion=Emotion(0, 0))]).rounds
    many = replace(
        record,
        images=record.images * count,
        readings=record.readings * count,
        prompts=record.prompts * count,
    )
    page = report_html(replace(state, rounds=(many,), best=Best(0, 0, record.gap)))
    found = re.findall(
        r'<img loading="lazy" decoding="async" src="data:image/jpeg;base64,([^"]+)', page
    )
    assert len(found) == count
    widths = {Image.open(io.BytesIO(base64.b64decode(data))).width for data in found}
    assert widths == sides


def test_json_and_table_hold_the_same_run() -> None:
    state = run("a boat", rounds=2, candidates=3)
    assert json.loads(report_json(state)) == json.loads(json.dumps(loop_report(state)))
    rows = list(csv.DictReader(io.StringIO(report_csv(state))))
    assert len(rows) == 6 and tuple(rows[0]) == COLUMNS
    (best,) = [row for row in rows if row["best_of_all"] == "1"]
    report = loop_report(state)
    assert [int(best["round"]), int(best["candidate"])] == [
        report["best"]["round"],
        report["best"]["candidate"],
    ]
    assert float(best["gap_size"]) == pytest.approx(report["best"]["gap"]["size"], abs=1e-4)
    assert sum(int(row["best_of_round"]) for row in rows) == 2
    assert report["format"] == 2
    chosen = report["rounds"][report["best"]["round"] - 1]
    assert chosen["best"] == report["best"]["candidate"]
    assert chosen["readings"][chosen["best"] - 1]["gap"] == report["best"]["gap"]


def test_a_skipped_round_leaves_the_others_their_pictures_and_numbers() -> None:
    skipped = skip_round(start_loop("a boat", Emotion(1, 0), LoopPolicy(rounds=2)), pictures=7)
    state = record_scores(skipped, torch.rand(2, 16, 16, 3), [Reading(emotion=Emotion(0, 0))] * 2)
    page = report_html(state)
    assert "Candidate 2 of round 2" in page and page.count("data:image/jpeg") == 2
    assert '1, skipped by you</td><td class="number">7<' in page
    rows = list(csv.DictReader(io.StringIO(report_csv(state))))
    assert [(row["round"], row["best_of_all"]) for row in rows] == [("2", "1"), ("2", "0")]


@pytest.mark.parametrize("text", ["=1+1", "@SUM(A1)", " +cmd|' /C calc'!A0", "-2"])
def test_no_cell_of_the_table_is_a_formula(text: str) -> None:
    for row in csv.DictReader(io.StringIO(report_csv(run(text)))):
        assert row["prompt"].startswith("'")
        assert not row["words"].lstrip().startswith(("=", "+", "@", "-"))


def test_a_loop_without_a_round_has_no_report() -> None:
    state = start_loop("a boat", Emotion(0, 0))
    for write in (report_html, report_json, report_csv):
        with pytest.raises(LoopError, match="not finished a round yet"):
            write(state)
