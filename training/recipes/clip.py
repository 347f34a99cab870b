"""What both recipes of the CLIP pair share: labels, captions, reports, calibration, the folder.

The text tower is trained first (`text_tower`), since the generator is conditioned by it; the
picture tower then learns to agree with it (`picture_tower`).
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from emofeedback.embedded.clip import MODEL, Calibration, embed_images, embed_texts
from emofeedback.embedded.weights import read_weights
from emofeedback.records.files import write_json
from emofeedback.refining.cues import FAMILIES

from ..world.captions import caption, neutral_prompt
from ..world.dataset import PictureSet
from ..world.scene import Scene, held_out
from ..world.vocabulary import PLACE_PHRASES, PLACES, SUBJECTS

FILE = f"{MODEL}/model.safetensors"
HEADS = (len(PLACES), len(SUBJECTS), *(len(levels) for levels in FAMILIES.values()))


def draw_caption(scene: Scene, rng: np.random.Generator, full: float) -> tuple[str, frozenset[str]]:
    """A caption, and the families that it names.

    Args:
        full: share of the captions that name every family; the rest name a random subset.
    """
    families = set(FAMILIES)
    if rng.random() >= full:
        keep = rng.random()
        families = {family for family in FAMILIES if rng.random() < keep}
    return caption(scene, rng, families=families), frozenset(families)


def labels(scene: Scene) -> list[int]:
    """Place, subject and cue levels as numbers, in the order of `HEADS`."""
    levels = [
        [level.name for level in options].index(name)
        for options, name in zip(FAMILIES.values(), scene.cues, strict=True)
    ]
    return [PLACES.index(scene.place), SUBJECTS.index(scene.subject), *levels]


def heads_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Mean over the heads: cross entropy of the cues, binary cross entropies of place and subject.

    A place that is held out with a picture's subject does not count as wrong for that picture, nor
    a subject held out with its place: else "this pair never occurs" is what is learnt. (A softmax
    learns it all the same, by raising all other places.)
    """
    place, subject, *cues = logits.split(HEADS, dim=-1)
    apart = held_out_pairs()
    losses = [
        independent_loss(place, truth[:, 0], apart.T[truth[:, 1]]),
        independent_loss(subject, truth[:, 1], apart[truth[:, 0]]),
    ]
    for column, part in enumerate(cues, start=2):
        losses.append(F.cross_entropy(part, truth[:, column]))
    return torch.stack(losses).mean()


def independent_loss(logits: Tensor, right: Tensor, never: Tensor) -> Tensor:
    """Binary cross entropies of [B, N] logits, summed over N; `never` [B, N] do not count."""
    truth = F.one_hot(right, logits.shape[1]).to(logits.dtype)
    each = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    return each.masked_fill(never, 0).sum() / len(logits)


@cache
def held_out_pairs() -> Tensor:
    """[places, subjects] True where the pair is held out."""
    return torch.tensor([[held_out(place, subject) for subject in SUBJECTS] for place in PLACES])


def report(clip: Any, tokenizer: Any, held_out: PictureSet) -> dict[str, float]:
    """Accuracy on held-out pictures, whose (place, subject) pairs were never trained.

    `place_top1` and `subject_top1` choose among texts that name one of them, the pair numbers among
    all pairs of both.
    """
    images = embed_images(clip, torch.from_numpy(np.array(held_out.pictures)).float() / 255)
    truth = np.array([labels(scene)[:2] for scene in held_out.scenes])
    numbers = {}
    options = {
        "place": [f"a picture of {PLACE_PHRASES[place][0]}" for place in PLACES],
        "subject": [f"a picture of a {subject}" for subject in SUBJECTS],
    }
    for column, (name, texts) in enumerate(options.items()):
        chosen = (images @ embed_texts(clip, tokenizer, texts).T).argmax(dim=1).numpy()
        numbers[f"{name}_top1"] = float((chosen == truth[:, column]).mean())
    every = [f"a {subject} {PLACE_PHRASES[place][0]}" for place in PLACES for subject in SUBJECTS]
    chosen = (images @ embed_texts(clip, tokenizer, every).T).argmax(dim=1).numpy()
    numbers["pair_place_top1"] = float((chosen // len(SUBJECTS) == truth[:, 0]).mean())
    numbers["pair_subject_top1"] = float((chosen % len(SUBJECTS) == truth[:, 1]).mean())
    return numbers


def fit_calibration(
    clip: Any, tokenizer: Any, data: PictureSet, *, seed: int = 0
) -> tuple[Calibration, float]:
    """Logistic border between a picture's own neutral prompt and prompts that are wrong.

    Each picture is paired with its own prompt and with one whose place, subject or both differ.
    Returns: the calibration and its accuracy on these pairs.
    """
    rng = np.random.default_rng(seed)
    own = [neutral_prompt(scene, rng) for scene in data.scenes]
    other = [neutral_prompt(_changed(scene, rng), rng) for scene in data.scenes]
    images = embed_images(clip, torch.from_numpy(np.array(data.pictures)).float() / 255)
    cosine = torch.cat(
        [(images * embed_texts(clip, tokenizer, texts)).sum(dim=1) for texts in (own, other)]
    )
    truth = torch.cat([torch.ones(len(own)), torch.zeros(len(other))])
    scale, bias = torch.tensor(10.0), torch.tensor(-3.0)
    with torch.enable_grad():
        values = [scale.requires_grad_(), bias.requires_grad_()]
        solver = torch.optim.LBFGS(values, max_iter=200, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            solver.zero_grad()
            value = F.binary_cross_entropy_with_logits(scale * cosine + bias, truth)
            value.backward()
            return value

        solver.step(closure)
    right = ((scale * cosine + bias > 0) == (truth > 0.5)).float().mean()
    return Calibration(float(scale), float(bias)), float(right)


def _changed(scene: Scene, rng: np.random.Generator) -> Scene:
    """The scene with another place, another subject, or both."""
    places = [place for place in PLACES if place != scene.place]
    subjects = [subject for subject in SUBJECTS if subject != scene.subject]
    kind = rng.integers(3)
    place = scene.place if kind == 0 else places[rng.integers(len(places))]
    subject = scene.subject if kind == 1 else subjects[rng.integers(len(subjects))]
    return Scene(place, subject, scene.cues, scene.seed)


def text_digest(weights: Path) -> str:
    """Short digest of the text tower in a weights folder: what the generator depends on."""
    tensors, _ = read_weights(f"{MODEL}/model.safetensors", weights)
    digest = hashlib.sha256()
    for name in sorted(tensors):
        if name.startswith(("text_model.", "text_projection.")):
            digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()[:16]


def write_folder(folder: Path, settings: dict[str, Any], tokenizer: Any) -> None:
    """Everything that transformers and the package read beside the weights."""
    write_json(folder / "config.json", {"model_type": "clip", **settings})
    side = settings["vision_config"]["image_size"]
    write_json(
        folder / "preprocessor_config.json",
        {
            "image_processor_type": "CLIPImageProcessor",
            "do_center_crop": False,
            "size": {"height": side, "width": side},
            "resample": 2,
            "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.5, 0.5, 0.5],
        },
    )
    tokenizer.save_pretrained(str(folder))
