"""People rate a study's pictures: blind, by keys alone, into a table, and from the page alone."""

import csv
import http.client
import json
import re
import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from emofeedback.commands.rate import TOKEN, RatingServer, open_page
from emofeedback.errors import ConfigError
from emofeedback.study.ratings import TABLE, questions_for, shown_pictures
from emofeedback.study.trials import Shot, Trial

SYSTEMS = ("drawn once", "best of 4", "loop by words")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Two pairs, three systems."""
    for pair in range(2):
        for system in SYSTEMS:
            shot = Shot((1.0, 1.0), (1.0, 1.0), None)
            trial = Trial(
                system=system, prompt="a boat on the sea", target=(2.0, 1.0), shots=(shot,),
                chosen=(0,), prompts=("a boat on the sea",), moves=(), tokens=0, seconds=1.0,
            )  # fmt: skip
            picture = tmp_path / f"{pair:03d}-{system.replace(' ', '-')}.png"
            told = PngInfo()
            told.add_text("system", system)
            Image.new("RGB", (8, 8), (80 * pair, 30, 200)).save(picture, pnginfo=told)
            picture.with_suffix(".json").write_text(json.dumps(trial.record()), encoding="utf-8")
    (tmp_path / "study.json").write_text("{}", encoding="utf-8")
    return tmp_path


@pytest.fixture
def page(study: Path) -> Iterator[RatingServer]:
    with open_page(study, 0) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(
    page: RatingServer, path: str, answer: object = None, **headers: str
) -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", page.server_address[1], timeout=30)
    method = "GET" if answer is None else "POST"
    connection.request(method, path, json.dumps(answer) if answer is not None else None, headers)
    reply = connection.getresponse()
    found = reply.status, reply.read(), dict(reply.getheaders())
    connection.close()
    return found


def rows(study: Path) -> list[dict[str, str]]:
    with (study / TABLE).open(encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table))


def test_every_question_is_asked_once_and_the_table_says_whose_picture_won(
    page: RatingServer, study: Path
) -> None:
    own = {TOKEN: page.token}
    seen = []
    while (told := json.loads(ask(page, "/next?rater=ann")[1]))["question"] is not None:
        text = json.dumps(told)
        assert not any(system in text for system in SYSTEMS), "the page would tell who is who"
        number, two = told["question"], told["pictures"] == 2
        question = questions_for("ann", shown_pictures(study))[number]
        status, data, _ = ask(page, f"/picture?rater=ann&question={number}&place=0")
        assert status == 200
        with Image.open(BytesIO(data)) as sent, Image.open(question.shown[0].picture) as kept:
            assert not sent.info and sent.tobytes() == kept.tobytes()
        felt = {"choice": "right"} if two else {"valence": 1.5, "arousal": -0.5}
        answer = {"rater": "ann", "question": number, **felt}
        assert ask(page, "/answer", answer, **own)[0] == 200
        assert ask(page, "/answer", answer, **own)[0] == 200  # pressed twice: counted once
        seen.append((question, two))
    assert len(seen) == 2 * (3 + 3) == len(rows(study))
    for row, (question, two) in zip(rows(study), seen, strict=True):
        systems = [shown.system for shown in question.shown]
        assert [row["left"], row["right"]] == [*systems, ""][:2]
        assert (row["choice"], row["valence"]) == (("right", "") if two else ("", "1.5"))
    assert json.loads(ask(page, "/next?rater=ben")[1])["done"] == 0
    orders = {name: questions_for(name, shown_pictures(study)) for name in ("ann", "ben")}
    assert orders["ann"] != orders["ben"]
    assert {q.key for q in orders["ann"]} == {q.key for q in orders["ben"]}


def test_only_the_page_may_answer_and_only_this_computer_may_ask(
    page: RatingServer, study: Path
) -> None:
    answer = {"rater": "ann", "question": 0, "choice": "left"}
    assert ask(page, "/answer", answer)[0] == 403
    assert ask(page, "/answer", answer, **{TOKEN: "guessed"})[0] == 403
    assert ask(page, "/next?rater=ann", Host="evil.example")[0] == 403
    assert ask(page, "/answer", answer, Host="evil.example", **{TOKEN: page.token})[0] == 403
    status, html, headers = ask(page, "/")
    assert status == 200 and page.token in html.decode()
    assert "Access-Control-Allow-Origin" not in headers
    assert headers["Content-Security-Policy"].startswith("default-src 'self'")
    assert page.server_address[0] == "127.0.0.1"
    for path in ("/../ratings.py", "/..%2fratings.py", "/study.json", "/000-drawn-once.png"):
        assert ask(page, path)[0] == 404
    assert not (study / TABLE).exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"choice": "both"}, {"valence": 9, "arousal": 0}, {"valence": True, "arousal": 0}, {},
        {"choice": "left", "question": 99}, {"choice": "left", "rater": ""},
        {"choice": "left", "question": "x"}, {"valence": float("nan"), "arousal": 0},
    ],
)  # fmt: skip
def test_what_is_no_answer_is_refused_and_not_written(
    page: RatingServer, study: Path, wrong: dict
) -> None:
    for number in (0, 1):  # a pair, and a single picture
        answer = {"rater": "ann", "question": number, **wrong}
        assert ask(page, "/answer", answer, **{TOKEN: page.token})[0] == 400
    assert not (study / TABLE).exists()


def test_a_name_is_no_formula_and_a_folder_without_a_study_is_named(
    page: RatingServer, study: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    answer = {"rater": "=1+1", "question": 0, "choice": "left"}
    assert ask(page, "/answer", answer, **{TOKEN: page.token})[0] == 200
    assert rows(study)[0]["rater"] == "'=1+1"
    assert json.loads(ask(page, "/next?rater=%3D1%2B1")[1])["done"] == 1
    with pytest.raises(ConfigError, match="holds no pictures of a study"):
        open_page(tmp_path_factory.mktemp("empty"), 0)


def test_a_table_that_cannot_be_used_is_told_and_a_row_cut_short_asked_again(
    page: RatingServer, study: Path
) -> None:
    answer = {"rater": "ann", "question": 0, "choice": "left"}
    assert ask(page, "/answer", answer, **{TOKEN: page.token})[0] == 200
    with (study / TABLE).open("a", encoding="utf-8") as table:
        table.write("ann\n")
    assert json.loads(ask(page, "/next?rater=ann")[1])["done"] == 1
    (study / TABLE).unlink()
    (study / TABLE).mkdir()
    status, told, _ = ask(page, "/answer", answer, **{TOKEN: page.token})
    assert status == 500 and b"could not be written" in told
    status, told, _ = ask(page, "/answer", answer, **{TOKEN: "\u00e9"})
    assert status == 403


def test_a_damaged_trial_is_named(study: Path) -> None:
    for damage in ("{", "[]", '{"target": 1}', "[" * 100_000):
        (study / "000-drawn-once.json").write_text(damage, encoding="utf-8")
        with pytest.raises(ConfigError, match="000-drawn-once.json is no trial of a study"):
            shown_pictures(study)


@pytest.mark.browser
def test_keys_alone_rate_everything(page: RatingServer, study: Path) -> None:
    from axe import serious_problems

    from tools.browser import chromium

    with chromium() as browser:
        view = browser.new_page()
        view.goto(page.url)
        view.keyboard.press("Tab")
        view.keyboard.type("ann")
        view.keyboard.press("Enter")
        view.wait_for_selector("#ask:not([hidden])")
        assert serious_problems(view, "main") == []
        for count in range(1, 13):
            if view.locator("#felt").is_visible():
                view.keyboard.press("ArrowRight")
                view.keyboard.press("Shift+ArrowDown")
                view.keyboard.press("Enter")
            else:
                view.keyboard.press("ArrowLeft")
            view.wait_for_function(
                "n => new RegExp(`^(${n} of|That was all)`).test("
                "document.getElementById('status').textContent)",
                arg=count,
            )
        view.close()
    told = rows(study)
    assert len(told) == 12
    assert {row["choice"] for row in told} == {"left", ""}
    assert {(row["valence"], row["arousal"]) for row in told} == {("0.1", "-0.5"), ("", "")}
    assert not re.search("drawn|loop", view.url)
