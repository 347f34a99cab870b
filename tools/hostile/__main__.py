"""`python -m tools.hostile [SEED] [SHARE] [FIRST LAST]`: attacks what reads.

Each line says what was tried, how often, and how often it failed; all must be 0. SHARE of the full
counts is tried (default 1), by the attacks numbered FIRST to LAST (default 1 7): ambiguous ratings,
plain ones, replies, replies over a socket, written answers, files, the values that nodes are run
with. Ends in 1 where anything failed.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from random import Random

from .counting import ambiguous_accepted, answers_wrong, plain_refused, replies_wrong
from .files import files_wrong
from .nodes import pack_wrong
from .over_socket import attack

RATINGS, ANSWERS, REPLIES, SOCKET, FILES, NODES = 50_000, 200_000, 200_000, 5_000, 20_000, 5_000


def main(arguments: list[str]) -> int:
    """Runs all attacks; 1 where anything failed."""
    if len(arguments) > 4 or not all(one.replace(".", "", 1).isdigit() for one in arguments):
        sys.exit(__doc__)
    seed, share, first, last = [*arguments, *("1", "1", "1", "7")[len(arguments) :]]
    bad = 0
    attacks = (
        ("ambiguous ratings, accepted", RATINGS, ambiguous_accepted),
        ("plain ratings, refused", RATINGS, plain_refused),
        ("damaged replies, raw exceptions or invented numbers", REPLIES, replies_wrong),
        ("damaged replies over a socket, raw or keys shown", SOCKET, attack),
        ("damaged answers, raw exceptions or invented numbers", ANSWERS, answers_wrong),
        ("hostile files, raw exceptions, calls, code run or over 1 GB taken", FILES, files_wrong),
        ("nodes with hostile values, raw exceptions", NODES, pack_wrong),
    )
    for name, count, run in attacks[int(first) - 1 : int(last)]:
        started = time.process_time()
        chance = Random(f"{seed} {name}")  # noqa: S311  drawn again from the same seed
        tried, faults = run(max(1, int(count * float(share))), chance)
        took = time.process_time() - started
        print(f"seed {seed}: {name}: {faults.total()} of {tried} ({took:.0f} s)", flush=True)
        _show(faults)
        bad += faults.total()
    return int(bad > 0)


def _show(faults: Counter[str]) -> None:
    for told, count in faults.most_common(20):
        print(f"  {count} x {told}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
