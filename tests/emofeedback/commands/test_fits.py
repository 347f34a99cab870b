"""Which card holds which models: told by headers, honest about what is a rule of thumb."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from emofeedback.__main__ import main
from emofeedback.commands.fits import CARDS, phases, verdict, weights_of
from emofeedback.errors import ConfigError


def test_weights_are_read_from_headers_and_quantised_files_by_size(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for number in range(2):
        save_file({"a": np.zeros(2**18, np.float32)}, str(folder / f"{number}.safetensors"))
    quantised = tmp_path / "q4.gguf"
    quantised.write_bytes(bytes(2**20))
    assert weights_of([folder]) == pytest.approx(2 / 1024)
    assert weights_of([folder, quantised]) == pytest.approx(3 / 1024)
    with pytest.raises(ConfigError, match="no weights"):
        weights_of([tmp_path / "nowhere"])


def test_a_larger_card_never_does_worse() -> None:
    order = ["slow", "fewer", "tiles", "one phase", "all at once"]
    for generator in (2, 5, 12, 23):
        for scorer in (0, 4, 16):
            found = phases(
                generator=generator, encoders=1.5, vae=0.2, scorer=scorer, side=1024, pictures=4
            )
            words = [verdict(found, card) for card in CARDS]
            ranks = [min(i for i, word in enumerate(order) if word in said) for said in words]
            assert ranks == sorted(ranks), words


def test_the_command_says_what_each_phase_takes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "unet.safetensors"
    save_file({"a": np.zeros(2**20, np.float16)}, str(file))
    with caplog.at_level("INFO"):
        assert main(["fits", "--generator", str(file), "--scorer", str(file)]) == 0
    assert "read and rewrite" in caplog.text and " 24 GB  all at once" in caplog.text
    assert main(["fits", "--scorer", str(file)]) == 2
