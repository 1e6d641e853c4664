"""Opens the destination, also while another thread closes the same DuckDB file.

A run's mark is renewed on a thread of its own. Where that closes a DuckDB file just as dlt opens
it, DuckDB before 2.0 may refuse: "Unique file handle conflict". A moment later it does not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

from dataverse_source.errors import causes

T = TypeVar("T")

PAUSES = (0.01, 0.05, 0.2, 0.5, 1.0)
"""Seconds before each further attempt."""


def is_being_closed(error: BaseException) -> bool:
    """Whether DuckDB has refused a file because another thread is closing it."""
    return any("Unique file handle conflict" in str(one) for one in causes(error))


@contextmanager
def connected(client: Callable[[], Any]) -> Iterator[Any]:
    """What ``client`` returns, entered; made and entered again while the file is being closed.

    Args:
        client: returns a client of dlt's, whose types do not say that they can be entered.

    Raises:
        Exception: the destination cannot be opened; each driver has errors of its own.
    """
    with ExitStack() as stack:
        yield repeated_while_closing(lambda: stack.enter_context(client()))


def repeated_while_closing(action: Callable[[], T]) -> T:
    """What ``action`` returns, called again while the DuckDB file is being closed.

    Raises:
        Exception: what ``action`` raises for another reason, or at the last attempt.
    """
    for pause in PAUSES:
        try:
            return action()
        except Exception as error:
            if not is_being_closed(error):
                raise
            time.sleep(pause)
    return action()
