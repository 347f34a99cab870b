"""How commands end."""

import pytest

from emofeedback.commands.dispatch import exit_code
from emofeedback.errors import ConfigError


def stopped() -> int:
    raise KeyboardInterrupt


def refused() -> int:
    raise ConfigError("rounds is 0")


@pytest.mark.parametrize(
    ("work", "code", "said"),
    [
        (lambda: None, 0, ""),
        (lambda: 1, 1, ""),
        (refused, 2, "rounds is 0"),
        (stopped, 130, "Stopped."),
    ],
)
def test_a_command_ends_with_a_code_and_a_word_and_no_traceback(work, code, said, caplog):
    assert exit_code(work) == code
    assert caplog.messages == ([said] if said else [])
