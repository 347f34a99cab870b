"""What the report of a long loop costs: seconds, megabytes, and what a page of it weighs.

`python -m tools.benchmarks.report [ROUNDS] [CANDIDATES] [SIDE]` prints JSON for a run of drawn
pictures; 50 rounds of 16 pictures of 1024 x 1024 by default. `decodings` is the page's time in
units of reading each picture's PNG once, which no report can do without; both are timed in turns.
Leaves the page in output/benchmarks.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from emofeedback.images import from_png, open_picture
from emofeedback.loop.ranking import rank_readings
from emofeedback.loop.report_page import report_csv, report_html, report_json
from emofeedback.loop.steps import record_scores, start_loop
from emofeedback.pictures.circumplex import trajectory_chart
from emofeedback.pictures.cue_overlay import cue_pictures
from emofeedback.records.emotion import Emotion
from emofeedback.records.policy import LoopPolicy
from emofeedback.records.reading import Cue, Reading
from emofeedback.records.state import Best, LoopState
from launcher.places import ROOT
from training.world.render import render
from training.world.scene import Scene, sample_cues

DIFFERENT = 16  # drawn pictures; a longer run repeats them, which costs a report the same
GRAIN = 6 / 255  # what a photograph has and a drawing has not, and what a JPEG pays for


def long_run(rounds: int, candidates: int, side: int) -> LoopState:
    """A finished loop whose best pictures wander to the target."""
    random = np.random.default_rng(0)
    count = min(candidates, DIFFERENT)
    scenes = [Scene("sea", "boat", sample_cues(random, emotion=(1, 0)), n) for n in range(count)]
    drawn = np.stack([np.asarray(render(scene, side)) for scene in scenes]) / 255
    grainy = (drawn + random.normal(0, GRAIN, drawn.shape)).clip(0, 1)
    pictures = torch.from_numpy(np.resize(grainy, (candidates, side, side, 3))).float()
    policy = LoopPolicy(rounds=rounds, candidates=candidates, tolerance=0)
    state = start_loop("a boat on the sea", Emotion(2, -1), policy)
    first = record_scores(state, pictures, _readings(0, candidates, random)).rounds[0]
    records = []
    for number in range(rounds):
        readings = _readings(number / rounds, candidates, random)
        best = rank_readings(readings, state.target)[0]
        gap = state.target.gap_from(readings[best].emotion)
        records.append(replace(first, number=number + 1, readings=readings, best=best, gap=gap))
    nearest = min(range(rounds), key=lambda index: records[index].gap.size)
    best_of_all = Best(nearest, records[nearest].best, records[nearest].gap)
    return replace(state, rounds=tuple(records), best=best_of_all, stop_reason="rounds")


def _readings(share: float, count: int, random: np.random.Generator) -> tuple[Reading, ...]:
    points = random.normal((2 * share, -share), 0.4, (count, 2)).clip(-3, 3)
    cues = (Cue("mist over calm water", "lowers arousal", "lower half"),)
    return tuple(
        Reading(emotion=Emotion(*map(float, point)), uncertainty=(0.3, 0.4), cues=cues * (not i))
        for i, point in enumerate(points)
    )


def timed(make: Callable[[], object]) -> tuple[float, object]:
    start = time.process_time()
    made = make()
    return time.process_time() - start, made


def decode_all(state: LoopState) -> None:
    for record in state.rounds:
        for data in record.images:
            open_picture(data)


def measure(state: LoopState) -> dict[str, float]:
    """Processor seconds and megabytes of each part."""
    found: dict[str, float] = {}
    decoding, _ = timed(lambda: decode_all(state))
    found["page_s"], page = timed(lambda: report_html(state))
    again, _ = timed(lambda: decode_all(state))
    found["decodings"] = 2 * found["page_s"] / (decoding + again)
    found["json_s"], _ = timed(lambda: report_json(state))
    found["csv_s"], _ = timed(lambda: report_csv(state))
    found["chart_s"], _ = timed(lambda: trajectory_chart(state))
    best = torch.stack([from_png(record.images[0]) for record in state.rounds])
    readings = [record.readings[0] for record in state.rounds]
    found["cue_pages_s"], _ = timed(lambda: cue_pictures(best, readings))
    target = ROOT / "output" / "benchmarks" / "report.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(str(page), encoding="utf-8")
    found["page_mb"] = target.stat().st_size / 1e6
    return {name: round(value, 2) for name, value in found.items()}


def main(rounds: int = 50, candidates: int = 16, side: int = 1024) -> None:
    found = measure(long_run(rounds, candidates, side))
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
