"""Two threads open and close one DuckDB file: what opens it as it is being closed tries again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dlt
import duckdb
import pytest

from dataverse_source.loading.run_package import run_package
from dataverse_source.sync.write import connections
from dataverse_source.sync.write.connections import connected

REFUSED = (
    'Binder Error: Unique file handle conflict: Cannot attach "rows" - the database file '
    '"rows.duckdb" is already attached by database "rows"'
)


class Closing:
    """A client whose file another thread is closing, for a number of attempts."""

    def __init__(self, attempts: int, error: str = REFUSED) -> None:
        self.left, self.error, self.opened, self.closed = attempts, error, 0, 0

    @contextmanager
    def __call__(self) -> Iterator[Closing]:
        if self.left:
            self.left -= 1
            raise duckdb.BinderException(self.error)
        self.opened += 1
        try:
            yield self
        finally:
            self.closed += 1


def test_a_file_that_is_being_closed_is_opened_a_moment_later() -> None:
    client = Closing(attempts=3)
    with connected(client) as opened:
        assert (opened.opened, opened.closed) == (1, 0)
    assert (client.opened, client.closed) == (1, 1)


def test_it_is_not_tried_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "PAUSES", (0.0, 0.0))
    with pytest.raises(duckdb.BinderException), connected(Closing(attempts=4)):
        pass


def test_another_error_is_raised_at_once() -> None:
    client = Closing(attempts=1, error="Binder Error: no such file")
    with pytest.raises(duckdb.BinderException, match="no such file"), connected(client):
        pass
    assert client.left == 0
    assert client.opened == 0


def test_an_error_while_it_is_open_closes_it_once() -> None:
    client = Closing(attempts=0)
    with pytest.raises(duckdb.BinderException), connected(client):
        raise duckdb.BinderException(REFUSED)
    assert (client.opened, client.closed) == (1, 1)


def test_two_threads_open_and_close_one_file(tmp_path: Path) -> None:
    path, errors = str(tmp_path / "rows.duckdb"), list[BaseException]()
    duckdb.connect(path).execute("CREATE TABLE t (a INT)")

    def work() -> None:
        try:
            for _ in range(400):
                with connected(lambda: duckdb.connect(path)) as client:
                    client.execute("SELECT count(*) FROM t").fetchall()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


@pytest.mark.parametrize("refused_at", ["sync", "load"])
def test_dlt_opens_a_file_that_is_being_closed(
    refused_at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever dlt reads is read once."""
    pipeline = dlt.pipeline(
        "closing",
        destination=dlt.destinations.duckdb(str(tmp_path / "rows.duckdb")),
        pipelines_dir=str(tmp_path / "pipelines"),
    )
    read, refused = list[int](), list[str]()
    connect = duckdb.connect

    def refuse_once(*arguments: object, **options: object) -> object:
        step = "load" if pipeline.list_normalized_load_packages() else "sync"
        if step == refused_at and not refused:
            refused.append(step)
            raise duckdb.BinderException(REFUSED)
        return connect(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(duckdb, "connect", refuse_once)

    @dlt.source
    def numbers() -> object:
        @dlt.resource
        def rows() -> Iterator[dict[str, int]]:
            read.append(1)
            yield {"a": 1}

        return rows

    run_package(pipeline, numbers(), {})
    pipeline.deactivate()
    monkeypatch.undo()
    assert refused == [refused_at]
    assert read == [1]
    with connect(str(tmp_path / "rows.duckdb")) as database:
        assert database.execute("SELECT a FROM closing_dataset.rows").fetchall() == [(1,)]
