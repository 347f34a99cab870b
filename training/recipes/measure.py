"""`python -m training.world evaluate [ROLE ...]`: measures the embedded models, one table.

Each role is a function from a plan to metrics; a role whose weights are missing is named as skipped
with the reason. Errors of a prediction stand beside those of the constant predictor.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from emofeedback.errors import EmoFeedbackError

from .plan import PHOTOGRAPHS, QUICK, Metric, Plan

log = logging.getLogger(__name__)


COUNTS = {
    "pictures": "drawn pictures are read",
    "answers": "answers are written",
    "prompts": "prompts are painted over the grid",
    "captions": "captions are painted",
    "sweeps": "prompts are painted along each axis",
    "looked": "pictures are searched for seams",
}


Measure = Callable[[Plan], list[Metric]]


def measures() -> dict[str, Measure]:
    """The function that measures each role, cheapest first."""
    from . import measure_look as look
    from . import measure_makers as makers
    from . import measure_readers as readers

    return {
        "judge": readers.judge_metrics,
        "clip": makers.clip_metrics,
        "autoencoder": makers.autoencoder_metrics,
        "foreign": readers.foreign_metrics,
        "lvlm": readers.lvlm_metrics,
        "look": look.look_metrics,
        "generator": makers.generator_metrics,
        "continuity": makers.continuity_metrics,
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the evaluate command."""
    parser.add_argument("roles", nargs="*", help="what to measure; default: all")
    parser.add_argument("--quick", action="store_true", help="few pictures, about a minute")
    for name, what in COUNTS.items():
        parser.add_argument(f"--{name}", type=int, help=f"how many {what}, in place of the plan's")
    parser.add_argument(
        "--photographs", type=Path, default=PHOTOGRAPHS, help="folder of real photographs"
    )
    parser.add_argument("--json", type=Path, help="also write the metrics to this file")
    parser.add_argument("--threads", type=int, default=2)


def run(args: argparse.Namespace) -> int:
    """Measure and show the table; 1 if an asked role could not be measured."""
    import torch

    torch.set_num_threads(args.threads)
    known = measures()
    unknown = [role for role in args.roles if role not in known]
    if unknown:
        log.error("Unknown roles: %s. Known: %s.", ", ".join(unknown), ", ".join(known))
        return 2
    base = QUICK if args.quick else Plan()
    asked = {name: getattr(args, name) for name in COUNTS if getattr(args, name) is not None}
    plan = Plan(**{**asdict(base), **asked, "photographs": args.photographs})
    metrics, failed = [], False
    for role in args.roles or known:
        started = time.monotonic()
        try:
            metrics += known[role](plan)
        except EmoFeedbackError as error:
            log.warning("%s skipped: %s", role, error)
            failed = True
        log.info("%s measured in %.0f s", role, time.monotonic() - started)
    log.info("\n%s", table(metrics))
    if args.json:
        record = [asdict(metric) for metric in metrics]
        args.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return int(failed and bool(args.roles))


def table(metrics: Sequence[Metric]) -> str:
    """The metrics as aligned text."""
    rows = [("role", "metric", "value", "count", "")]
    rows += [(m.role, m.name, shown(m.value), str(m.count), m.note) for m in metrics]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        f"{role:<{widths[0]}}  {name:<{widths[1]}}  {value:>{widths[2]}}  {count:>{widths[3]}}"
        f"  {note}".rstrip()
        for role, name, value, count, note in rows
    )


def shown(value: float) -> str:
    """A number for the table; a dash where it does not exist."""
    return "-" if math.isnan(value) else f"{value:.3f}"
