"""What readings cost and what they are worth, with the embedded vision-language model.

    OMP_NUM_THREADS=1 python -m tools.benchmarks.scorer [--quick] [--dtype float32|bfloat16]

The shipped weights are loaded as a transformers folder, as an artist's own model is, and in the
number type that it would be loaded in here (--dtype: in another). Times are
ratios of processor time on one thread, of things measured alternately in this run; accuracy is
measured on drawn pictures, whose true emotion is known. Prints a table in Markdown and exits with 1
if a number is missed.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

from emofeedback.embedded.weights import FOLDER  # noqa: E402
from emofeedback.lvlm.base import Ask, unwatched  # noqa: E402
from emofeedback.lvlm.branches import tree_inputs  # noqa: E402
from emofeedback.lvlm.folder import load_folder  # noqa: E402
from emofeedback.lvlm.local import TransformersLvlm  # noqa: E402
from emofeedback.lvlm.prompts import load_prompt  # noqa: E402
from emofeedback.lvlm.readout import answer_form, label_logits  # noqa: E402
from emofeedback.reading.calibration import fit_calibration  # noqa: E402
from emofeedback.reading.scorer import LvlmScorer  # noqa: E402
from training.world.dataset import picture_set  # noqa: E402

ANSWER_TOKENS = 64
GROUP, NUM_GROUPS = 8, 1000
SAME = 0.02
SEED = 20_000
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    wanted: str
    measured: str
    reached: bool


def main() -> int:
    """Measures and prints; 0 if every number was reached."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few pictures and repeats")
    parser.add_argument("--dtype", choices=DTYPES, help="of the weights; default as folders load")
    options = parser.parse_args()
    torch.set_num_threads(1)
    repeats, count = (3, 64) if options.quick else (10, 240)
    with tempfile.TemporaryDirectory() as base:
        lvlm = load_folder(drawn_folder(Path(base) / "drawn"), dtype=DTYPES.get(options.dtype))
        lvlm.model.generation_config.eos_token_id = None  # so that a written answer has its length
        side = round(lvlm.processor.image_processor.size["shortest_edge"] ** 0.5)
        drawn = picture_set(count, seed=SEED, size=side, split="any")
        images = torch.from_numpy(np.array(drawn.pictures)).float() / 255
        truth = [scene.emotion for scene in drawn.scenes]
        rows = [
            reasoned_against_expected(lvlm, images[:1], repeats),
            batch_against_single(lvlm, images[:GROUP], repeats),
            overhead(lvlm, images[:GROUP], repeats),
            *accuracy(lvlm, images, truth),
            calibration(lvlm, images, truth, [scene.place for scene in drawn.scenes]),
        ]
    sys.stdout.write(
        f"Measured in {str(lvlm.model.dtype).removeprefix('torch.')}.\n\n{table(rows)}"
    )
    return 0 if all(row.reached for row in rows) else 1


def drawn_folder(folder: Path) -> Path:
    """The shipped weights as a folder that asks with the prompts it was taught."""
    shutil.copytree(FOLDER / "drawn_lvlm", folder)
    return folder


def seconds(work: Callable[[], Any]) -> float:
    """Processor time of one call: on one thread, the wall time of a machine with nothing else."""
    started = time.process_time()
    work()
    return time.process_time() - started


def ratios(one: Callable[[], Any], other: Callable[[], Any], repeats: int) -> list[float]:
    """time(one) / time(other) of pairs measured alternately, after one that warms up."""
    one(), other()
    pairs = []
    for turn in range(repeats):
        first, second = (one, other) if turn % 2 else (other, one)
        times = {first: seconds(first), second: seconds(second)}
        pairs.append(times[one] / times[other])
    return pairs


def reasoned_against_expected(lvlm: TransformersLvlm, image: Tensor, repeats: int) -> Row:
    """Seconds of a written answer of fixed length over those of an expected value."""
    ask = Ask(image[0], load_prompt(lvlm.prompts.explain), max_tokens=ANSWER_TOKENS)
    found = ratios(
        lambda: lvlm.write([ask], unwatched), lambda: lvlm.rate(image, None, unwatched), repeats
    )
    ratio = statistics.median(found)
    tokens = lvlm.write([ask], unwatched)[0].tokens, lvlm.rate(image, None, unwatched)[0].tokens
    return Row(
        "seconds a picture, reasoned (64 tokens written) / expected value",
        ">= 10",
        f"{ratio:.1f} ({tokens[0]} and {tokens[1]} tokens)",
        ratio >= 10,
    )


def batch_against_single(lvlm: TransformersLvlm, images: Tensor, repeats: int) -> Row:
    """Throughput of one batch over single calls."""

    def together() -> Any:
        return lvlm.rate(images, None, unwatched)

    found = ratios(
        lambda: [lvlm.rate(image[None], None, unwatched) for image in images], together, repeats
    )
    ratio = statistics.median(found)
    each = 1000 * statistics.median(seconds(together) for _ in range(repeats)) / len(images)
    return Row(
        "expected value, a batch of 8 against eight single calls",
        ">= 2x",
        f"{ratio:.2f}x ({ratio * each:.1f} ms a picture alone, {each:.1f} in the batch)",
        ratio >= 2,
    )


def overhead(lvlm: TransformersLvlm, images: Tensor, repeats: int) -> Row:
    """score() against processor and model calls alone, on the same pictures."""
    scorer, question = LvlmScorer(lvlm), lvlm.chat(load_prompt(lvlm.prompts.rate))
    steps = torch.tensor([lvlm.encode(str(n)) for n in range(1, 10)])

    @torch.inference_mode()
    def bare() -> Tensor:
        inputs = lvlm.inputs(images, question, torch.device("cpu"))
        seen = lvlm.model(**tree_inputs(lvlm.model, inputs, steps), use_cache=False)
        return torch.as_tensor(seen.logits)

    found = ratios(lambda: scorer.score(images), bare, repeats)
    ratio = statistics.median(found) - 1
    return Row(
        "score() on 8 pictures over processor and model calls (median of pairs)",
        "<= 5 %",
        f"{ratio:+.1%}",
        ratio <= 0.05,
    )


def accuracy(lvlm: TransformersLvlm, images: Tensor, truth: list[tuple[float, float]]) -> list[Row]:
    """Error and ties of expected values against greedy digits."""
    expected, greedy = readings(lvlm, images)
    true = torch.tensor(truth)
    errors = [(read - true).abs().mean(0) for read in (expected, greedy)]
    tied = [tied_groups(read) for read in (expected, greedy)]
    return [
        Row(
            "groups of 8 whose readings' sd is below 0.02 on both axes",
            "< 1 %",
            f"{tied[0]:.1%} (greedy digits {tied[1]:.1%})",
            tied[0] < 0.01,
        ),
        Row(
            f"MAE on {len(images)} drawn pictures, V and A, against greedy digits",
            "not worse",
            "{:.3f}, {:.3f} (greedy {:.3f}, {:.3f})".format(*errors[0], *errors[1]),
            bool((errors[0] <= errors[1]).all()),
        ),
    ]


@torch.inference_mode()
def readings(lvlm: TransformersLvlm, images: Tensor) -> tuple[Tensor, Tensor]:
    """Expected values and greedy digits [N, 2] of the same pictures, in scale points."""
    form = answer_form(lvlm.prompts.answer, lvlm.encode)
    chat = lvlm.chat(load_prompt(lvlm.prompts.rate))
    expected = torch.tensor(
        [(r.valence[0], r.arousal[0]) for r in lvlm.rate(images, None, unwatched)]
    )
    greedy = []
    for part in images.split(16):
        inputs = lvlm.inputs(part, chat, torch.device("cpu"))
        out = lvlm.model(**inputs, use_cache=True, logits_to_keep=1)
        first = label_logits(out.logits[:, -1], form.slots[0])[0].argmax(-1)
        step = torch.tensor(form.slots[0].label_ids)[first].unsqueeze(1)
        out = lvlm.model(input_ids=step, past_key_values=out.past_key_values, logits_to_keep=1)
        second = label_logits(out.logits[:, -1], form.slots[1])[0].argmax(-1)
        greedy.append(torch.stack([first, second], 1))
    return expected, (torch.cat(greedy) - 4) * 0.75


def tied_groups(read: Tensor) -> float:
    """Share of random groups of pictures that a scorer cannot tell apart."""
    random = torch.Generator().manual_seed(SEED)
    picks = torch.stack(
        [torch.randperm(len(read), generator=random)[:GROUP] for _ in range(NUM_GROUPS)]
    )
    return float((read[picks].std(1) < SAME).all(1).float().mean())


def calibration(
    lvlm: TransformersLvlm, images: Tensor, truth: list[tuple[float, float]], themes: list[str]
) -> Row:
    """A scorer made biased on purpose, calibrated, against itself without the bias."""
    ratings = lvlm.rate(images, None, unwatched)
    plain = [(r.valence[0], r.arousal[0]) for r in ratings]
    biased = [(1.6 * v + 0.5, 1.6 * a + 0.5) for v, a in plain]
    fit = fit_calibration("biased", truth, biased, themes)
    unbiased = fit_calibration("plain", truth, plain, themes)
    axes = [(getattr(fit, axis), getattr(unbiased, axis)) for axis in ("valence", "arousal")]
    worst = max(after.error_after / before.error_before for after, before in axes)
    shown = ", ".join(
        f"{after.error_before:.2f} -> {after.error_after:.2f} (unbiased {before.error_before:.2f})"
        for after, before in axes
    )
    return Row(
        "calibration of a scorer biased by 1.6 x + 0.5: held-out MAE of V and A",
        "within 5 % of unbiased",
        shown,
        worst <= 1.05,
    )


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    lines = ["| what | wanted | measured | |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {r.what} | {r.wanted} | {r.measured} | {'reached' if r.reached else 'missed'} |"
        for r in rows
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
