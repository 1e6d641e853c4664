"""The program: ``dataverse-source``, or ``python -m dataverse_source``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line, also if Ctrl-C comes while its modules are imported."""
    try:
        from dataverse_source.cli.app import main as run

        run()
    except KeyboardInterrupt:
        sys.stderr.write("Stopped.\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
