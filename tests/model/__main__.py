"""The long search: ``uv run python -m tests.model --histories 10000``."""

from __future__ import annotations

import argparse
import logging
import secrets
import sys

from tests.model.histories import Histories, search
from tests.model.part_histories import PartHistories


def main() -> int:
    """Search until a history fails, or all have gone well."""
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--histories", type=int, default=1000, help="how many")
    parser.add_argument("--steps", type=int, default=25, help="longest history")
    parser.add_argument(
        "--seed", type=int, help="the same number gives the same histories; a new one is printed"
    )
    parser.add_argument("--parts", action="store_true", help="tables are loaded in parts")
    parser.add_argument("--as-found", action="store_true", help="do not shorten what fails")
    options = parser.parse_args()
    start = secrets.randbelow(2**32) if options.seed is None else options.seed
    sys.stdout.write(f"--seed {start}\n")
    sys.stdout.flush()
    logging.disable(logging.CRITICAL)  # every other run is one that is to go wrong
    kind = PartHistories if options.parts else Histories
    search(
        options.histories,
        steps=options.steps,
        start=start,
        shrink=not options.as_found,
        kind=kind,
    )
    sys.stdout.write(f"{options.histories} histories went well\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
