"""Tables as people have them: one content in every shape, and damage as a typed error."""

import csv
import io
import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emofeedback.errors import ConfigError
from emofeedback.records.tables import number, read_rows

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be")
LINE_ENDS = ("\n", "\r\n", "\r")
CELLS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n\ufeff"), max_size=12
)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return tmp_path_factory.mktemp("tables") / "t.csv"


@settings(max_examples=60)
@given(
    st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5),
    st.sampled_from("\t;,|"),
    st.sampled_from(ENCODINGS),
    st.sampled_from(LINE_ENDS),
)
def test_what_was_written_is_read(table, cells, delimiter, encoding, end):
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    rows = [("plain file name", "Caption"), *cells]
    writer.writerows(rows)
    table.write_bytes(stream.getvalue().encode(encoding))
    found = [(row.line, *row.values.values()) for row in read_rows(table)]
    lines = [(n, a.strip(), b.strip()) for n, (a, b) in enumerate(cells, 2)]
    assert found == [line for line in lines if any(line[1:])]
    table.write_text(
        end.join(json.dumps({"File": a, "Caption": b}, ensure_ascii=False) for a, b in cells),
        encoding="utf-8",
        newline="",
    )
    found = [(row.line, *row.values.values()) for row in read_rows(table)]
    assert found == [(n - 1, a, b) for n, a, b in lines]


@settings(max_examples=60)
@given(st.binary(max_size=60), st.randoms(use_true_random=False))
def test_any_bytes_give_rows_or_a_typed_error(table, junk, dice: random.Random):
    data = bytearray(b'file;valence\r\n"a, b";"3,5"\r\n{"file": "c"}\n')
    place = dice.randrange(len(data))
    table.write_bytes(bytes(data[:place]) + junk + bytes(data[place:]))
    try:
        assert all(isinstance(row.line, int) for row in read_rows(table))
    except ConfigError as error:
        assert "t.csv" in str(error)  # noqa: PT017  either way is right


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("file,valence\na.jpg,3,5\n", "line 2 has 3 cells, its header 2"),
        ('file,valence\n"a.jpg,3\nb.jpg,4\n', "from line 2"),
        ("file,file\na,b\n", "two columns 'file'"),
        ('{"file": "a"}\n{"file": \n', "line 2 is no JSON"),
        ('{"file": "a"}\n7\n', "line 2 holds '7'"),
        ("PK\x03\x04 and so on", "is a workbook"),
        ("file,\0\0\0\0", "is no text file"),
    ],
)
def test_what_does_not_fit_is_told_with_its_line(table, text, told):
    table.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=told):
        read_rows(table)


def test_numbers_as_people_and_programs_write_them():
    plain = {"3": 3, " 3,5 ": 3.5, "-2.25": -2.25, "−1": -1, "1e-05": 1e-5, ",5": 0.5, "4.": 4}
    assert {text: number(text) for text in plain} == plain
    for text in ("", "x", "1.234,5", "nan", "inf", "1 2 a", "0x3", "7/9", True, None, [1], 1e999):
        assert number(text) is None


def test_excel_may_name_its_separator(table):
    table.write_text("sep=;\nfile;valence\na,b.jpg;3,5\n", encoding="utf-8")
    (row,) = read_rows(table)
    assert (row.line, row.values) == (3, {"file": "a,b.jpg", "valence": "3,5"})
