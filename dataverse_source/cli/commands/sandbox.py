"""``dataverse-source sandbox``: starts a local Dataverse."""

from __future__ import annotations

import click


@click.command(
    "sandbox",
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def command(options: tuple[str, ...]) -> int:
    """Start a local Dataverse; takes the options of python -m dataverse_source.sandbox."""
    from dataverse_source.sandbox.__main__ import main

    try:
        return main(options)
    except SystemExit as end:  # argparse ends the process for --help and wrong options
        return end.code if isinstance(end.code, int) else 0
