"""Does something again and again, in a thread, while something else is done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def repeated(action: Callable[[], None], seconds: Callable[[], float], name: str) -> Iterator[None]:
    """While it lasts, a thread calls ``action``.

    Args:
        action: must not raise.
        seconds: returns how long to wait before the next call.
        name: of the thread.
    """
    ended = threading.Event()

    def go_on() -> None:
        while not ended.wait(seconds()):
            action()

    thread = threading.Thread(target=go_on, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
