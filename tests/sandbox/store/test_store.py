from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest

from dataverse_source.sandbox.environment.clock import Clock
from dataverse_source.sandbox.schema.catalog import default_schema
from dataverse_source.sandbox.schema.tables import Column, Schema
from dataverse_source.sandbox.store.cascade import Restricted
from dataverse_source.sandbox.store.errors import DuplicateRow, NoSuchRow
from dataverse_source.sandbox.store.store import Store
from dataverse_source.sandbox.store.values import ValueRefused
from tests.support.sandbox.reading import Reading, reading, small_schema, widget_table


def test_a_row_keeps_exact_values_and_gets_its_times_and_version() -> None:
    with reading() as side:
        store = side.store
        maker = store.create("new_maker", {"new_name": "Ünï"})
        values = {
            "new_name": "One",
            "new_price": Decimal("922337203685477.1234"),
            "new_big": 2**63 - 1,
            "new_ready": True,
            "new_buyerid": maker,
            "new_buyerid@table": "new_maker",
        }
        key = store.create("new_widget", values)
        row = store.row("new_widget", key)
        assert row is not None
        assert {name: row[name] for name in values} == values
        now = side.clock.now().replace(microsecond=0)
        assert row["createdon"] == row["modifiedon"] == now
        assert (row["statecode"], row["statuscode"]) == (0, 1)
        assert row["versionnumber"] == store.version == 1_000_002
        assert row["new_count"] is None


def test_an_update_moves_modifiedon_and_version_a_silent_one_only_the_version() -> None:
    with reading() as side:
        key = side.store.create("new_widget", {"new_name": "One"})
        before = side.store.row("new_widget", key)
        side.clock.advance(60)
        side.store.update("new_widget", key, {"new_count": 1})
        after = side.store.row("new_widget", key)
        assert before is not None
        assert after is not None
        assert after["modifiedon"] - before["modifiedon"] == timedelta(seconds=60)
        assert after["createdon"] == before["createdon"]
        side.clock.advance(60)
        side.store.update("new_widget", key, {"new_count": 2}, touch=False)
        silent = side.store.row("new_widget", key)
        assert silent is not None
        assert silent["modifiedon"] == after["modifiedon"]
        assert silent["versionnumber"] > after["versionnumber"] > before["versionnumber"]


def test_keys_given_out_ascend_in_the_servers_order() -> None:
    with reading() as side:
        made = [side.store.create("new_maker", {}) for _ in range(50)]
        assert [row["new_makerid"] for row in side.store.rows("new_maker")] == made


def test_what_is_not_there_or_there_already_is_refused() -> None:
    with reading() as side:
        key = side.store.create("new_maker", {})
        with pytest.raises(DuplicateRow):
            side.store.create("new_maker", {"new_makerid": key})
        with pytest.raises(ValueRefused, match="'nope'"):
            side.store.create("new_maker", {"nope": 1})
        side.store.delete("new_maker", key)
        with pytest.raises(NoSuchRow):
            side.store.delete("new_maker", key)
        with pytest.raises(NoSuchRow):
            side.store.update("new_maker", key, {"new_size": 1})


def test_a_transaction_that_fails_leaves_nothing() -> None:
    with reading() as side:

        def two_rows() -> None:
            with side.store.transaction():
                side.store.create("new_maker", {"new_name": "lost"})
                side.store.create("new_maker", {"nope": 1})

        with pytest.raises(ValueRefused):
            two_rows()
        assert side.store.count("new_maker") == 0
        side.store.create("new_maker", {})
        (row,) = side.store.rows("new_maker")
        assert row["versionnumber"] == side.store.version


def deletes(side: Reading) -> list[tuple[str, str, bool]]:
    with side.store.reading() as connection:
        found = connection.execute(
            "SELECT logical_name, key, cascaded FROM deleted ORDER BY version"
        ).fetchall()
    return [(name, key, bool(cascaded)) for name, key, cascaded in found]


@pytest.mark.parametrize("action", ["RemoveLink", "Cascade", "NoCascade", "Restrict"])
def test_a_delete_does_to_the_children_what_the_relationship_says(action: str) -> None:
    with reading(small_schema(action)) as side:
        maker = side.store.create("new_maker", {})
        child = side.store.create("new_widget", {"new_makerid": maker})
        if action == "Restrict":
            with pytest.raises(Restricted):
                side.store.delete("new_maker", maker)
            assert side.store.count("new_maker") == 1
            assert deletes(side) == []
            return
        side.store.delete("new_maker", maker)
        row = side.store.row("new_widget", child)
        gone = [("new_maker", maker, False)]
        if action == "Cascade":
            assert row is None
            gone.append(("new_widget", child, True))
        else:
            assert row is not None
            assert row["new_makerid"] == (maker if action == "NoCascade" else None)
        assert deletes(side) == gone


def test_the_same_seed_makes_the_same_rows_whenever() -> None:
    def made(seed: int, day: int) -> list[dict[str, object]]:
        store = Store(small_schema(), Clock(datetime(2025, 1, day, tzinfo=timezone.utc)))
        store.seed("new_maker", 3, seed)
        store.seed("new_widget", 300, seed)
        rows = store.rows("new_widget")
        store.close()
        return rows

    assert made(1, 1) == made(1, 9)
    assert made(1, 1) != made(2, 1)


def test_seeded_rows_look_like_life() -> None:
    with reading() as side:
        side.store.seed("new_maker", 3)
        side.store.seed("new_widget", 1000)
        rows = side.store.rows("new_widget")
        assert len({row["new_widgetid"] for row in rows}) == 1000
        for column in widget_table().columns:
            filled = [row for row in rows if row[column.name] is not None]
            assert filled, f"{column.name} is empty in every row"
        moments = [row["modifiedon"] for row in rows]
        assert len(set(moments)) < len(moments) / 1.5, "many rows share a second"
        assert all(row["createdon"] <= row["modifiedon"] for row in rows)
        by_version = sorted(rows, key=lambda row: row["versionnumber"])
        assert [row["modifiedon"] for row in by_version] == sorted(moments)


def test_seeding_twice_adds_rows() -> None:
    with reading() as side:
        side.store.seed("new_widget", 250)
        side.store.seed("new_widget", 250)
        assert side.store.count("new_widget") == 500


def test_many_threads_read_and_write_at_once() -> None:
    with reading() as side:
        side.store.seed("new_maker", 100)
        failures: list[BaseException] = []

        def work(number: int) -> None:
            try:
                for _ in range(10):
                    key = side.store.create("new_maker", {"new_size": number})
                    page = side.json("new_makers?$count=true")
                    assert page["@odata.count"] == len(page["value"])
                    side.store.update("new_maker", key, {"new_size": -number})
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        versions = [row["versionnumber"] for row in side.store.rows("new_maker")]
        assert len(versions) == len(set(versions)) == 160


def test_a_change_of_schema_takes_the_rows_along() -> None:
    with reading() as side:
        key = side.store.create(
            "new_widget", {"new_name": "5", "new_rate": Decimal("1.234"), "new_count": 7}
        )
        side.store.ensure_index("new_widget", ("new_count",))
        before, version = side.store.metadata_version, side.store.version
        table = widget_table()
        columns = [c for c in table.columns if c.name != "new_count"]
        columns = [replace(c, precision=5) if c.name == "new_rate" else c for c in columns]
        columns.append(Column("new_added", "String"))
        changed = replace(table, columns=tuple(columns))
        old = small_schema()
        side.store.change_schema(Schema((changed, old.tables[1]), old.one_to_many))
        row = side.store.row("new_widget", key)
        assert row is not None
        assert (row["new_name"], row["new_rate"], row["new_added"]) == (
            "5",
            Decimal("1.23400"),
            None,
        )
        assert "new_count" not in row
        assert side.store.metadata_version == before + 1
        assert side.store.changed_at == {"new_widget": before + 1}
        assert row["versionnumber"] == version
        side.store.update("new_widget", key, {"new_added": "x"})


def test_a_file_that_exists_is_not_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "rows.db"
    Store(small_schema(), Clock(), path=path).close()
    with pytest.raises(FileExistsError):
        Store(small_schema(), Clock(), path=path)


def test_seeded_rows_fit_the_default_tables() -> None:
    with reading(default_schema()) as side:
        for name in ("contact", "lead", "account", "new_project", "accountleads"):
            side.store.seed(name, 40)
        codes = [row["new_code"] for row in side.store.rows("new_project")]
        assert len(set(codes)) == 40, "an alternate key names one row"
        links = [(row["accountid"], row["leadid"]) for row in side.store.rows("accountleads")]
        assert len(set(links)) == 40
        accounts = {row["accountid"] for row in side.store.rows("account")}
        assert {account for account, _ in links} <= accounts
        names = [row["name"] for row in side.store.rows("account")]
        assert names[:2] == ["Test Account 1", "Test Account 2"]
        assert names.count("Test Account 1") == 1
