"""``python -m dataverse_source``: the command line, as ``dataverse-source``."""

from __future__ import annotations

from dataverse_source.cli.app import main

if __name__ == "__main__":
    main()
