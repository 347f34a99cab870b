"""The number type of a CPU: when bfloat16 is chosen, and what it does to readings."""

import platform
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_lvlms import drawn_folder

from emofeedback.lvlm.base import unwatched
from emofeedback.lvlm.folder import load_folder
from emofeedback.lvlm.precision import fast_dtype
from training.world.dataset import picture_set


def test_bfloat16_is_for_processors_that_multiply_it():
    if fast_dtype() == torch.bfloat16:
        assert fast_dtype({"avx512_bf16": True}) == torch.bfloat16
    assert (
        fast_dtype({"avx512_f": True, "avx512_vnni": True, "avx512_bf16": False}) == torch.float32
    )
    assert fast_dtype({}) == torch.float32


@pytest.mark.skipif(
    platform.machine() != "x86_64" or not Path("/proc/cpuinfo").is_file(),
    reason="the kernel lists instructions by these names on x86 Linux only",
)
def test_the_choice_is_what_the_kernel_says_of_the_processor():
    flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    assert (fast_dtype() == torch.bfloat16) == bool(flags & {"avx512_bf16", "amx_bf16"})


def test_bfloat16_reads_drawn_pictures_as_float32_does(tmp_path):
    folder = drawn_folder(tmp_path / "drawn")
    drawn = picture_set(32, seed=4, size=128, split="any").pictures
    images = torch.from_numpy(np.array(drawn)).float() / 255
    dtypes = (torch.bfloat16, torch.float32)
    models = [load_folder(folder, dtype=dtype) for dtype in dtypes]
    assert tuple(lvlm.model.dtype for lvlm in models) == dtypes
    assert load_folder(folder).model.dtype == fast_dtype()
    quick, slow = (
        torch.tensor([[r.valence, r.arousal] for r in lvlm.rate(images, None, unwatched)])
        for lvlm in models
    )
    assert 0 < (quick - slow)[..., 0].abs().max() < 0.05
