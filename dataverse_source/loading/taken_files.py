"""Whether dlt can take a table's rows as files: nothing of the user's has to see or change them."""

from __future__ import annotations

from dlt.common.configuration import resolve_configuration
from dlt.common.schema.typing import TTableSchema
from dlt.extract.incremental import IncrementalResourceWrapper
from dlt.extract.pipe import Pipe
from dlt.extract.state import get_current_pipe
from dlt.normalize.configuration import ItemsNormalizerConfiguration

from dataverse_source.loading.load_package import Package


def takes_files(package: Package, name: str) -> bool:
    """Whether rows of a table go to the destination as they are. Call it on dlt's own thread.

    Args:
        package: the load package that takes the rows.
        name: of the table and of its resource.
    """
    resource, schema = package.resource(name), package.schema
    if resource is None or schema is None:  # no pipeline is running
        return False
    pipe = get_current_pipe()
    if not isinstance(pipe, Pipe):
        return False
    if package.selected is not None and name not in package.selected:
        return False  # the rows only feed transformers
    # dlt adds a step of its own for a range of rows, and finds no range in it
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
