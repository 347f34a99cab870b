"""Rated pictures in the tables that people have."""

import json

import pytest
from PIL import Image

from emofeedback.__main__ import main
from emofeedback.errors import ConfigError
from emofeedback.reading.rated import read_ratings


@pytest.fixture
def folder(tmp_path):
    for name in ("a.jpg", "set1/b.jpg", "IMG_01.JPG", "café.v2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (9, 9)).save(tmp_path / name)
    return tmp_path


def read(folder, text, *, scale="1..9", encoding="utf-8"):
    (folder / "table.csv").write_bytes(text.encode(encoding))
    return [
        (p.path.relative_to(folder).as_posix(), p.emotion.valence, p.emotion.arousal, p.theme)
        for p in read_ratings(folder / "table.csv", scale=scale)
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize(("delimiter", "five"), [(";", "5,00"), ("\t", "5.0"), (",", '"5,0"')])
def test_one_content_in_many_shapes(folder, delimiter, five, encoding):
    lines = ["File", "Valence", "Arousal", "Theme"], ["a.jpg", "9", five, "Caf\xe9"], ["", "", ""]
    text = "\r\n".join(delimiter.join(line) for line in lines)
    assert read(folder, text, encoding=encoding) == [("a.jpg", 3, 0, "Café")]


def test_json_lines_with_a_separator_of_lines_in_a_caption(folder):
    rows = [{"image": "a.jpg", "valence": 1, "arousal": "9", "theme": "one\u2028two"}]
    text = "\n\n".join(json.dumps(row, ensure_ascii=False) for row in rows * 2)
    assert read(folder, text) == [("a.jpg", -3, 3, "one\u2028two")] * 2


@pytest.mark.parametrize(
    ("name", "file"),
    [
        (r"set1\b.jpg", "set1/b.jpg"),
        ("IMG_01", "IMG_01.JPG"),
        ("img_01.jpg", "IMG_01.JPG"),
        ("cafe\u0301.v2", "café.v2.png"),
        ("SET1/B".lower(), "set1/b.jpg"),
    ],
)
def test_a_picture_is_found_as_people_name_it(folder, name, file):
    assert read(folder, f"file,valence,arousal\n{name},5,5\n")[0][0] == file


def test_two_pictures_of_one_name_are_told_apart_by_the_table(folder):
    Image.new("RGB", (9, 9)).save(folder / "a.png")
    with pytest.raises(ConfigError, match="'a' may be a.jpg or a.png. Write the whole name"):
        read(folder, "file,valence,arousal\na,5,5\n")
    assert read(folder, "file,valence,arousal\na.png,5,5\n")[0][0] == "a.png"


@pytest.mark.parametrize(
    ("scale", "row", "emotion"),
    [
        ("-3..3,0..6", "-1.5,6", (-1.5, 3)),
        ("1..10", "10,1", (3, -3)),
        ("likert7, 0..1", "7,0.5", (3, 0)),
        ("−1.5..1.5", "1.5,-1.5", (3, -3)),
    ],
)
def test_scales_of_either_axis(folder, scale, row, emotion):
    found = read(folder, f"file,valence,arousal\na.jpg,{row}\n", scale=scale)
    assert found[0][1:3] == pytest.approx(emotion)


@pytest.mark.parametrize("scale", ["1..1", "9..1", "1-9", "1..9,1..9,1..9", "..3", "nan..3"])
def test_a_scale_that_is_none_is_refused(folder, scale):
    with pytest.raises(ConfigError, match="The scale is "):
        read(folder, "file,valence,arousal\na.jpg,1,1\n", scale=scale)


def test_lines_are_those_of_the_file(folder):
    text = 'file,valence,arousal,theme\n\n,,\na.jpg,5,5,"two\nlines"\na.jpg,5,high\n'
    with pytest.raises(ConfigError, match="line 6: arousal is 'high'"):
        read(folder, text)


def test_a_scale_that_begins_with_a_minus_sign_is_one_word_of_a_command(folder, caplog):
    (folder / "r.csv").write_text("file,valence,arousal\na.jpg,1,5\n", encoding="utf-8")
    code = main(["evaluate", "scorer", f"{folder}/r.csv", "--scale", "-3..3,0..4"])
    assert code == 2 and "arousal is 5, outside the scale 0..4 (0..4)" in caplog.text
