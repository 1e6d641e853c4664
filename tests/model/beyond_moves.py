"""Queries, the audit and files in random histories: what is loaded beside the tables."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from dataverse_source.sandbox.store.documents import document_values
from dataverse_source.sandbox.store.errors import NoSuchRow
from dataverse_source.sandbox.writes import file_store
from dataverse_source.sync.files import fetching
from dataverse_source.sync.write.file_table import FILES
from tests.model.beyond_oracle import (
    AUDITS,
    assert_audit,
    assert_files,
    assert_query,
    path_of,
)
from tests.model.memory import Row
from tests.model.part_moves import PartMoves
from tests.model.query_forms import KINDS, WITH_CONTACTS, text_of
from tests.model.world_moves import NUMBER

NONE = frozenset[str]()
BEYOND = st.sampled_from(
    [
        *[NONE] * 4,
        frozenset({"queries"}),
        frozenset({"audit"}),
        frozenset({"files"}),
        frozenset({"queries", "audit", "files"}),
    ]
)
"""What a pipeline loads beside tables."""

QUERIED = ("account", "contact")
FORMS = st.sampled_from([one for one in KINDS if one != "top"])
NAMES = st.sampled_from(["people", "figures"])
NOTES = "annotations"
DOCUMENT = "documentbody"
CONTRACT = "new_contract"
AT_ONCE = fetching.MOST_AT_ONCE

FIXED = {
    "queries": {
        "account": {"name", "revenue", "industrycode"},
        "contact": {"lastname", "parentcustomerid"},
    },
    "files": {"account": {CONTRACT}},
}
"""Columns that settings name, and that no maker may delete."""


Rule = TypeVar("Rule", bound=Callable[..., Any])


def _loads(what: str) -> Callable[[Rule], Rule]:
    """Has a rule be one of histories alone that load this."""
    return precondition(lambda self: what in self.beyond)


class BeyondMoves(PartMoves):
    """Rules about queries, the audit and files.

    Attributes:
        beyond: which of them there are.
        queries: the form of each query, by name.
        entries: the setting ``files``.
        folder: with the files and the working folders of both machines.
        vanished: files that somebody has deleted.
    """

    def __init__(self) -> None:
        super().__init__()
        self.beyond = NONE
        self.queries: dict[str, str] = {}
        self.entries: tuple[str, ...] = ()
        self.folder: tempfile.TemporaryDirectory[str] | None = None
        self.vanished: set[Path] = set()

    def begin_beyond(self, beyond: frozenset[str], number: int) -> None:
        """Adds to the scene what is loaded beside tables, before the first run.

        Args:
            beyond: what that is.
            number: chooses settings.
        """
        self.beyond, scene = beyond, self.scene
        for what in beyond:
            for table, columns in FIXED.get(what, {}).items():
                self.life.fixed[table] = self.life.fixed.get(table, NONE) | columns
        if "queries" in beyond:
            scene = replace(scene, changing=(*scene.changing, *QUERIED))
            self.queries = {"people": KINDS[number % 3], "figures": "groups"}
        if "audit" in beyond:
            scene = replace(scene, names=(*scene.names, AUDITS))
            self.world.audit(True)
        if "files" in beyond:
            scene = replace(
                scene, names=(*scene.names, NOTES), changing=(*scene.changing, "annotation")
            )
            self.folder = tempfile.TemporaryDirectory()
            for turn, schedule in enumerate(self.schedules):
                schedule.folder = Path(self.folder.name) / f"machine{turn}"
            self.entries = (NOTES, *self._contracts) if number % 3 else (NOTES,)
            if number % 2:
                self.given["files_deletes"] = "remove"
            fetching.MOST_AT_ONCE = 1  # so that a seed gives the same history again
        self.scene = scene

    def end_beyond(self) -> None:
        """Puts back what `begin_beyond` has changed."""
        fetching.MOST_AT_ONCE = AT_ONCE
        if self.folder is not None:
            self.folder.cleanup()

    @property
    def _contracts(self) -> tuple[str, ...]:
        """The entry of the accounts' file column, as the scene calls that table."""
        names = (one for one in ("accounts", "account") if one in self.scene.names)
        return tuple(f"{name}.{CONTRACT}" for name in names)

    def beyond_settings(self, names: Collection[str]) -> Mapping[str, Any]:
        """The settings of what is loaded beside tables.

        Args:
            names: of the tables that are loaded.
        """
        found: dict[str, Any] = {"audit": AUDITS in names or None}
        if self.queries:
            found["queries"] = {
                name: {"fetchxml": text_of(kind)} for name, kind in self.queries.items()
            }
        files = [one for one in self.entries if one.partition(".")[0] in names]
        if files and self.folder is not None:
            found |= {"files": files, "files_url": f"{self.folder.name}/files"}
        return found

    def files_of(self, name: str) -> set[str]:
        """The file columns of a table, as settings call it, whose files are wanted."""
        entries = (one.partition(".") for one in self.settings.files)
        return {column for table, _, column in entries if table == name and column}

    @_loads("queries")
    @rule(name=NAMES, kind=st.none() | FORMS)
    def change_a_query(self, name: str, kind: str | None) -> None:
        """A user writes another query under a name, or takes it out."""
        self.queries.pop(name, None)
        if kind is not None:
            self.queries[name] = kind
        self.configure()

    @_loads("audit")
    @rule(share=st.sampled_from([1, 2, 3]))
    def purge_the_audit(self, share: int) -> None:
        """Dataverse deletes old events to free its log storage, loaded or not."""
        rows = self.sandbox.store.rows("audit")
        for row in sorted(rows, key=lambda one: one["createdon"])[: len(rows) // share]:
            self.sandbox.store.delete("audit", row["auditid"])

    @_loads("files")
    @rule(at=NUMBER, number=NUMBER)
    def change_a_document(self, at: int, number: int) -> None:
        """A note gets another document, the same one again, an empty one, or none."""
        notes = self.sandbox.store.rows("annotation")
        if notes:
            self._change_document(notes[at % len(notes)]["annotationid"], number)

    @_loads("files")
    @rule(at=NUMBER, number=NUMBER)
    def change_a_contract(self, at: int, number: int) -> None:
        """Somebody uploads a file to an account, or deletes it."""
        accounts = self.sandbox.store.rows("account")
        if not accounts:
            return
        key, environment = accounts[at % len(accounts)]["accountid"], self.sandbox.environment
        self.sandbox.clock.advance(0.3)
        if number % 4 == 0:
            file_store.clear_file(environment, "account", key, CONTRACT, str(self._user))
            return
        content = _bytes(number)
        file_store.put_file(environment, "account", key, CONTRACT, content, f"c{number}.bin")
        if number % 4 == 1:
            file_store.set_rule(environment, "account", key, CONTRACT, "whole_only")

    @_loads("files")
    @rule(at=NUMBER, blocked=st.booleans())
    def block_a_file(self, at: int, blocked: bool) -> None:
        """A virus scan blocks the document of a note, or finds it harmless after all."""
        notes = self.sandbox.store.rows("annotation")
        if notes:
            key, environment = notes[at % len(notes)]["annotationid"], self.sandbox.environment
            what: file_store.Rule | None = "blocked" if blocked else None
            file_store.set_rule(environment, "annotation", key, DOCUMENT, what)

    @_loads("files")
    @rule(number=NUMBER)
    def want_other_files(self, number: int) -> None:
        """A user asks for the files of another table, too, or no longer."""
        every = (NOTES, *self._contracts)
        self.entries = (every, every[:1], every[1:])[number % 3]
        self.configure()

    @_loads("files")
    @rule(at=NUMBER)
    def bytes_vanish(self, at: int) -> None:
        """Somebody deletes a file in the folder; a run that compares tables stores it again.

        If nobody wants the files of its column any more, it stays away until somebody does.
        """
        files = self.stored()
        user, before = self.sandbox.users.of_client(self.sandbox.client_id), dict(self.given)
        if not files or user is None or user.readable_tables is not None:
            return
        lost = files[at % len(files)]
        lost.unlink()
        self.vanished.add(lost)
        self.given |= {"sweep_interval": 0}
        self.configure()
        self.run()
        self.given = before
        self.configure()

    def change_note(self, change: str, number: int) -> None:
        """A change of a note's row takes its document along, more often than not."""
        if change in ("create", "create_again", "update") and number % 3:
            notes = self.sandbox.store.rows("annotation")
            if notes:
                newest = max(notes, key=lambda one: one["versionnumber"])
                self._change_document(newest["annotationid"], number)

    def _change_document(self, key: str, number: int) -> None:
        store = self.sandbox.store
        self.sandbox.clock.advance(0.3)
        table = store.table("annotation")
        values = document_values(table, _bytes(number), f"d{number}.bin", "application/x-test")
        if number % 5 == 0:
            gone = (DOCUMENT, "filename", "mimetype", "filesize")
            values = dict.fromkeys(gone) | {"isdocument": False}
        try:
            store.update("annotation", key, values)
        except NoSuchRow:
            return

    @property
    def _user(self) -> str | None:
        user = self.sandbox.users.of_client(self.sandbox.client_id)
        return user.user_id if user else None

    def failing_queries(self, unreadable: Collection[str]) -> set[str]:
        """The queries that read a table which may not be read."""
        return {
            name
            for name, kind in self.queries.items()
            if "account" in unreadable or (kind in WITH_CONTACTS and "contact" in unreadable)
        }

    def assert_beyond(self, before: Mapping[str, Mapping[Any, Row]], failed: set[str]) -> None:
        """What is loaded beside tables is that of the sandbox.

        Args:
            before: the destination's tables before the run.
            failed: logical names of tables and queries that cannot be read.
        """
        sandbox, there = self.sandbox, self.destination
        for name, kind in self.queries.items():
            if name in failed:
                assert there.tables.get(name) == before.get(name), f"query {name} has changed"
            else:
                assert_query(sandbox, there, name, kind)
        if self.settings.audit:
            assert_audit(sandbox, there, before.get(AUDITS, {}), self.lost_events)
        kept_up = set()
        for entry in self.settings.files:
            name, _, column = entry.partition(".")
            table = next(
                one
                for one in sandbox.store.schema.tables
                if name in (one.logical_name, one.entity_set_name)
            )
            if table.logical_name not in failed:
                kept_up.add((table.entity_set_name, column or DOCUMENT))
                some = self.settings.of_table(name, str(table.entity_set_name), table.logical_name)
                assert_files(
                    sandbox,
                    there,
                    table,
                    column or DOCUMENT,
                    keeps=some.deletes == "keep",
                    only_active=some.filter is not None,
                )
        if self.folder is not None:
            self._assert_folder(kept_up)

    def stored(self, table: str = "") -> list[Path]:
        """The files in the folder, of one table or of all."""
        found = sorted((self._root / table).rglob("*")) if self.folder else []
        return [one for one in found if one.is_file()]

    @property
    def _root(self) -> Path:
        return Path(str(self.folder and self.folder.name)) / "files"

    def _assert_folder(self, kept_up: Collection[tuple[str | None, str]]) -> None:
        """The folder has all that rows name, nothing unfinished, and what is removed is gone.

        Args:
            kept_up: tables and columns whose files the run has looked after.
        """
        found = set(self.stored())
        unfinished = {one for one in found if one.name.startswith(".")}
        assert not unfinished, f"unfinished: {unfinished}"
        rows = self.destination.tables.get(FILES, {}).values()
        stored = [row for row in rows if row["status"] == "stored"]
        named = {path_of(row["url"]) for row in stored}
        others = {
            path_of(row["url"]) for row in stored if (row["table"], row["column"]) not in kept_up
        }
        missing = named - found - (others & self.vanished)
        assert not missing, f"rows name files that are not there: {missing}"
        if self.settings.files_deletes == "remove" and not self.cut_short:
            strays = found - named
            assert not strays, f"bytes that should be gone: {strays}"


def _bytes(number: int) -> bytes:
    """Contents; those of some numbers are the same, and some are empty."""
    return bytes(range(number % 7 * 30)) * 3
