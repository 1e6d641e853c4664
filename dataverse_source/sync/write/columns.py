"""Names of the columns that are added to a table's own."""

DELETED = "_dataverse_deleted"
"""Marks a row to be removed; it is never true in a table that is merged. In a change feed: a row
that Dataverse no longer has."""

SEEN_AT = "_dataverse_seen_at"
"""Of a change feed: when the load package began that brought this version of the row."""

SEEN_ON = "_dataverse_seen_on"
"""Of a change feed: the date of it, by which the table is partitioned where it can be."""

ENVIRONMENT = "_dataverse_environment"
"""With `environment_column`: which environment a row is of; part of every key."""

LOAD_ID = "_dataverse_load_id"
"""Of a change feed: dlt's id of the load package, as in ``_dlt_loads``."""

SNAPSHOT = "_dataverse_snapshot"
"""Of a change feed: true on the row without contents that begins a read of all rows."""
