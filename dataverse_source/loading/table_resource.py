"""The dlt resource of one table: it knows name, columns and key, and keeps the user's hints."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, cast

from dlt.common.configuration import configspec
from dlt.common.configuration.inject import set_fun_spec
from dlt.common.configuration.specs import BaseConfiguration
from dlt.common.schema.typing import TTableSchema, TTableSchemaColumns
from dlt.extract import DltResource
from dlt.extract.hints import TResourceHints, make_hints
from dlt.extract.incremental import Incremental
from dlt.extract.items import TableNameMeta

from dataverse_source.loading.row_steps import RowStep
from dataverse_source.loading.user_hints import MERGE, check_hints
from dataverse_source.sync.write.column_types import TYPE_HINTS

NOT_OF_THE_USER = frozenset({"name", "columns", "references", "write_disposition", "resource"})
"""What the user's part of a table's schema does not decide, or not alone."""


@configspec
class TableResourceConfiguration(BaseConfiguration):
    """``[sources.dataverse.<table>]``: what dlt looks up for the resource of one table."""

    incremental: Incremental[Any] | None = None


@configspec
class _NothingConfigured(BaseConfiguration):
    """Nothing to look up."""


class Feed(Protocol):
    """What feeds a table's resource."""

    def items(self, incremental: Incremental[Any] | None) -> Iterator[Any]:
        """The rows, and the marks of deleted ones, for dlt."""

    def hints(self) -> TResourceHints:
        """Hints of the table: those of its last rows, or those of its metadata."""

    def hints_beside(self, table: str) -> TResourceHints | None:
        """Hints of another table that the resource fills; None if it is none of these."""

    def tombstones(self, keys: Any) -> Any:
        """An item that removes rows by key; None if the table's rows are replaced anyway."""

    @property
    def key(self) -> str:
        """The key column of the table that is read."""


class TableResource(DltResource):
    """One table of Dataverse as a dlt resource.

    Attributes:
        feed: gives it rows; dlt copies it from the generator function to each clone.
    """

    feed: Feed
    _made: tuple[TResourceHints, TTableSchema] | None = None
    """Hints and what dlt has made of them: it checks them word by word, for each batch of rows."""

    @classmethod
    def make(cls, name: str, feed: Feed, *, section: str, looks_up: bool = True) -> "TableResource":
        """The resource of a table.

        Args:
            name: of the table.
            feed: gives it rows.
            section: where dlt looks for its configuration.
            looks_up: whether dlt looks for an ``incremental`` of it in the configuration.
        """

        def rows(incremental: Incremental[Any] | None = None) -> Iterator[Any]:
            yield from feed.items(incremental)

        rows.feed = feed  # type: ignore[attr-defined]
        set_fun_spec(rows, TableResourceConfiguration if looks_up else _NothingConfigured)
        hints = make_hints(write_disposition=MERGE.copy())  # type: ignore[arg-type]
        return cls.from_data(rows, name, section, hints, inject_config=True)

    @property
    def own_table_format(self) -> str | None:
        """The table format that the user has named."""
        given = self.table_format
        return given if isinstance(given, str) else None

    @property
    def replaces(self) -> bool:
        """Whether the user wants all rows to be read and replaced in every run."""
        given = super().write_disposition
        return (given.get("disposition") if isinstance(given, Mapping) else given) == "replace"

    @property
    def write_disposition(self) -> Any:
        """How rows that come are loaded; dlt would empty a "replace" table that has failed."""
        return MERGE.copy() if self.replaces else super().write_disposition

    @write_disposition.setter
    def write_disposition(self, value: Any) -> None:
        self.apply_hints(write_disposition=value)

    @property
    def user_columns(self) -> TTableSchemaColumns:
        """Column hints of the user."""
        found = super().columns
        return dict(found) if isinstance(found, Mapping) else {}

    @property
    def type_hints(self) -> TTableSchemaColumns:
        """Hints of the user that change what columns hold."""
        found = {
            name: {key: value for key, value in hint.items() if key in TYPE_HINTS}
            for name, hint in self.user_columns.items()
        }
        return {name: hint for name, hint in found.items() if hint}  # type: ignore[misc]

    @property
    def user_primary_key(self) -> list[str]:
        """The key that the user names; empty if none is named."""
        columns = super().compute_table_schema()["columns"]
        return [name for name, hint in columns.items() if hint.get("primary_key")]

    @property
    def columns(self) -> Any:
        """The columns that are loaded, by name; asks for metadata, if nothing has yet."""
        return self.compute_table_schema()["columns"]

    def compute_table_schema(self, item: Any = None, meta: Any = None) -> TTableSchema:
        """The table's schema for dlt: from the metadata, with the hints of the user."""
        beside = (
            self.feed.hints_beside(meta.table_name) if isinstance(meta, TableNameMeta) else None
        )
        if beside is not None:
            return _schema(self.name, beside)
        own, user = self._own_schema(), super().compute_table_schema(item, meta)
        columns = own["columns"]
        for name, hint in user["columns"].items():
            known = columns.get(name, {})
            taken = {key: value for key, value in hint.items() if key != "primary_key"}
            columns[name] = {**known, **taken}  # type: ignore[typeddict-item]
        references = {one["referenced_table"]: one for one in own.get("references") or ()}
        references |= {one["referenced_table"]: one for one in user.get("references") or ()}
        rest = {
            name: value
            for name, value in user.items()
            if name not in NOT_OF_THE_USER and not name.startswith("x-merge")
        }
        found: dict[str, Any] = {**own, **rest, "references": list(references.values())}
        return cast(TTableSchema, found)

    def _own_schema(self) -> TTableSchema:
        """The table's schema without the hints of the user; the caller may change it."""
        hints = self.feed.hints()
        if self._made is None or self._made[0] is not hints:
            self._made = hints, _schema(self.name, hints)
        made = self._made[1]
        columns = {name: column.copy() for name, column in made["columns"].items()}
        return {**made, "columns": columns}

    def apply_hints(self, *args: Any, **hints: Any) -> "TableResource":
        """Takes hints that keep the table right.

        Raises:
            ConfigurationError: a hint would break the table.
        """
        names = ("table_name", "parent_table_name", "write_disposition", "columns", "primary_key")
        given = {**dict(zip(names, args, strict=False)), **hints}
        check_hints(self.name, given)
        super().apply_hints(*args, **hints)
        return self

    def add_map(
        self, item_map: Callable[..., Any], insert_at: int | None = None
    ) -> "TableResource":
        """Calls a function for each row (a dict), or if it does not take rows, for Arrow tables."""
        super().add_step(RowStep(item_map, self.feed, "map"), insert_at)  # type: ignore[arg-type]
        return self

    def add_yield_map(
        self, item_map: Callable[..., Any], insert_at: int | None = None
    ) -> "TableResource":
        """As `add_map`, for functions that yield rows or Arrow tables."""
        super().add_step(RowStep(item_map, self.feed, "yield_map"), insert_at)  # type: ignore[arg-type]
        return self

    def add_filter(
        self, item_filter: Callable[..., Any], insert_at: int | None = None
    ) -> "TableResource":
        """Loads the rows (dicts) for which a function is true; others are removed."""
        super().add_step(RowStep(item_filter, self.feed, "filter"), insert_at)  # type: ignore[arg-type]
        return self

    def with_name(self, new_name: str, new_section: str | None = None) -> "TableResource":
        """A copy; it keeps its name, as tables do.

        Raises:
            ConfigurationError: it shall have another name.
        """
        check_hints(self.name, {"table_name": new_name})
        return super().with_name(new_name, new_section)  # type: ignore[arg-type]

    def parallelize(self) -> "TableResource":
        """Nothing more: tables are read in parallel anyway, and dlt is asked on its own thread."""
        return self

    def __call__(self, *args: Any, modifiedon: Any = None, **kwargs: Any) -> "TableResource":
        """Binds ``incremental``; ``modifiedon`` is its former name."""
        if modifiedon is not None:
            kwargs["incremental"] = modifiedon
        return super().__call__(*args, **kwargs)


def _schema(name: str, hints: TResourceHints) -> TTableSchema:
    return DltResource.from_data([], name, hints=hints).compute_table_schema()
