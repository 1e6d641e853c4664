"""Has dlt load an interrupted package from its beginning: tables are emptied again, then filled.

dlt empties the tables that are replaced, and those of the staging dataset, once per package.
When a process ends after the destination has committed a file and before dlt has noted so, the
next load brings the same file once more into tables that nothing empties: a replaced table has
its rows twice, and so has the staging table of a history, whose rows are all inserted. And
another schedule may have emptied or filled these tables in between.
"""

from __future__ import annotations

import json
from pathlib import Path

import dlt
from dlt.common.schema.utils import get_root_table
from dlt.common.storages import LoadJobInfo, PackageStorage
from dlt.common.storages.load_package import TPackageJobState

_FOLLOWS = frozenset({"sql", "reference"})
"""Formats of the jobs that dlt makes itself once the files of a table are loaded."""

_WAITING: tuple[TPackageJobState, ...] = ("new_jobs",)
_BEGUN: tuple[TPackageJobState, ...] = ("started_jobs", "completed_jobs")


def begin_anew(pipeline: dlt.Pipeline) -> None:
    """Sets back the packages whose load has begun; nothing is read again.

    Jobs of tables that are appended to stay as they are: nothing would empty these. It may be
    interrupted at any moment, and is done again by the next run.
    """
    extracted = pipeline._get_normalize_storage().extracted_packages
    normalized = set(pipeline.list_normalized_load_packages())
    for load_id in normalized & set(pipeline.list_extracted_load_packages()):
        # All is normalized, but this was not cleared away; dlt would do it again, and fail.
        extracted.delete_package(load_id)
    storage = pipeline._get_load_storage()
    packages = storage.normalized_packages
    for load_id in pipeline.list_normalized_load_packages():
        if packages.is_package_completed(load_id):
            # All is loaded and noted, but the folder was not moved; dlt would refuse to go on.
            storage.storage.rename_tree(
                storage.get_normalized_package_path(load_id),
                storage.get_loaded_package_path(load_id),
            )
        else:
            _set_back(packages, load_id)


def _set_back(packages: PackageStorage, load_id: str) -> None:
    tables = packages.load_schema(load_id).tables
    jobs = packages.get_load_package_info(load_id).jobs

    def of(*states: TPackageJobState) -> list[LoadJobInfo]:
        found = (job for state in states for job in jobs.get(state, []))
        return [
            job
            for job in found
            if get_root_table(tables, job.job_file_info.table_name)["write_disposition"] != "append"
        ]

    waits_to_begin = packages.get_schema_update_file(load_id) is not None
    if (waits_to_begin and not of(*_BEGUN)) or packages.has_abort_flag(load_id):
        return
    for job in of(*_WAITING, *_BEGUN):
        name = Path(job.file_path).name
        if job.job_file_info.file_format in _FOLLOWS:
            Path(job.file_path).unlink()
        elif job.state != "new_jobs":
            waiting = packages.get_job_file_path(load_id, "new_jobs", name)
            packages.storage.atomic_rename(
                packages.get_job_file_path(load_id, job.state, name), waiting
            )
        packages.clear_pending_transition(load_id, name)
    # The last step: with this file there, dlt begins by emptying tables.
    update = Path(packages.get_package_path(load_id)) / PackageStorage.SCHEMA_UPDATES_FILE_NAME
    packages.storage.save(str(update), json.dumps({}))
