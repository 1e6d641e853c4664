"""Memory and threads of DuckDB in programs of this project.

DuckDB takes up to four fifths of the memory and every processor, as if it were alone (docs "Tuning
workloads"). So ``dataverse-source`` and the scripts in pipelines/ set a limit; any setting of the
user wins. `load` never sets one: a process that is not ours has limits of its own.
"""

from __future__ import annotations

import math

import dlt
from dlt.common.configuration.providers import CustomLoaderDocProvider

from dataverse_source.client.processors import available_processors
from dataverse_source.config.memory import available_memory

__all__ = ["limit_duckdb_memory"]

MOST_MEMORY = 1_000_000_000
"""Bytes. DuckDB moves what exceeds it to a folder beside its file."""

MOST_THREADS = 4
"""Each needs memory of its own: 125 MB at least (docs "Tuning workloads")."""

PROVIDER = "defaults of dataverse-source"
"""Of settings: asked after variables, files and vaults, so that these win."""


def limit_duckdb_memory() -> bool:
    """Limits the memory and threads of DuckDB as the destination of this process's pipelines.

    The limit is half of the memory that the process may use (of the container, if it has a limit),
    at most 1 GB; 4 threads at most, and rows may be stored in any order. ``global_config`` in
    ``[destination.duckdb.credentials]`` replaces all of these; so do credentials that a program
    makes with a ``global_config``.

    Returns:
        Whether it was set; False if it had been set before.
    """
    if any(one.name == PROVIDER for one in dlt.config.config_providers):
        return False
    limits = {
        "memory_limit": f"{memory_limit()}B",
        "threads": threads(),
        # in the order of a file, DuckDB loads it on one thread unless it has gigabytes
        "preserve_insertion_order": False,
    }
    settings = {"destination": {"duckdb": {"credentials": {"global_config": limits}}}}
    provider = CustomLoaderDocProvider(PROVIDER, lambda: settings, locations=[])
    dlt.config.register_provider(provider)
    return True


def memory_limit() -> int:
    """Bytes that DuckDB may use."""
    memory = available_memory()
    return MOST_MEMORY if memory is None else min(memory // 2, MOST_MEMORY)


def threads() -> int:
    """Threads that DuckDB may use."""
    return min(max(math.floor(available_processors()), 1), MOST_THREADS)
