"""Numbers of readings, and pictures split by them: what is not known or not there blocks."""

from typing import Any

import pytest
import torch


@pytest.fixture
def blocker() -> type:
    from comfy_execution.graph_utils import ExecutionBlocker

    return ExecutionBlocker


@pytest.fixture
def records(pack_nodes: dict[str, type]) -> Any:
    """Readings of three pictures, one of known content, and a target."""
    import sys

    home = pack_nodes["EmoFB_EmotionNumbers"].__module__.rsplit(".nodes.", 1)[0]
    emotion = sys.modules[f"{home}.emofeedback.records.emotion"].Emotion
    reading = sys.modules[f"{home}.emofeedback.records.reading"].Reading
    points = [(-2.0, 1.0, 0.9), (1.0, 0.0, None), (2.0, -1.0, None)]
    made = tuple(reading(emotion=emotion(v, a), uncertainty=(0.2, 0.4), content=c)
                 for v, a, c in points)  # fmt: skip
    return made, emotion(2.0, -1.0)


def test_numbers_of_the_best_the_worst_all_and_each(
    pack_nodes: dict[str, type], records: Any, blocker: type
) -> None:
    readings, target = records
    node = pack_nodes["EmoFB_EmotionNumbers"]
    valence, arousal, gap, spread, content, words = node.execute(readings, "best", target).args
    assert (valence, arousal, gap) == ([2.0], [-1.0], [0.0])
    assert spread == [pytest.approx(0.3)] and isinstance(content[0], blocker)
    assert words[0].endswith("_v+2.0_a-1.0")
    assert node.execute(readings, "worst", target).args[0] == [-2.0]
    mean = node.execute(readings, "mean").args
    assert mean[0] == [pytest.approx(1 / 3)] and mean[4] == [0.9]
    assert isinstance(mean[2][0], blocker)
    each = node.execute(readings, "each", target).args
    assert [len(column) for column in each] == [3] * 6 and each[0] == [-2.0, 1.0, 2.0]
    with pytest.raises(ValueError, match="connect one"):
        node.execute(readings, "best")


def test_pictures_fall_on_two_sides_and_an_empty_one_blocks(
    pack_nodes: dict[str, type], records: Any, blocker: type
) -> None:
    readings, target = records
    images = torch.arange(3.0).view(3, 1, 1, 1).expand(3, 16, 16, 3) / 4
    node = pack_nodes["EmoFB_FilterByEmotion"]
    near, _, far, far_readings, count = node.execute(
        images, readings, "gap", "at most", 1.5, "smallest first", target
    ).args
    assert [float(picture[0, 0, 0]) for picture in near] == [0.5, 0.25]
    assert far_readings == readings[:1] and count == 2 and len(far) == 1
    none, none_readings, every, _, count = node.execute(
        images, readings, "content", "at least", 0.95, "as they came"
    ).args
    assert isinstance(none, blocker) and isinstance(none_readings, blocker)
    assert torch.equal(every, images) and count == 0
    with pytest.raises(ValueError, match="distance to a target"):
        node.execute(images, readings, "gap", "at most", 1.0, "as they came")
