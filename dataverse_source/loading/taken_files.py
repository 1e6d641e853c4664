"""Whether dlt can take a table's rows as files: nothing of the user's has to see or change them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import dlt
from dlt.common.configuration import resolve_configuration
from dlt.common.data_writers.buffered import BufferedDataWriter
from dlt.common.exceptions import ResourceNameNotAvailable
from dlt.common.schema.typing import TTableSchema
from dlt.extract.incremental import IncrementalResourceWrapper
from dlt.extract.pipe import Pipe
from dlt.extract.state import get_current_pipe
from dlt.normalize.configuration import ItemsNormalizerConfiguration

from dataverse_source.loading.load_package import Package
from dataverse_source.sync.active_pipeline import active_pipeline
from dataverse_source.sync.context import FilePlace
from dataverse_source.sync.write.destination import Ask

FOLDER = "rows"
"""In the pipeline's working folder, which is on the disk of its load packages."""

ROWS_A_FILE = 8 * 122_880
"""DuckDB stores 122,880 rows together, and some of them twice where a file ends among them."""


def place_of_files(package: Package, name: str, ask: Ask) -> Callable[[], FilePlace | None]:
    """Returns where rows of a table may be written to files. Call it on dlt's own thread.

    Args:
        package: the load package that takes the rows.
        name: of the table and of its resource.
        ask: has dlt's own thread call a function.
    """
    pipeline = active_pipeline()
    try:
        pipe = get_current_pipe()
    except ResourceNameNotAvailable:  # no resource of dlt asks for the rows
        return lambda: None
    if not isinstance(pipe, Pipe) or pipeline is None:
        return lambda: None
    # asked for when a table turns out to be large: dlt takes its time to look up settings
    return lambda: ask(lambda: _place(package, name, pipe, pipeline))


def _place(package: Package, name: str, pipe: Pipe, pipeline: dlt.Pipeline) -> FilePlace | None:
    if not _takes_files(package, name, pipe):
        return None
    config = resolve_configuration(
        BufferedDataWriter.BufferedDataWriterConfiguration(), sections=("sources",)
    )
    if config.file_max_bytes:
        return None
    rows = min(config.file_max_items or ROWS_A_FILE, ROWS_A_FILE)
    return FilePlace(Path(pipeline.working_dir) / FOLDER, rows)


def _takes_files(package: Package, name: str, pipe: Pipe) -> bool:
    resource, schema = package.resource(name), package.schema
    if resource is None or schema is None:  # no pipeline is running
        return False
    if package.selected is not None and name not in package.selected:
        return False  # the rows only feed transformers
    # Of functions, filters, a limit and transformers, which would get no rows. dlt adds a step of
    # its own for a range of rows, and finds no range in it.
    steps = [one for one in pipe.steps[1:] if not isinstance(one, IncrementalResourceWrapper)]
    if steps:
        return False
    own = resource.schema_contract
    if callable(own):
        return False
    new: TTableSchema = {"schema_contract": own} if own else {}
    contract = schema.resolve_contract_settings_for_table(package.loaded_as(name), new)
    if set(contract.values()) != {"evolve"}:
        return False
    config = resolve_configuration(
        ItemsNormalizerConfiguration(), sections=("normalize", "parquet_normalizer")
    )
    return not config.add_dlt_load_id
