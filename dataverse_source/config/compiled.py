"""Finds the compiled decoder, where ``dlt-dataverse-decoder`` is installed: it is an option.

It takes a fraction of the time, and refuses whatever is unusual, which then goes the way of before.
So results and errors are the same with it and without.
"""

from __future__ import annotations

import functools
import os
from types import ModuleType

from dataverse_source.config.log import logger

__all__ = ["INTERFACE", "SWITCH", "compiled_decoder", "find_installed"]

SWITCH = "DATAVERSE_DECODER"
"""Environment variable; ``off`` switches the compiled decoder off for the process."""

INTERFACE = 2
"""`dataverse_decoder.INTERFACE` of the releases that can be used."""


def compiled_decoder() -> ModuleType | None:
    """The module ``dataverse_decoder``; None when it can't be used or is switched off."""
    if os.environ.get(SWITCH, "").strip().lower() in ("off", "false", "no", "0"):
        return None
    return find_installed()


@functools.cache
def find_installed() -> ModuleType | None:
    """The module that is installed, if it can be used; the log tells the outcome once a process."""
    try:
        import dataverse_decoder
    except ModuleNotFoundError:
        return None
    except ImportError as error:  # built for another machine, or without a library that it needs
        logger.warning(
            "The compiled decoder can't be loaded, pages are decoded without it: %s", error
        )
        return None
    if dataverse_decoder.INTERFACE != INTERFACE:
        logger.warning(
            "The compiled decoder is of another version, pages are decoded without it. Install "
            "the one that fits: pip install 'dlt-dataverse[fast]'"
        )
        return None
    logger.info("Pages are decoded by the compiled decoder (%s=off switches it off)", SWITCH)
    return dataverse_decoder
