"""A table of which nothing is loaded: for reads without a pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from dlt.common.schema.typing import TColumnSchema, TTableSchemaColumns

from dataverse_source.arrow.keys import no_keys


class NothingLoaded:
    """The table when no pipeline is running, as when a source is iterated by hand."""

    def rows(
        self,
        columns: Sequence[str | None],  # noqa: ARG002
        keys: Sequence[str] | None = None,  # noqa: ARG002
    ) -> Iterator[Sequence[Sequence[Any]]] | None:
        """None: there is no destination."""
        return None

    def matching(
        self,
        columns: Sequence[str | None],  # noqa: ARG002
        column: str,  # noqa: ARG002
        value: str,  # noqa: ARG002
    ) -> Iterator[Sequence[Sequence[Any]]] | None:
        """None: there is no destination."""
        return None

    def versions(
        self,
        key: Sequence[str],  # noqa: ARG002
        version: str | None,  # noqa: ARG002
    ) -> Iterator[pa.Table] | None:
        """None: there is no destination."""
        return None

    def tables(
        self,
        columns: Sequence[str],  # noqa: ARG002
        keys: Sequence[str] | None = None,  # noqa: ARG002
    ) -> Iterator[pa.Table] | None:
        """None are loaded."""
        return iter(())

    def add_columns(self, columns: TTableSchemaColumns) -> None:
        """Nothing: there is no table."""

    def can_be_asked(self) -> bool:
        """No."""
        return False

    def has_rows(self) -> bool:
        """No."""
        return False

    def columns(self) -> Mapping[str, TColumnSchema]:
        """None."""
        return {}

    def recorded(self) -> pa.Array:
        """None."""
        return no_keys()
