"""Human ratings read from files, and readings calibrated to them."""

import json
import logging
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from emofeedback.__main__ import main
from emofeedback.commands.evaluate import agreement
from emofeedback.embedded.scorer import load_scorer
from emofeedback.errors import ConfigError, ImageError
from emofeedback.images import load_picture
from emofeedback.reading.calibration import (
    LEAST_SPREAD,
    fit_axis,
    fit_calibration,
    load_calibration,
    save_calibration,
    slope_interval,
    theme_folds,
)
from emofeedback.reading.rated import RatedPicture, read_ratings
from emofeedback.records.emotion import Emotion
from emofeedback.records.reading import Reading

RNG = np.random.default_rng(7)


def rated_world(count: int = 120) -> tuple[list, list, list]:
    """Ratings inside the scale, readings with noise, twelve themes."""
    ratings = [tuple(pair) for pair in RNG.uniform(-1.4, 1.4, (count, 2))]
    readings = [tuple(np.add(pair, RNG.normal(0, 0.3, 2))) for pair in ratings]
    return ratings, readings, [f"theme {index % 12}" for index in range(count)]


def test_a_biased_scorer_is_brought_back_to_the_unbiased_error():
    ratings, readings, themes = rated_world()
    biased = [(1.6 * v + 0.5, 1.6 * a + 0.5) for v, a in readings]
    plain = fit_calibration("plain", ratings, readings, themes)
    fit = fit_calibration("biased", ratings, biased, themes)
    for axis in ("valence", "arousal"):
        before, after = getattr(plain, axis), getattr(fit, axis)
        assert after.error_before > 1.5 * before.error_before
        assert after.error_after <= 1.05 * before.error_before
        assert after.pearson == pytest.approx(before.pearson)
        assert after.constant_error == before.constant_error
    (scale, _), (offset, _) = fit.calibration.scale, fit.calibration.offset
    assert scale * 1.6 == pytest.approx(plain.calibration.scale[0])
    assert scale * 0.5 + offset == pytest.approx(plain.calibration.offset[0])


@given(st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=40), st.integers(2, 6))
def test_a_theme_is_never_on_both_sides(themes, folds):
    if len(set(themes)) < 2:
        with pytest.raises(ConfigError, match="at least two themes"):
            theme_folds(themes, folds)
        return
    parts = theme_folds(themes, folds)
    assert sorted(np.concatenate(parts)) == list(range(len(themes)))
    names = [{themes[index] for index in part} for part in parts]
    assert sum(map(len, names)) == len(set(themes))


def test_a_scorer_that_knows_nothing_is_refused():
    ratings, readings, themes = rated_world()
    assert fit_axis([1.0, 2.0, 3.0], [3.0, 2.0, 1.0])[0] == 0.0  # never turned round
    flat = [(0.5, arousal) for _, arousal in readings]
    for rated, read, told in (
        (flat, readings, "All ratings of valence are 0.50"),
        (ratings, flat, "All readings of valence are 0.50"),
        (ratings, [(v, a) for (v, _), (a, _) in zip(readings, RNG.normal(size=(120, 2)))],
         r"arousal do not follow the ratings: the slope lies between -0\.\d\d and 0\.\d\d"),
        (ratings, [(-v, a) for v, a in readings], "valence do not follow"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=told):
            fit_calibration("x", rated, read, themes)
    with pytest.raises(ConfigError, match="4 themes are too few"):
        fit_calibration("x", ratings, readings, [theme[-1] for theme in ["aa", "b", "c", "d"] * 30])


def test_whole_themes_are_drawn_anew_for_the_slopes_interval():
    ratings, readings, _ = rated_world()
    y, x = np.array(ratings)[:, 0], np.array(readings)[:, 0]
    low, high = slope_interval(y, x, [str(index) for index in range(120)])
    residual = y - np.polyval(np.polyfit(x, y, 1), x)
    error = residual.std(ddof=2) / (x.std() * math.sqrt(120))
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.2)
    assert low < np.polyfit(x, y, 1)[0] < high


def test_the_calibrated_spread_accounts_for_what_held_out_pictures_show():
    ratings, readings, themes = rated_world(600)
    own = RNG.uniform(0.02, 0.1, (600, 2))  # far less than the 0.3 by which the readings err
    fit = fit_calibration("sure", ratings, readings, themes, own.tolist())
    spread = np.array([fit.calibration.spread(*pair) for pair in own])
    errors = np.array([axis.error_after for axis in (fit.valence, fit.arousal)])
    # a normal deviate is off by sqrt(2 / pi) of its standard deviation on average
    assert np.sqrt((spread**2).mean(0)) == pytest.approx(errors * math.sqrt(math.pi / 2), rel=0.1)
    assert np.corrcoef(spread[:, 0], own[:, 0])[0, 1] > 0.9  # less sure stays less sure
    assert 0.25 < fit.calibration.unexplained[0] < 0.35
    unsure = fit_calibration("unsure", ratings, readings, themes, [(2.0, 2.0)] * 600)
    assert unsure.calibration.unexplained == (LEAST_SPREAD, LEAST_SPREAD)
    assert min(fit.calibration.spread(0.0, 0.0)) >= LEAST_SPREAD  # never sure of itself
    silent = fit_calibration("silent", ratings, readings, themes)
    assert silent.calibration.spread(0.0, 0.0)[0] == pytest.approx(0.3, abs=0.05)
    with pytest.raises(ConfigError, match="600 themes, 599 spreads"):
        fit_calibration("x", ratings, readings, themes, own.tolist()[1:])


def test_a_file_from_before_spreads_were_widened_only_scales_them(tmp_path):
    path = tmp_path / "old.json"
    path.write_text('{"name": "old", "scale": [0.5, 1], "offset": [0, 0]}', encoding="utf-8")
    assert load_calibration(path).spread(0.4, 0.4) == (0.2, 0.4)


def test_a_calibration_survives_its_file_and_a_broken_file_is_refused(tmp_path):
    fit = fit_calibration("oasis", *rated_world(), [(0.1, 0.2)] * 120)
    path = tmp_path / "sub" / "oasis.json"
    save_calibration(fit, path, scorer="s", pictures="p")
    assert load_calibration(path) == fit.calibration
    for text in ("{}", "[1]", "{", '{"name":"x","scale":[1],"offset":[0,0]}',
                 '{"name":"x","scale":[NaN,1],"offset":[0,0]}',
                 '{"name":"x","scale":[0,1],"offset":[0,0]}',
                 '{"name":"x","scale":[1,1],"offset":[0,0],"unexplained":[0,-1]}'):  # fmt: skip
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match=r"oasis.json (is not a calibration|holds the map)"):
            load_calibration(path)


@pytest.mark.parametrize("count", [0, 9])
def test_too_few_pictures_are_refused(count):
    with pytest.raises(ConfigError, match=f"{count} rated pictures are too few"):
        fit_calibration("x", [(0, 0)] * count, [(0, 0)] * count, ["a"] * count)


def picture(path, mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (40, 30)).save(path)


def test_oasis_in_both_its_layouts(tmp_path):
    picture(tmp_path / "images" / "dog_1.jpg")
    (tmp_path / "ratings.csv").write_text(
        "file,theme,category,valence_mean,arousal_mean\ndog_1.jpg,Dog,Animal,7,1\n",
        encoding="utf-8",
    )
    (found,) = read_ratings(tmp_path)
    assert (found.emotion, found.theme, found.path.name) == (Emotion(3, -3), "Dog", "dog_1.jpg")
    picture(tmp_path / "own" / "images" / "Dog 2.jpg")
    table = tmp_path / "own" / "OASIS.csv"
    table.write_bytes(
        "Theme,Category,Valence_mean,Arousal_mean\rDog 2 ,Caf\xe9,4,4\r".encode("latin-1")
    )
    (found,) = read_ratings(tmp_path / "own")
    assert (found.emotion, found.theme) == (Emotion(0, 0), "Café")


def test_the_plain_layout_on_any_scale(tmp_path):
    table = tmp_path / "mine.csv"
    picture(tmp_path / "a.png", "LA")
    table.write_text("file,valence,arousal\na.png,9,5\n", encoding="utf-8")
    (found,) = read_ratings(table, scale="sam9")
    assert (found.emotion, found.theme) == (Emotion(3, 0), "a.png")
    image = load_picture(found.path)
    assert image.shape == (1, 30, 40, 3) and torch.allclose(image, torch.ones_like(image))


BAD_TABLES = {
    "no scale": ("file,valence,arousal\na.png,1,1\n", "", "does not say its scale"),
    "off the scale": (
        "file,valence,arousal\na.png,1,10\n",
        "sam9",
        "line 2: arousal is 10, outside",
    ),
    "no number": ("file,valence,arousal\na.png,1,high\n", "sam9", "line 2: arousal is 'high'"),
    "no picture": ("file,valence,arousal\nb.png,1,1\n", "sam9", "picture 'b.png' is neither"),
    "columns": ("name,score\na.png,1\n", "sam9", "has the columns name, score"),
    "empty": ("file,valence,arousal\n", "sam9", "holds no rows"),
    "scale": ("file,valence,arousal\na.png,1,1\n", "sam", "The scale is 'sam'"),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_a_table_that_cannot_be_used_says_where_and_why(name, tmp_path):
    text, scale, message = BAD_TABLES[name]
    picture(tmp_path / "a.png")
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        read_ratings(tmp_path / "t.csv", scale=scale)


def test_what_is_no_picture_is_named(tmp_path):
    (tmp_path / "x.jpg").write_text("no", encoding="utf-8")
    with pytest.raises(ImageError, match="x.jpg cannot be opened"):
        load_picture(tmp_path / "x.jpg")


def test_agreement_tells_errors_and_whether_the_spread_is_honest():
    pictures = [RatedPicture(None, "t", Emotion(v, 0)) for v in (-1, 0, 1)]
    readings = [Reading(emotion=Emotion(v, 0), uncertainty=(0.2, 0.1)) for v in (-1.1, 0.1, 1.5)]
    found = agreement(pictures, readings, "valence")
    assert found["error"] == pytest.approx(0.7 / 3)
    assert (found["within_spread"], found["spearman"]) == (pytest.approx(2 / 3), 1.0)
    assert found["constant_error"] == pytest.approx(2 / 3)


@pytest.fixture(scope="module")
def rated_folder(tmp_path_factory) -> Path:
    """Pictures whose ratings follow what the embedded scorer reads, and one that is none."""
    folder, scorer = tmp_path_factory.mktemp("rated"), load_scorer()
    rows = ["file,valence,arousal,theme"]
    for index in range(24):
        grain = RNG.integers(0, 255, (32, 32, 3), dtype=np.uint8) // (1 + index % 4)
        path = folder / f"{index}.png"
        Image.fromarray(grain // 2 + RNG.integers(0, 127, 3, dtype=np.uint8)).save(path)
        (reading,) = scorer.score(load_picture(path))
        felt = (reading.emotion.valence, reading.emotion.arousal)
        valence, arousal = (float(np.clip(0.8 * x + RNG.normal(0, 0.02), -3, 3)) for x in felt)
        rows.append(f"{index}.png,{valence:.3f},{arousal:.3f},{'abcdef'[index % 6]}")
    (folder / "24.png").write_text("no picture", encoding="utf-8")
    (folder / "ratings.csv").write_text("\n".join([*rows, "24.png,0,0,a"]), encoding="utf-8")
    return folder


def test_the_commands_fit_and_measure_on_rated_pictures(rated_folder, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    out, scale = tmp_path / "fit.json", "--scale=-3..3"
    assert main(["calibrate", str(rated_folder), scale, "--out", str(out)]) == 0
    assert "after (held-out themes)" in caplog.text
    assert "1 of 25 pictures could not be read and are left out" in caplog.text
    record = json.loads(out.read_text(encoding="utf-8"))
    assert record["valence"]["count"] == 24 and record["scorer"] == "embedded"
    assert "valence {:.2f}, arousal {:.2f}, added".format(*record["unexplained"]) in caplog.text
    report = tmp_path / "report.json"
    options = [scale, "--calibration", str(out), "--json", str(report)]
    assert main(["evaluate", "scorer", str(rated_folder), *options]) == 0
    assert len(json.loads(report.read_text(encoding="utf-8"))["readings"]) == 24
    assert main(["evaluate", "scorer", str(rated_folder), scale, "--scorer", "gpt"]) == 2
    assert "Write embedded, folder:PATH, server:URL, or head:FILE" in caplog.text


def test_a_calibration_goes_on_from_what_was_read(rated_folder, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    out, kept = tmp_path / "fit.json", tmp_path / "fit.json.readings.jsonl"
    command = ["calibrate", str(rated_folder), "--scale=-3..3", "--out", str(out)]
    assert main([*command, "--unreadable", "0"]) == 2
    assert "more than 0% of all 25; the last one: 24.png" in caplog.text
    whole = kept.read_bytes()
    assert main(command) == 0 and kept.read_bytes() == whole  # nothing was read twice
    written = out.read_bytes()
    kept.write_bytes(whole[: len(whole) // 2])  # in the middle of a line
    assert main(command) == 0
    assert out.read_bytes() == written
    lines = [json.loads(line) for line in kept.read_bytes().splitlines() if line.endswith(b"}")]
    assert len({line["picture"] for line in lines}) == len(lines) == 24
    out.unlink()
    out.mkdir()
    kept.unlink()
    assert main(command) == 2 and not kept.exists()
    assert "fit.json cannot be written" in caplog.text
