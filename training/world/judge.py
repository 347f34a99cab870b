"""The judge: a small convolutional network that measures pictures of the drawn world.

It is for evaluation only and never a reward or a scorer: it shares neither architecture, nor seed,
nor training pictures with the models that it measures. It recognises place, subject and the cue of
each family; their documented effects, weighted by how sure it is, add up to the emotion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emofeedback.errors import CheckpointError
from emofeedback.images import check_images
from emofeedback.records.emotion import LIMIT
from emofeedback.refining.cues import FAMILIES, PLACE_EFFECTS, SUBJECT_EFFECTS

from .vocabulary import PLACES, SUBJECTS

FILE = "drawn_judge.safetensors"
WEIGHTS = Path(__file__).parent / "weights" / FILE
VIEWS = ((False, 0, 0), (False, 4, 4), (False, -4, -4), (True, 0, 0), (True, 4, -4), (True, -4, 4))
"""What is averaged: mirrored or not, moved so many pixels up and left. One place in a hundred that
a single look mistakes is found so; the emotion stays as it is."""
HEADS = (len(PLACES), len(SUBJECTS), *(len(cues) for cues in FAMILIES.values()))


@dataclass(frozen=True, kw_only=True)
class JudgeShape:
    """Sizes of the network."""

    size: int = 128
    """Pictures are resized to this side."""
    stem: int = 24
    widths: tuple[int, ...] = (40, 72, 128, 192)
    """Channels of each stage; a stage halves the side."""


@dataclass(frozen=True)
class Judgement:
    """What the judge sees in each picture of a batch."""

    valence: Tensor
    """[B], in [-3, 3]."""
    arousal: Tensor
    """[B], in [-3, 3]."""
    places: list[str]
    subjects: list[str]
    cues: Tensor
    """[B, F] number of the likeliest cue of each family, in the order of `cues.FAMILIES`."""


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.body(x))


class JudgeNet(nn.Module):
    """Residual stages over halving sides, mean and maximum pooled, one linear head."""

    effects: Tensor

    def __init__(self, shape: JudgeShape) -> None:
        super().__init__()
        self.shape = shape
        layers: list[nn.Module] = _down(3, shape.stem, kernel=5)
        before = shape.stem
        for index, width in enumerate(shape.widths):
            layers += _down(before, width)
            # the first stage is the largest in pixels and the least in meaning
            layers += [_Residual(width)] if index else []
            before = width
        self.body = nn.Sequential(*layers)
        self.drop = nn.Dropout(0.1)
        self.head = nn.Linear(2 * before, sum(HEADS))
        effects = [
            *(PLACE_EFFECTS[place] for place in PLACES),
            *(SUBJECT_EFFECTS[subject] for subject in SUBJECTS),
            *((cue.valence, cue.arousal) for cues in FAMILIES.values() for cue in cues),
        ]
        self.register_buffer("effects", torch.tensor(effects), persistent=False)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Logits of place, subject and each family's cues; pictures [B, 3, S, S] in 0..1."""
        seen = self.body(images * 2 - 1)
        pooled = torch.cat([seen.mean((2, 3)), seen.amax((2, 3))], dim=1)
        result: tuple[Tensor, ...] = self.head(self.drop(pooled)).float().split(HEADS, dim=1)
        return result

    def emotion(self, heads: Sequence[Tensor]) -> Tensor:
        """Expected valence and arousal [B, 2] of the logits of `forward`, not yet clipped."""
        return torch.cat([logits.softmax(1) for logits in heads], dim=1) @ self.effects


def _down(before: int, after: int, kernel: int = 3) -> list[nn.Module]:
    return [
        nn.Conv2d(before, after, kernel, stride=2, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    ]


@lru_cache(maxsize=1)
def load_judge(path: Path = WEIGHTS) -> JudgeNet:
    """The trained judge.

    Raises: CheckpointError: the file is missing, damaged or of another network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise CheckpointError(
            f"The judge's weights {path} are missing. Make them with "
            "`python -m training.world train judge --export`."
        )
    net = JudgeNet(JudgeShape())
    try:
        tensors = load_file(str(path))
        net.load_state_dict(
            {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}
        )
    except (SafetensorError, RuntimeError, OSError) as error:
        raise CheckpointError(
            f"{path} does not hold the judge's weights ({str(error)[:200]}). Make them with "
            "`python -m training.world train judge --export`."
        ) from error
    return net.eval().requires_grad_(False)


@torch.inference_mode()
def judge(images: Tensor, net: JudgeNet | None = None, *, batch: int = 64) -> Judgement:
    """Measure pictures of any size.

    Args:
        images: [B, H, W, 3] float in 0..1.
        net: default: the shipped judge.
    Raises: ImageError: unusable images. CheckpointError.
    """
    net = net or load_judge()
    pictures = check_images(images).permute(0, 3, 1, 2)
    parts = [_seen(net, _resized(part, net.shape.size)) for part in pictures.split(batch)]
    places, subjects, *cues = (torch.cat(each) for each in zip(*parts, strict=True))
    felt = (torch.cat([places, subjects, *cues], dim=1) @ net.effects).clamp(-LIMIT, LIMIT)
    return Judgement(
        felt[:, 0],
        felt[:, 1],
        [PLACES[index] for index in places.argmax(1).tolist()],
        [SUBJECTS[index] for index in subjects.argmax(1).tolist()],
        torch.stack([each.argmax(1) for each in cues], dim=1),
    )


def _seen(net: JudgeNet, pictures: Tensor) -> list[Tensor]:
    """Probabilities of each head, averaged over the views of pictures [B, 3, S, S]."""
    reach = max(max(abs(up), abs(left)) for _, up, left in VIEWS)
    size = pictures.shape[-1]
    padded = F.pad(pictures, (reach,) * 4, mode="reflect")
    views = []
    for mirrored, up, left in VIEWS:
        view = padded.flip(3) if mirrored else padded
        views.append(net(view[..., reach + up :, reach + left :][..., :size, :size]))
    return [
        torch.stack([logits.softmax(1) for logits in head]).mean(0)
        for head in zip(*views, strict=True)
    ]


def _resized(pictures: Tensor, size: int) -> Tensor:
    if pictures.shape[-2:] == (size, size):
        return pictures
    return F.interpolate(pictures, (size, size), mode="bilinear", antialias=True)
