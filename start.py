#!/usr/bin/env python3
"""The one command for newcomers: `python start.py demo | ui | test`. Needs only Python."""

import sys

if sys.version_info < (3, 11, 4):
    sys.exit(f"start.py needs Python 3.11.4 or newer; this is {sys.version.split()[0]}.")

from launcher.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
