"""What dlt's schema contract has kept out of a table, and lets in now."""

from __future__ import annotations

from dataverse_source.loading.load_package import Package
from dataverse_source.sync.context import TableRun


def was_kept_out(run: TableRun, package: Package) -> str | None:
    """Why all rows of a table have to be read again, though its state says that they are loaded.

    Under ``discard_value`` or ``discard_row`` dlt drops new tables, columns or rows without an
    error, so the state goes on. Call it on dlt's own thread.

    Args:
        run: of the table.
        package: the load package that takes its rows.

    Returns:
        None if nothing was kept out, or if it still is.
    """
    schema = package.schema
    if schema is None:
        return None
    name = package.loaded_as(run.name)
    contract = schema.resolve_contract_settings_for_table(name)
    if name not in schema.tables:
        kept = contract["tables"] == "evolve"
        return "a schema contract has kept the table out until now" if kept else None
    if contract["columns"] != "evolve":
        return None
    known = {one.partition("__v_")[0] for one in schema.tables[name]["columns"]}
    wanted = map(schema.naming.normalize_path, run.reader.schema.hints | run.labels.hints)
    missing = sorted(one for one in wanted if one.partition("__v_")[0] not in known)
    shown = ", ".join(missing)
    return f"a schema contract has kept columns out until now ({shown})" if missing else None
