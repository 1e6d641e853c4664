"""Many chains over one table: nothing lost, nothing twice, whatever the order of the pages."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from queue import SimpleQueue

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataverse_source.errors import ProtocolError
from dataverse_source.sync.read.created_on import WHOLE, Interval, from_state, to_state
from dataverse_source.sync.read.parallel import ParallelRead, ReadLimits
from dataverse_source.sync.read.recreated_rows import RecreatedRowFilter
from dataverse_source.sync.read.table_reader import VERSION_MARGIN
from dataverse_source.sync.read.workers import WorkerPool, prefetch
from tests.support.memory_table import NOW, START, MemoryTable, RandomWorkers, at, belongs

YEARS = int((NOW - START).total_seconds())

moments = st.one_of(
    st.floats(0, 5),  # many in a second
    st.floats(0, 60),
    st.integers(0, YEARS - 1).map(float),
    st.floats(YEARS - 20, YEARS + 100),  # just now, or dated in the future
    st.none(),
)
tables = st.lists(moments, max_size=60)


def read(
    table: MemoryTable,
    seed: int,
    shares: ReadLimits,
    intervals: tuple[Interval, ...] = WHOLE,
) -> tuple[list[str], tuple[Interval, ...]]:
    """The keys that one read gives, and what it leaves."""
    side = ParallelRead(table.reader(), RandomWorkers(seed), shares, intervals)
    keys = [key for rows in side.batches() for key in rows["id"].to_pylist()]
    return keys, side.left


@given(
    tables,
    st.integers(1, 5),
    st.integers(1, 9),
    st.one_of(st.none(), st.integers(0, 100)),
    st.integers(),
)
def test_each_row_comes_once(
    seconds: list[float | None], size: int, most: int, expected: int | None, seed: int
) -> None:
    table = MemoryTable.of(seconds, page_size=size, concurrency=most)
    keys, left = read(table, seed, ReadLimits(most, expected_rows=expected))
    assert sorted(keys) == sorted(table.rows)
    assert left == ()


@given(tables, st.integers(1, 5), st.integers(2, 9), st.integers(1, 20), st.integers(0, 1000))
def test_packages_add_up_to_the_table(
    seconds: list[float | None], size: int, most: int, limit: int, seed: int
) -> None:
    table = MemoryTable.of(seconds, page_size=size)
    intervals: tuple[Interval, ...] = WHOLE
    given: list[str] = []
    for package in range(200):
        before = len(given)
        keys, left = read(table, seed + package, ReadLimits(most, limit), intervals)
        given += keys
        assert len(left) <= most
        for key in table.rows.keys() - set(given):
            assert sum(belongs(table.rows[key][0], one) for one in left) == 1
        if not left:
            break
        assert limit <= len(given) - before < limit + size
        intervals = tuple(from_state(to_state(one)) for one in left)
    assert sorted(given) == sorted(table.rows)


@given(tables, st.integers(1, 5), st.integers(2, 9), st.integers(1, 20), st.integers(0, 1000))
def test_what_is_left_can_be_read_without_its_links(
    seconds: list[float | None], size: int, most: int, limit: int, seed: int
) -> None:
    table = MemoryTable.of(seconds, page_size=size)
    first, left = read(table, seed, ReadLimits(most, limit))
    bare = tuple(Interval(one.low, one.high, one.undated) for one in left)
    rest, _ = read(table, seed, ReadLimits(most), bare)
    assert set(first) | set(rest) == set(table.rows)


changes = st.lists(
    st.tuples(st.sampled_from("write delete remake"), st.integers(0, 80), moments), max_size=40
)


@given(tables, changes, st.integers(1, 4), st.integers(2, 9), st.integers())
def test_rows_that_change_meanwhile(
    seconds: list[float | None],
    steps: list[tuple[str, int, float | None]],
    size: int,
    most: int,
    seed: int,
) -> None:
    table = MemoryTable.of(seconds, page_size=size)
    at_first = dict(table.rows)
    touched: set[str] = set()
    todo = iter(steps)

    def change() -> None:
        for what, number, moment in [next(todo, None)]:  # type: ignore[misc]
            key = f"k{number:05}"
            touched.add(key)
            table.rows.pop(key, None)
            if what != "delete":
                table.write(key, moment)

    def between() -> None:
        try:
            change()
        except TypeError:
            table.between = lambda: None

    table.between = between
    shares = ReadLimits(most)
    side = ParallelRead(table.reader(), RandomWorkers(seed), shares, WHOLE)
    with RecreatedRowFilter("id", table.version + VERSION_MARGIN) as once:
        given = [once.accept(rows) for rows in side.batches()]
        given += once.remaining()
    counts = Counter(key for rows in given for key in rows["id"].to_pylist())
    assert all(count == 1 for count in counts.values())
    assert at_first.keys() - touched <= counts.keys()
    assert counts.keys() <= at_first.keys() | touched


def test_rows_of_one_minute_are_shared_out() -> None:
    """A million rows that were imported at once must not stay with one chain."""
    count, size, hands = 4000, 20, 8
    table = MemoryTable.of([place * 60 / count for place in range(count)], page_size=size)
    table.concurrency = hands
    side = ParallelRead(
        table.reader(), RandomWorkers(3), ReadLimits(hands + 2, expected_rows=count), WHOLE
    )
    assert sum(rows.num_rows for rows in side.batches()) == count
    pages = count // size
    assert side.requests <= pages * 1.3


def test_without_a_hint_few_requests_are_wasted_on_a_burst() -> None:
    count, size, hands = 4000, 20, 8
    table = MemoryTable.of([place * 60 / count for place in range(count)], page_size=size)
    table.concurrency = hands
    side = ParallelRead(table.reader(), RandomWorkers(3), ReadLimits(hands + 2), WHOLE)
    assert sum(rows.num_rows for rows in side.batches()) == count
    assert side.empty <= 100


def test_rows_in_another_order_than_asked() -> None:
    class Unordered(MemoryTable):
        def _page(self, url: str):  # type: ignore[no-untyped-def]
            page = super()._page(url)
            return type(page)(page.rows.take(pa.array([1, 0])), page.next_link)

    table = Unordered.of([1, 5, 9], page_size=2)
    with pytest.raises(ProtocolError, match="order of createdon"):
        read(table, 0, ReadLimits(4))


def test_late_rows_are_given_once_and_not_again() -> None:
    def rows(*pairs: tuple[str, int]) -> pa.Table:
        return pa.table({"id": [one for one, _ in pairs], "versionnumber": [n for _, n in pairs]})

    high = VERSION_MARGIN + 100
    with RecreatedRowFilter("id", high) as once:
        assert once.accept(rows(("a", 1), ("b", 2), ("c", 101))).column(0).to_pylist() == ["a", "b"]
        assert once.accept(rows(("a", 200), ("c", 300), ("d", 400))).num_rows == 0
        late = [key for table in once.remaining() for key in table["id"].to_pylist()]
    assert late == ["c", "d"]


def test_the_workers_end_when_the_last_reader_leaves() -> None:
    workers = WorkerPool(most=3)
    names: set[str] = set()

    def work() -> int:
        names.add(threading.current_thread().name)
        return 1

    with workers, workers:
        futures = [workers.submit(work) for _ in range(20)]
        while not all(one.done() for one in futures):
            workers.first_done([one for one in futures if not one.done()])
        threads = list(workers._threads)
    assert threads
    assert not any(thread.is_alive() for thread in threads)
    with workers:
        assert workers.submit(work).result(60) == 1


def test_an_error_of_the_work_is_raised_where_its_result_is_taken() -> None:
    def fail() -> None:
        raise ValueError("wrong")

    with WorkerPool() as workers, pytest.raises(ValueError, match="wrong"):
        workers.submit(fail).result(60)


@pytest.mark.parametrize("most", [1, 2, 5])
def test_prefetch_gives_all_items_in_order_and_the_error_in_its_place(most: int) -> None:
    def items() -> Iterator[int]:
        yield from range(3)
        raise ValueError("end")

    taken = []
    with pytest.raises(ValueError, match="end"):  # noqa: PT012 (what came before is part of it)
        for item in prefetch(items(), WorkerPool(), most):
            taken.append(item)
    assert taken == [0, 1, 2]


@pytest.mark.parametrize("most", [1, 2, 5])
def test_prefetch_fetches_so_many_items_and_no_more(most: int) -> None:
    asked: SimpleQueue[int] = SimpleQueue()

    def items() -> Iterator[int]:
        for one in range(20):
            asked.put(one)
            yield one

    workers = WorkerPool()
    with workers:
        for item in prefetch(items(), workers, most):
            fetched = [asked.get(timeout=60) for _ in range(1 if item else 1 + most)]
            assert fetched[-1] == item + most
            assert asked.empty()
            if fetched[-1] == 19:
                break


def test_many_threads_read_one_table() -> None:
    table = MemoryTable.of([float(one) for one in range(1500)], page_size=10, concurrency=12)
    for _ in range(3):
        side = ParallelRead(table.reader(), WorkerPool(), ReadLimits(14, expected_rows=1500), WHOLE)
        keys = [key for rows in side.batches() for key in rows["id"].to_pylist()]
        assert sorted(keys) == sorted(table.rows)


def test_a_chain_goes_on_from_its_start_when_its_link_is_of_no_use() -> None:
    table = MemoryTable.of([float(one) for one in range(20)], page_size=5)
    first, left = read(table, 0, ReadLimits(2, rows=5))
    assert at(0) <= (left[0].low or at(0))
    rest, _ = read(table, 0, ReadLimits(2), left)
    assert sorted(first + rest) == sorted(table.rows)
