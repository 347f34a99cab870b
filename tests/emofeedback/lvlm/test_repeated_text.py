"""A text tokenised once beside many pictures, against the processor called anew for each."""

import copy
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from tiny_lvlms import random_qwen3, random_qwen25

from emofeedback.lvlm.folder import load_folder
from emofeedback.lvlm.pictures import to_pil
from emofeedback.lvlm.repeated_text import MOST_KEPT, RepeatedText

MAKERS = {"Qwen2.5-VL": random_qwen25, "Qwen3-VL": random_qwen3}


@pytest.fixture(scope="module", params=MAKERS)
def asked(request, tmp_path_factory):
    """A processor and a chat with one picture."""
    lvlm = load_folder(MAKERS[request.param](tmp_path_factory.mktemp("lvlm") / "it"))
    return lvlm.processor, lvlm.chat("How does it feel?")


def pictures(count: int, size: tuple[int, int], seed: int) -> list[Image.Image]:
    random = torch.Generator().manual_seed(seed)
    return [to_pil(image) for image in torch.rand(count, *size, 3, generator=random)]


def check_same(ours, processor, chat, shown) -> None:
    theirs = processor(text=[chat] * len(shown), images=shown, return_tensors="pt")
    assert ours.keys() == theirs.keys()
    for key in theirs:
        torch.testing.assert_close(ours[key], theirs[key], atol=0, rtol=0)


def test_every_call_gives_what_the_processor_gives(asked):
    processor, chat = asked
    question = RepeatedText(processor, chat)
    for seed, (count, size) in enumerate([(1, (96, 128)), (3, (96, 128)), (1, (60, 200))] * 2):
        shown = pictures(count, size, seed)
        check_same(question(shown), processor, chat, shown)
    for side in range(64, 64 + 2 * MOST_KEPT):
        shown = pictures(1, (side, 64), side)
        check_same(question(shown), processor, chat, shown)


def test_known_sizes_need_the_pictures_processor_alone(asked):
    processor, chat = asked
    question = RepeatedText(processor, chat)
    question(pictures(2, (96, 128), 1))
    question.processor = SimpleNamespace(image_processor=processor.image_processor)
    check_same(question(pictures(2, (96, 128), 2)), processor, chat, pictures(2, (96, 128), 2))
    with pytest.raises(TypeError):
        question(pictures(2, (128, 96), 1))


def test_a_processor_that_does_more_with_pictures_is_called_each_time(asked):
    processor, chat = asked
    other = copy.deepcopy(processor.image_processor)
    other.image_mean = [0.1, 0.2, 0.3]

    class Wilful:
        image_processor = other
        calls = 0

        def __call__(self, **inputs):
            self.calls += 1
            return processor(**inputs)

    wilful = Wilful()
    question = RepeatedText(wilful, chat)
    for seed in range(3):
        shown = pictures(1, (96, 128), seed)
        check_same(question(shown), processor, chat, shown)
    wilful.image_processor = None
    check_same(RepeatedText(wilful, chat)(shown), processor, chat, shown)
    assert wilful.calls == 4
