"""`python training/evaluate.py SYSTEM ...`: systems side by side, judged by what no one trained on.

    python training/evaluate.py words phrase adapter best-of-n loop \
        adapter@runs/rl/RUN/drawn_emotion.safetensors loop@runs/rl/RUN/drawn_emotion.safetensors

The first system is what the others are compared with. Best-of-N and the loop paint `--pictures`
pictures for each final one; the others one.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
log = logging.getLogger(__name__)


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    found = argparse.ArgumentParser(
        prog="python training/evaluate.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.add_argument("systems", nargs="+", metavar="SYSTEM", help="KIND or KIND@CHECKPOINT")
    found.add_argument("--model", default="", help="as of train.py; default: the embedded one")
    found.add_argument("--components", default="")
    found.add_argument("--prompts", default="drawn", help="as data.prompts; held-out ones count")
    found.add_argument(
        "--evaluation", default="", help="as data.evaluation; in place of the held-out prompts"
    )
    found.add_argument("--num-prompts", type=int, default=14, help="of the held-out prompts")
    found.add_argument("--levels", type=int, default=5, help="targets along an axis: 5 is 5 x 5")
    found.add_argument("--sweeps", type=int, default=2, help="prompts with 9-point sweeps; 0: none")
    found.add_argument("--pictures", type=int, default=12, help="of best-of-N and loop, a task")
    found.add_argument("--candidates", type=int, default=4, help="pictures of a loop's round")
    found.add_argument("--steps", type=int, default=20)
    found.add_argument("--guidance", type=float, default=1.0)
    found.add_argument("--size", type=int, default=0)
    found.add_argument("--seed", type=int, default=0)
    found.add_argument("--threads", type=int, default=0)
    found.add_argument(
        "--server",
        default="",
        help="OpenAI-compatible address of scorer and judge in one: circular, and told so",
    )
    found.add_argument("--server-model", default="", help="its model's name")
    found.add_argument("--head", type=Path, help="a head that measures, instead of a server")
    found.add_argument("--head-encoder", default="", help='as fit names them, joined by " + "')
    for who, does in (("scorer", "chooses and refines"), ("judge", "measures")):
        found.add_argument(f"--{who}-server", default="", help=f"address of who {does}")
        found.add_argument(f"--{who}-model", default="", help="its model's name")
    found.add_argument("--clip", type=Path, help="folder of a transformers CLIP, for CLIPScore")
    found.add_argument("--pickscore", type=Path, help="folder of PickScore")
    found.add_argument("--out", type=Path, default=Path("runs/evaluation"))
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 2 where the user has to change something."""
    if Path(sys.path[0]).resolve() == ROOT / "training":
        sys.path[0] = str(ROOT)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for every picture scored
    options = parser().parse_intermixed_args(arguments)
    from emofeedback.commands.dispatch import exit_code

    return exit_code(lambda: _evaluate(options))


def _evaluate(options: argparse.Namespace) -> None:
    from training.needs import refuse_missing

    refuse_missing()
    from training.evaluation.compare import evaluate
    from training.evaluation.options import EvaluationOptions

    asked = vars(options) | {"systems": tuple(options.systems)}
    log.info("%s", evaluate(EvaluationOptions(**asked)))


if __name__ == "__main__":
    sys.exit(main())
