"""What the widget that names an ended loop may hold."""

import importlib
from types import ModuleType

import pytest

RUN = "0123456789abcdef" * 2


@pytest.fixture
def resume(pack: ModuleType) -> ModuleType:
    return importlib.import_module(f"{pack.__name__}.nodes.widgets.resume")


@pytest.mark.parametrize("numbers", [(0, 0, 2), (3, 1, 100)])
def test_what_the_panel_writes_is_read(resume: ModuleType, numbers: tuple[int, ...]) -> None:
    found = resume.parsed_resume(f" {RUN}:{':'.join(map(str, numbers))}\n")
    chosen = (found.choice.round, found.choice.candidate) if found.choice else (0, 0)
    assert (found.run, *chosen, found.more) == (RUN, *numbers)


@pytest.mark.parametrize("text", ["", "0:0:1", "1:0:1", "1:1:0", "1:1:101", "1:1:1:1", "a:1:1"])
def test_what_is_written_otherwise_is_refused(resume: ModuleType, text: str) -> None:
    with pytest.raises(ValueError, match="resume is"):
        resume.parsed_resume(f"{RUN[1:]}:{text}" if text == "0:0:1" else f"{RUN}:{text}")
