"""Questions of other threads are answered by dlt's thread, and none waits for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor, wait

import pytest

from dataverse_source.sync.write.dlt_thread import DltThread


def test_questions_are_answered_on_the_thread_of_the_block() -> None:
    dlt_thread, here = DltThread(), threading.get_ident()
    with ThreadPoolExecutor(8) as pool, dlt_thread:
        answers = [pool.submit(dlt_thread.ask, threading.get_ident) for _ in range(50)]
        while not all(one.done() for one in answers):
            wait([dlt_thread.waiting], 0.05)
            dlt_thread.answer()
        assert {one.result() for one in answers} == {here}
        assert dlt_thread.ask(threading.get_ident) == here


def test_an_error_goes_to_the_thread_that_asked() -> None:
    def fail() -> None:
        raise ValueError("wrong")

    dlt_thread = DltThread()
    with ThreadPoolExecutor(1) as pool, dlt_thread:
        answer = pool.submit(dlt_thread.ask, fail)
        dlt_thread.waiting.result(60)
        dlt_thread.answer()
        with pytest.raises(ValueError, match="wrong"):
            answer.result(60)


@pytest.mark.parametrize("leave", [DltThread.leave, None])
def test_who_waits_is_released_when_the_thread_leaves(
    leave: Callable[[DltThread], None] | None,
) -> None:
    dlt_thread = DltThread()
    with ThreadPoolExecutor(1) as pool:
        with dlt_thread:
            answer = pool.submit(dlt_thread.ask, threading.get_ident)
            dlt_thread.waiting.result(60)
            if leave:
                leave(dlt_thread)
        with pytest.raises(CancelledError):
            answer.result(60)
        with pytest.raises(CancelledError):
            pool.submit(dlt_thread.ask, threading.get_ident).result(60)
