"""Makes the pipeline of a project, and leaves nothing behind if the run is refused."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import dlt
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.destination import Destination
from dlt.common.destination.exceptions import UnknownDestinationModule
from dlt.common.destination.reference import AnyDestination
from dlt.common.storages.configuration import WithLocalFiles
from dlt.pipeline.exceptions import CannotRestorePipelineException

from dataverse_source.config.log import logger
from dataverse_source.config.problems import misplaced_secret
from dataverse_source.config.project_names import DATASET
from dataverse_source.config.setting_names import SECTION
from dataverse_source.errors import (
    ConfigurationError,
    UnknownNameError,
    causes,
    did_you_mean,
    has_secret,
)
from dataverse_source.loading.project import STATE_FILE, Project, current_project

EARLIER_NAMES = ("dataverse_environment", "dataverse_accounts")
"""Pipelines of the command line and of ``pipelines/accounts.py`` in version 0.1."""

INITIAL_FOLDER = "initial_cwd"
"""dlt's local state: the folder where the pipeline was made, which holds its local files."""


DUCKDB_LOADS_AT_ONCE = 2
"""Files that DuckDB loads at a time. dlt's 20 share one memory limit: nine large tables ran out of
1 GB, or took twice the time."""


@dataclass(frozen=True)
class Place:
    """Where a pipeline loads to.

    Attributes:
        name: of the pipeline.
        destination: of dlt.
        dataset: schema in it.
        file: DuckDB's file; None if the destination is not one.
    """

    name: str
    destination: AnyDestination
    dataset: str
    file: Path | None


def place_of_pipeline(
    name: str | None = None,
    *,
    destination: Any = None,
    dataset: str | None = None,
    environment: str | None = None,
) -> Place:
    """Where the pipeline of the project loads to; makes nothing.

    Raises:
        ConfigurationError: there is no such destination.
    """
    project = current_project()
    dataset = dataset or default_dataset(environment)
    found = _destination(destination, project)
    name = _wanted(project, name, environment) or _name_in_folder(project, environment, dataset)
    return Place(name, found, dataset, _duckdb_file(project, name, found))


@contextmanager
def project_pipeline(
    name: str | None = None,
    *,
    destination: Any = None,
    dataset: str | None = None,
    environment: str | None = None,
    **options: Any,
) -> Iterator[dlt.Pipeline]:
    """The pipeline of the project, which the command line uses too.

    If the ``with`` block ends with an error in the configuration, what was made for a new pipeline
    is removed again.

    Args:
        name: of the pipeline; by default the setting ``pipeline``, else the folder's name.
        destination: a dlt destination; by default the setting ``destination_type``, else DuckDB,
            with a file in the project.
        dataset: schema in the destination; by default ``dataverse``.
        environment: name of one of several environments.
        **options: more arguments of ``dlt.pipeline``.

    Raises:
        ConfigurationError: there is no such destination, or the pipeline is that of another
            project.
    """
    project = current_project()
    dataset = dataset or default_dataset(environment)
    found = _destination(destination, project)
    wanted = _wanted(project, name, environment)
    name = wanted or _name_in_folder(project, environment, dataset)
    new = [one for one in _places(project, name, found) if not one.exists()]
    pipeline: dlt.Pipeline | None = None
    try:
        _take_over(project, name)
        _check_owner(project, name, found)
        pipeline = dlt.pipeline(
            name,
            pipelines_dir=str(project.pipelines),
            destination=found,
            dataset_name=dataset,
            **options,
        )
        pipeline.set_local_state_val(INITIAL_FOLDER, str(project.local_folder))
        if wanted is None:
            project.remember(environment, name)
        yield pipeline
    except Exception as error:
        if _is_refused(error) and (pipeline is None or pipeline.first_run):
            if pipeline is not None:
                pipeline.deactivate()
            _remove(new)
        raise


def attached_pipeline(
    name: str | None = None,
    *,
    destination: Any = None,
    dataset: str | None = None,
    environment: str | None = None,
) -> dlt.Pipeline:
    """The pipeline of the project as its last run left it, here or in the destination.

    Args:
        name: see `project_pipeline`, as for the other arguments.
        destination: by default that of the last run.
        dataset: likewise.
        environment: name of one of several environments.

    Raises:
        ConfigurationError: it has never run.
    """
    project = current_project()
    wanted = _wanted(project, name, environment)
    named = destination is not None
    found = _destination(destination, project)
    name = wanted or _name_in_folder(project, environment, dataset or default_dataset(environment))
    _take_over(project, name)
    if project.has(name):
        _check_owner(project, name, found)
        if not named:
            last = dlt.attach(name, pipelines_dir=str(project.pipelines)).destination
            found = _in_folder(last, project) if last else found
        pipeline = dlt.attach(
            name,
            pipelines_dir=str(project.pipelines),
            destination=found,
            dataset_name=cast(str, dataset),  # None: that of the last run
        )
        if pipeline.default_schema_name:
            return pipeline
        raise _never_run(name, project)
    file = _duckdb_file(project, name, found)
    if file is not None and not file.is_file():  # dlt would make it
        raise _never_run(name, project)
    new = [one for one in _places(project, name, found) if not one.exists()]
    try:
        pipeline = dlt.attach(
            name,
            pipelines_dir=str(project.pipelines),
            destination=found,
            dataset_name=dataset or default_dataset(environment),
        )
    except CannotRestorePipelineException:
        _remove(new)
        raise _never_run(name, project) from None
    pipeline.set_local_state_val(INITIAL_FOLDER, str(project.local_folder))
    if wanted is None:
        project.remember(environment, name)
    return pipeline


def default_dataset(environment: str | None) -> str:
    """The dataset of the environment, or of the only one."""
    return f"{DATASET}_{environment}" if environment else DATASET


def _wanted(project: Project, name: str | None, environment: str | None) -> str | None:
    """The name that is given, set, or was given at first; None if none is.

    Raises:
        ConfigurationError: it is a secret.
    """
    found = name or project.default_name(environment)
    if found and has_secret(found):
        raise misplaced_secret("pipeline")
    return found


def _name_in_folder(project: Project, environment: str | None, dataset: str) -> str:
    """The name of an earlier version's pipeline in this folder, else one made from the folder's."""
    return _earlier(project, environment) or project.name_of_folder(environment, dataset)


def _destination(given: Any, project: Project) -> AnyDestination:
    """The destination, whose local files are in the project.

    Raises:
        ConfigurationError: dlt has no such destination.
    """
    kind = given or dlt.config.get("destination_type", str) or "duckdb"
    try:
        found = cast(AnyDestination, Destination.from_reference(kind))
    except UnknownDestinationModule:
        known = [one for one in dir(dlt.destinations) if one.islower()]
        raise ConfigurationError(
            f"dlt has no destination {kind!r}",
            where="--destination, or destination_type in .dlt/config.toml",
            remedy=did_you_mean(str(kind), known) or "Use one of dlt's, such as duckdb.",
        ) from None
    return _in_folder(found, project)


def _in_folder(destination: AnyDestination, project: Project) -> AnyDestination:
    """The same destination; its local files are those of the project."""
    if not issubclass(destination.spec, WithLocalFiles):
        return destination
    kind = destination.destination_type
    own = {**destination.caps_params, **destination.config_params}
    params: dict[str, Any] = {**own, "local_dir": str(project.local_folder)}
    if kind.endswith(".duckdb"):
        params.setdefault("max_parallel_load_jobs", DUCKDB_LOADS_AT_ONCE)
    return cast(AnyDestination, Destination.from_reference(kind, **params))


def _duckdb_file(project: Project, name: str, destination: AnyDestination) -> Path | None:
    """The DuckDB file of a pipeline; None if the destination is not such a file."""
    if not destination.destination_type.endswith(".duckdb"):
        return None
    given = _duckdb_credentials(destination)
    if has_secret(str(given)) and not str(given).startswith("md:"):  # MotherDuck's token
        raise ConfigurationError(
            "The path of the DuckDB file contains a secret",
            where=f"destination.{destination.destination_name}.credentials",
            remedy="Give a path, and set client_secret in .dlt/secrets.toml.",
        )
    if given is None:
        return project.local_folder / f"{name}.duckdb"
    if not isinstance(given, str) or given.startswith(":"):
        return None
    return project.local_folder / given.removeprefix("duckdb:///")


def _duckdb_credentials(destination: AnyDestination) -> Any:
    """What names the DuckDB file; None: nothing does, so the pipeline's name does."""
    kind = destination.destination_name
    keys = (f"destination.{kind}.credentials", "destination.credentials")
    given: list[Any] = [one.get(key) for key in keys for one in (dlt.secrets, dlt.config)]
    names = [one.get("database") if isinstance(one, Mapping) else one for one in given]
    return destination.config_params.get("credentials") or next(filter(None, names), None)


def _places(project: Project, name: str, destination: AnyDestination) -> list[Path]:
    """What a new pipeline makes; what is inside of another comes first."""
    file = _duckdb_file(project, name, destination)
    files = [file, file.with_name(f"{file.name}.wal")] if file else []
    own = [project.pipelines / name, project.pipelines / f".{name}.lock"]
    return [*files, *own, project.pipelines, project.folder / ".dlt"]


def _is_refused(error: Exception) -> bool:
    refusals = (ConfigurationError, UnknownNameError, ConfigurationException)
    return any(isinstance(one, refusals) for one in causes(error))


def _remove(places: list[Path]) -> None:
    for one in places:
        if one.is_dir():
            shutil.rmtree(one, ignore_errors=True)
        else:
            with suppress(OSError):
                one.unlink()


def _earlier(project: Project, environment: str | None) -> str | None:
    """The pipeline that version 0.1 made in this folder; None if there is none."""
    if environment:
        return None
    made_here = (name for name in EARLIER_NAMES if _made_here(project, name))
    return next(made_here, None)


def _made_here(project: Project, name: str) -> bool:
    """Whether dlt's own folder has a pipeline of this name that was made in this project."""
    return _owner(project.earlier, name) == project.local_folder


def _owner(pipelines: Path, name: str) -> Path | None:
    """The folder that a pipeline was made in; None if there is no such pipeline."""
    if not (pipelines / name / STATE_FILE).is_file():
        return None
    try:
        folder = dlt.attach(name, pipelines_dir=str(pipelines)).get_local_state_val(INITIAL_FOLDER)
    except (CannotRestorePipelineException, KeyError, ValueError, OSError):
        return None  # OSError: another process makes or removes it now
    return Path(str(folder)).absolute()


def _take_over(project: Project, name: str) -> None:
    """Copies the state of a pipeline that version 0.1 has made in this folder."""
    if project.pipelines == project.earlier or project.has(name) or not _made_here(project, name):
        return
    logger.warning(
        "Pipeline %s continues with its state from %s, which is now in %s",
        name,
        project.earlier,
        project.pipelines,
    )
    shutil.copytree(project.earlier / name, project.pipelines / name, dirs_exist_ok=True)


def _check_owner(project: Project, name: str, destination: AnyDestination) -> None:
    """Checks that a shared folder's pipeline is not that of another project.

    Raises:
        ConfigurationError: it is.
    """
    if project.shared is None or _duckdb_credentials(destination) is not None:
        return
    file = _duckdb_file(project, name, destination)
    owner = _owner(project.shared, name)
    if file is None or owner in (None, project.local_folder) or not (owner / file.name).exists():
        return
    raise ConfigurationError(
        f"Pipeline {name} is that of another project, {owner}",
        where=str(project.shared),
        remedy=f"Set pipeline in [{SECTION}] of .dlt/config.toml to a name of its own; without "
        "DLT_DATA_DIR and pipelines_dir, projects keep their state apart.",
    )


def _never_run(name: str, project: Project) -> ConfigurationError:
    return ConfigurationError(
        f"There is no pipeline {name!r} in this project",
        where=str(project.folder),
        remedy="Run it first: dataverse-source run. If it loads into another destination, name it "
        "with --destination and --dataset; if it has another name, with --pipeline.",
    )
