"""The long search: ``uv run python -m tests.model --histories 10000``."""

from __future__ import annotations

import argparse
import sys

from tests.model.histories import search


def main() -> int:
    """Search until a history fails, or all have gone well."""
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--histories", type=int, default=1000, help="how many")
    parser.add_argument("--steps", type=int, default=25, help="longest history")
    options = parser.parse_args()
    search(options.histories, steps=options.steps)
    sys.stdout.write(f"{options.histories} histories went well\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
