"""One text asked beside ever new pictures, tokenised once for every size of picture.

A processor writes as many placeholders into the text as a picture has patches, then tokenises it
for each picture again. For pictures of one size nothing of that changes, and only the pictures need
processing. That this is all a processor does is tried on the first pictures of each size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

MOST_KEPT = 16
Inputs = dict[str, Tensor]


class RepeatedText:
    """Calls a processor as `processor(text=[text] * B, images=pictures)` would be, only quicker.

    Args:
        processor: of transformers.
        text: a chat with one picture, asked of every picture.
    """

    def __init__(self, processor: Any, text: str) -> None:
        self.processor, self.text = processor, text
        self._kept: dict[tuple[int, tuple[int, int]], Inputs | None] = {}

    def __call__(self, pictures: Sequence[Image.Image]) -> Inputs:
        """What a model takes for pictures of equal size."""
        key = len(pictures), pictures[0].size
        if kept := self._kept.get(key):
            return {**kept, **self._pictures_alone(pictures)}
        texts = [self.text] * len(pictures)
        whole = dict(self.processor(text=texts, images=list(pictures), return_tensors="pt"))
        if key not in self._kept:
            if len(self._kept) == MOST_KEPT:
                self._kept.clear()
            self._kept[key] = self._text_of(whole, pictures)
        return whole

    def _pictures_alone(self, pictures: Sequence[Image.Image]) -> Inputs:
        return dict(self.processor.image_processor(images=list(pictures), return_tensors="pt"))

    def _text_of(self, whole: Inputs, pictures: Sequence[Image.Image]) -> Inputs | None:
        """The inputs that come from the text; None where the rest is not the pictures' alone."""
        ids = whole["input_ids"]
        text = {key: value for key, value in whole.items() if value.shape == ids.shape}
        rest = {key: value for key, value in whole.items() if key not in text}
        try:
            alone = self._pictures_alone(pictures)
        except Exception:  # noqa: BLE001  processors differ in what theirs for pictures wants
            return None
        same = rest.keys() == alone.keys() and all(
            isinstance(alone[key], Tensor) and torch.equal(rest[key], alone[key]) for key in rest
        )
        return text if same else None
