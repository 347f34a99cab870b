"""`python -m tools.house map OUT.png | circles | lines [REVISION]`: the house from outside."""

import sys
from pathlib import Path

from .imports import against_the_floors, circles
from .lines import count
from .map import draw_map

FIRST = "0df7ea6"
"""The last commit before the house was redrawn."""


def main(arguments: list[str]) -> int:
    """Runs one command; 1 where circles or imports against the floors were found."""
    match arguments:
        case ["map", path]:
            draw_map(Path(path))
        case ["circles"]:
            found = [" <-> ".join(ring) for ring in circles()] + against_the_floors()
            print("\n".join(found) or "no circles, nothing against the floors")
            return int(bool(found))
        case ["lines", *revision]:
            before, now = count(revision[0] if revision else FIRST), count("HEAD")
            for part in before:
                print(f"{part:18} {before[part]:6} {now[part]:6}")
            total, today = sum(before.values()), sum(now.values())
            print(f"{'together':18} {total:6} {today:6}  {today / total:.1%}")
        case _:
            sys.exit(__doc__)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
