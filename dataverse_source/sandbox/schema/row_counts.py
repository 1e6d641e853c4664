"""Which rows a new sandbox is given: by default, and by names of either kind."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from dataverse_source.sandbox.schema.tables import Schema

DEFAULT_ROWS: Mapping[str, int] = {"account": 5000, "contact": 2000, "systemuser": 20}


def rows_by_logical_name(rows: Mapping[str, int], schema: Schema) -> dict[str, int]:
    """Row counts by logical name, from names of either kind.

    Raises:
        ValueError: a name that the schema does not have; the text has a likely one.
    """
    counts: dict[str, int] = {}
    for name, count in rows.items():
        table = schema.by_logical_name.get(name) or schema.by_entity_set.get(name)
        if table is None:
            known = [*schema.by_entity_set, *schema.by_logical_name]
            likely = get_close_matches(name, known, n=1)
            hint = f" Did you mean {likely[0]!r}?" if likely else ""
            raise ValueError(f"There is no table {name!r} in the sandbox.{hint}")
        counts[table.logical_name] = count
    return counts
