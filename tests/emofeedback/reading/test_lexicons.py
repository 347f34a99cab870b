"""Lexicons of rated words in their published layouts; the values here are made up."""

import pytest

from emofeedback.errors import ConfigError
from emofeedback.reading.lexicon import read_by_lexicon, read_lexicon
from emofeedback.reading.phrases import read_phrases
from emofeedback.records.emotion import Emotion

LAYOUTS = {
    "glasgow": "Words,Length,AROU,,,VAL,,\n,,M,SD,N,M,SD,N\nmeadow,6,3,1,33,8,1,33\n"
    "storm,5,7,1,33,2,1,33\nbank (river),4,5,1,33,5,1,33\n",
    "warriner": ",Word,V.Mean.Sum,V.SD.Sum,A.Mean.Sum,A.SD.Sum\n"
    '1,meadow,8,1,3,1\n2,storm,"2",1,7,1\n',
    "nrc 1": "Word\tValence\tArousal\tDominance\nmeadow\t0.875\t0.25\t0.5\n"
    "storm\t0.125\t0.75\t0.5\n",
    "nrc 2": "term\tvalence\tarousal\tdominance\nmeadow\t0.75\t-0.5\t0\nstorm\t-0.75\t0.5\t0\n"
    "ice storm\t-0.9\t0.9\t0\n",
    "no header": "meadow\t0.875\t0.25\t0.5\nstorm\t0.125\t0.75\t0.5\n",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_words(layout, tmp_path):
    path = tmp_path / "norms.csv"
    path.write_text(LAYOUTS[layout], encoding="utf-8")
    lexicon = read_lexicon(path)
    assert dict(lexicon.words) == {"meadow": Emotion(2.25, -1.5), "storm": Emotion(-2.25, 1.5)}
    read = read_by_lexicon("A meadow under storms, storm", lexicon)
    assert (read.emotion.valence, read.emotion.arousal) == (-0.75, 0.5)
    assert read.rationale == "norms.csv knows 3 of 5 words."
    assert read_by_lexicon("meadow, no storm", lexicon).emotion == Emotion(2.25, -1.5)
    unknown = read_by_lexicon("ein Boot", lexicon)
    assert unknown.words == ("unknown",) and "norms.csv knows none of the 2" in unknown.warnings[0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a,b\n1,2\n", "has the columns a, b"),
        ("", "has the columns none"),
        ("word,valence,arousal\nx,9,1\n", "line 2: 'x' has .9.0, 1.0., off"),
        ("word,valence,arousal\ny,0,0\nx,high,1\n", "line 3: 'x' has"),
    ],
)
def test_another_file_is_refused(text, told, tmp_path):
    (tmp_path / "norms.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=told):
        read_lexicon(tmp_path / "norms.csv")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_lexicon(tmp_path / "missing.csv")


def test_the_phrase_table_says_how_much_it_knew():
    assert read_phrases("A sadly tense dog").rationale == "The phrase table knows 2 of 4 words."
    assert "0 of 3" in read_phrases("ein Boot auf").rationale
