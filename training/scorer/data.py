"""Pictures with known emotions for stage `scorer`: rated ones, drawn ones, or painted ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from emofeedback.errors import ConfigError
from emofeedback.images import open_picture
from emofeedback.lvlm.base import DEFAULT_PROMPTS, PromptSet, prompt_set
from emofeedback.lvlm.folder import folder_settings
from emofeedback.lvlm.prompts import load_prompt
from emofeedback.reading.rated import find_picture
from emofeedback.records.emotion import Emotion
from emofeedback.records.tables import number, read_rows

from ..settings.scorer import ScorerConfig
from ..world.scene import Scene, sample_scene


@dataclass(frozen=True)
class Example:
    """A picture with its true emotion."""

    open: Callable[[], Any]
    """Gives the PIL picture; it is made anew each time, as ten thousand do not fit in memory."""
    emotion: Emotion
    cues: tuple[str, ...] | None = None
    category: str = ""
    """As its rater named the emotion; empty: the sector of the plane says it."""

    @property
    def image(self) -> Any:
        """The PIL picture."""
        return self.open()


def prompts_of(config: ScorerConfig) -> PromptSet:
    """What the model is asked with in training, and so by nodes, rewards and evaluations after."""
    if not config.path:
        return prompt_set("drawn_v1")
    settings = folder_settings(Path(config.path))
    return prompt_set(str(settings.get("prompts", DEFAULT_PROMPTS)))


def rows(examples: Sequence[Example], config: ScorerConfig) -> list[dict[str, Any]]:
    """A prompt, what opens its picture, and columns for the rewards; see `streamed`."""
    prompts = prompts_of(config)
    asked = [prompts.digits, prompts.explain]
    if not config.multi_task:
        asked = asked[:1]
    found = []
    for index, example in enumerate(examples):
        content = [
            {"type": "image"},
            {"type": "text", "text": load_prompt(asked[index % len(asked)])},
        ]
        found.append(
            {
                "prompt": [{"role": "user", "content": content}],
                "image": example.open,
                "valence": example.emotion.valence,
                "arousal": example.emotion.arousal,
                "cues": list(example.cues) if example.cues is not None else None,
                "category": example.category or example.emotion.category,
            }
        )
    return found


def streamed(rows: Sequence[dict[str, Any]]) -> Any:
    """The dataset as TRL reads it: a picture is opened when its row is asked for, and let go."""
    from datasets import Dataset

    opening = [row["image"] for row in rows]
    numbered = [{**row, "image": place} for place, row in enumerate(rows)]
    return Dataset.from_list(numbered).with_transform(partial(_with_pictures, opening))


def _with_pictures(
    opening: Sequence[Callable[[], Any]], rows: dict[str, list[Any]]
) -> dict[str, list[Any]]:
    return rows | {"image": [opening[place]() for place in rows["image"]]}


def read_examples(config: ScorerConfig, *, seed: int) -> list[Example]:
    """Training pictures: the data file's, each opened once to see that it can be, or drawn ones.

    Raises: ConfigError: the file is missing, empty, or a line is not as it should be.
    """
    if not config.data:
        return drawn_examples(config.pictures, seed=seed, split="train")
    path = Path(config.data)
    if not path.is_file():
        raise ConfigError(f"There is no data file {path} (scorer.data).")
    from tqdm import tqdm

    found = []
    for row in tqdm(read_rows(path), desc="opening each picture once", unit="picture"):
        try:
            picture = find_picture(path, row.line, str(row.values["image"]))
            open_picture(picture)
            valence, arousal = (number(row.values[axis]) for axis in ("valence", "arousal"))
            if valence is None or arousal is None:
                raise TypeError("valence or arousal is no number")
            emotion = Emotion(valence, arousal)
            named = _cues(row.values.get("cues"))
            category = row.values.get("category") or ""
            if not isinstance(category, str):
                raise TypeError(f"category is {category!r}; write a word")
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"Line {row.line} of {path} cannot be used: {type(error).__name__}: {error}"
            ) from error
        opening = partial(open_picture, picture)
        found.append(Example(opening, emotion, named, category.strip().lower()))
    if not found:
        raise ConfigError(f"The data file {path} is empty.")
    return found


def _cues(value: Any) -> tuple[str, ...] | None:
    """Names of cues: a list, or a text as tables hold them; None where nothing is said.

    Raises: TypeError: neither.
    """
    if value is None or value == "":
        return None
    listed = re.split(r"[;,|]", value) if isinstance(value, str) else value
    if not isinstance(listed, list):
        raise TypeError(f"cues is {value!r}; write a list of names")
    return tuple(name for each in listed if (name := str(each).strip()))


def drawn_examples(count: int, *, seed: int, split: str) -> list[Example]:
    """Pictures of the drawn world with their truth."""
    from emofeedback.embedded.scorer import load_lvlm

    from ..recipes.lvlm_tasks import levels_of

    side = load_lvlm().processor.side
    found = []
    for index in range(count):
        scene = sample_scene(np.random.default_rng((seed, index, 5)), split=split)
        cues = tuple(level.label for level in levels_of(scene) if not level.neutral)
        found.append(Example(partial(drawing, scene, side), Emotion(*scene.emotion), cues))
    return found


def drawing(scene: Scene, side: int) -> Any:
    """The PIL picture of a scene."""
    from PIL import Image

    from ..world.render import render

    return Image.fromarray(np.asarray(render(scene, side)))
