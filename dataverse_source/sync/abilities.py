"""What the destination of the running pipeline can do and hold, by dlt or by its docs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.schema.typing import TTableSchema

from dataverse_source.sync.active_pipeline import active_pipeline

DELETE_INSERT, UPSERT = "delete-insert", "upsert"

OPEN_FORMATS = ("delta", "iceberg")
"""Table formats of dlt's filesystem destination into which rows can be merged."""

_WITHOUT_NUL = frozenset({"postgres", "redshift"})
"""SQL dialects whose text cannot hold U+0000 (PostgreSQL docs: "Character Types")."""

_ROUNDS_DECIMALS = frozenset({"sqlite"})
"""SQL dialects that keep a decimal as a double (SQLite docs: "Datatypes In SQLite", affinity)."""


_LONGEST_TEXT = {"mysql": 65_535, "redshift": 65_535}
"""Bytes of UTF-8 in a value of dlt's type for text, by SQL dialect (MySQL docs: "The BLOB and TEXT
Types"; Redshift docs: "Character types")."""

_TIMES = {"clickhouse": (1900, 2299)}
"""First and last year of a time, by SQL dialect; others become another time (ClickHouse docs:
"DateTime64")."""


@dataclass(frozen=True)
class Abilities:
    """What a destination can do.

    Attributes:
        destination: dlt's name of its kind, such as ``postgres``.
        capabilities: what dlt says of it.
    """

    destination: str
    capabilities: DestinationCapabilitiesContext = field(repr=False)

    @property
    def dialect(self) -> str | None:
        """Sqlglot's name of its SQL."""
        return self.capabilities.sqlglot_dialect

    def strategies(self, table_format: str | None) -> Sequence[str]:
        """Dlt's merge strategies for a table of this format."""
        found = self.capabilities.supported_merge_strategies or ()
        selector = self.capabilities.merge_strategies_selector
        if selector is None:
            return found
        shown = table_format or self.capabilities.preferred_table_format
        table: TTableSchema = {"table_format": None if shown == "native" else shown}  # type: ignore[typeddict-item]
        return selector(found, table_schema=table)

    @property
    def table_formats(self) -> Sequence[str]:
        """Formats that a table can have there, beside the destination's own."""
        return self.capabilities.supported_table_formats or ()

    def merge_strategy(self, table_format: str | None) -> str | None:
        """The strategy that is right for changes and deleted rows; None: there is none."""
        found = self.strategies(table_format)
        if DELETE_INSERT in found:
            return DELETE_INSERT
        lake = self.destination == "filesystem" and table_format in OPEN_FORMATS
        return UPSERT if lake and UPSERT in found else None

    @property
    def rounds_decimals(self) -> bool:
        """Whether a decimal would be kept as a double, so that only text holds it."""
        return self.dialect in _ROUNDS_DECIMALS

    @property
    def refuses_nul(self) -> bool:
        """Whether text cannot hold U+0000."""
        return self.dialect in _WITHOUT_NUL

    @property
    def longest_text(self) -> int | None:
        """Bytes that a text can have; None: as many as Dataverse allows."""
        return _LONGEST_TEXT.get(self.dialect or "")

    @property
    def years(self) -> tuple[int, int] | None:
        """First and last year of a time; None: all that Dataverse has."""
        return _TIMES.get(self.dialect or "")

    @property
    def empties_text(self) -> bool:
        """Whether empty text becomes null in the file format that dlt takes by itself: CSV."""
        return self.destination == "postgres"


def merge_by(strategy: str) -> dict[str, Any]:
    """Dlt's write disposition that merges rows with this strategy."""
    return {"disposition": "merge", "strategy": strategy}


def destination_abilities() -> Abilities | None:
    """Those of the running pipeline's destination; None if no pipeline is running.

    Call it on dlt's own thread.
    """
    pipeline = active_pipeline()
    if pipeline is None:
        return None
    destination = pipeline.destination
    kind = destination.destination_type.rpartition(".")[2]
    return Abilities(kind, destination.capabilities())
