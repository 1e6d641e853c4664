"""Refuses to put the rows of one environment in place of another's, or among them.

An environment that was copied over another one, or restored, has the same address and another
organization id: its tables are read in full. With another address too, it is another environment:
the made-up rows of the sandbox come before the first real ones, or a setting is wrong. Two may
share a dataset if `environment_column` tells their rows apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dataverse_source.config.settings import SANDBOX
from dataverse_source.errors import ConfigurationError, OtherEnvironmentError

KEY = "environment"
"""Of the source's state in dlt."""

COLUMN = "column"
"""Of that: the value of `environment_column`; missing without it."""

SANDBOX_ORGANIZATION = "5a1d0b2c-7e64-4f7a-9d0e-0c6f1e2a3b40"
"""Organization id of the sandbox that ``environment_url = "sandbox"`` starts."""

Noted = Mapping[str, str]
"""What the state of a source says of its environment."""


@dataclass(frozen=True)
class Environment:
    """The environment that the settings lead to.

    Attributes:
        organization: id of its organization; None if it is not known.
        address: its address, or ``sandbox``.
        column: value of `environment_column`; None if it is not set.
    """

    organization: str | None
    address: str
    column: str | None = None

    def is_in(self, noted: Noted) -> bool:
        """Whether a state speaks of this environment."""
        known = self.organization in (None, noted["organization_id"])
        return known or self.address == noted["address"]


def check_environment(state: dict[str, Any], now: Environment) -> None:
    """Checks that the loaded rows are of this environment, and notes it in the state.

    Args:
        state: of the source.
        now: the environment.

    Raises:
        OtherEnvironmentError: the rows are those of another environment.
        ConfigurationError: they were loaded with another value of `environment_column`.
    """
    before = state.get(KEY) or {}
    _check_column(state, before.get(COLUMN), now.column)
    if now.organization is None and now.column is None:
        return
    organizations = _of_tables(state)
    if before:
        organizations.add(before["organization_id"])
    organizations.discard("")
    if now.organization and organizations and now.organization not in organizations:
        other = before.get("address") or _address(organizations, now.organization)
        if other is not None and other != now.address:
            raise _other(other, now.address)
    noted = {"organization_id": now.organization or "", "address": now.address}
    if now.column is not None:
        noted[COLUMN] = now.column
    if before != noted:
        state[KEY] = noted


def check_other_pipelines(environments: Mapping[str, Sequence[Noted]], now: Environment) -> None:
    """Checks that the rows of other pipelines of the dataset can be told from this one's.

    Their tables have the same names, so each run would put its own rows in place of the other's.

    Args:
        environments: that other pipelines of the dataset have loaded, by pipeline.
        now: the environment.

    Raises:
        OtherEnvironmentError: one loads another environment, and `environment_column` does not
            tell the rows apart.
        ConfigurationError: one loads the same environment with another value of it.
    """
    for pipeline, found in environments.items():
        for one in found:
            column = one.get(COLUMN)
            if now.is_in(one):
                # two names for one are no harm if a copy of it, such as a sandbox, has the other
                one_address = one["address"] == now.address
                if column != now.column and (one_address or None in (column, now.column)):
                    raise _two_values(pipeline, column, now.column)
            elif column is None or column == now.column or now.column is None:
                raise _mixed(pipeline, one["address"], column, now)


def environments_in(state: Mapping[str, Any]) -> Iterator[Noted]:
    """The environments of all sources of a pipeline.

    Args:
        state: dlt's, of the pipeline.
    """
    for source in (state.get("sources") or {}).values():
        if source.get(KEY):
            yield source[KEY]


def environment_of(state: Mapping[str, Any], source: str) -> str | None:
    """The value of `environment_column` with which a source was loaded; None if it was without.

    Args:
        state: dlt's, of the pipeline.
        source: its name.
    """
    found = (state.get("sources") or {}).get(source, {}).get(KEY) or {}
    return found.get(COLUMN)


def _check_column(state: Mapping[str, Any], before: str | None, now: str | None) -> None:
    resources = state.get("resources", {}).values()
    if before == now or not any(one.get("tables") for one in resources):
        return
    if before is None:
        raise ConfigurationError(
            "The destination holds rows that were loaded without environment_column, so they do "
            "not say which environment they are of; nothing was changed",
            where="[sources.dataverse] environment_column",
            remedy="To drop these tables with their history and read them again with the column, "
            "run once with --start-over (in Python: pipeline.refresh = 'drop_sources'). Or set "
            "pipeline to another name and load into another dataset.",
        )
    raise ConfigurationError(
        f"The rows of this pipeline were loaded with environment_column = {before!r}, and now it "
        f"is {'not set' if now is None else repr(now)}; nothing was changed",
        where="[sources.dataverse] environment_column",
        remedy=f"Set it to {before!r}. To load under another name, set pipeline to another name, "
        f"and delete the rows WHERE _dataverse_environment = {before!r} yourself.",
    )


def _two_values(pipeline: str, theirs: str | None, ours: str | None) -> ConfigurationError:
    def shown(value: str | None) -> str:
        return "without environment_column" if value is None else f"as {value!r}"

    return ConfigurationError(
        f"Pipeline {pipeline} loads this environment into this dataset {shown(theirs)}, and the "
        f"settings load it {shown(ours)}; nothing was changed",
        where="[sources.dataverse] environment_column",
        remedy="Set the same environment_column in both, or load into another dataset.",
    )


def _mixed(
    pipeline: str, address: str, theirs: str | None, now: Environment
) -> OtherEnvironmentError:
    what = (
        f"Pipeline {pipeline} loads {address} into this dataset, and the settings lead to "
        f"{now.address}"
    )
    if theirs is not None and theirs == now.column:
        return OtherEnvironmentError(
            f"{what}, both with environment_column = {theirs!r}; nothing was changed",
            where="[sources.dataverse] environment_column",
            remedy="Give each environment a name of its own.",
        )
    own = ""
    if theirs is None:
        own = f" Pipeline {pipeline} loaded without it: run that one with --start-over first."
    return OtherEnvironmentError(
        f"{what}; nothing was changed",
        where="dataset",
        remedy="Load each environment into a dataset of its own: name another one with --dataset "
        "(in Python: dataset_name). Or have both fill the same tables: set environment_column to "
        f"a name of its own for each of them.{own} If nothing is to stay of the other environment, "
        "drop its dataset first.",
    )


def _of_tables(state: dict[str, Any]) -> set[str]:
    """The organizations whose rows the tables hold."""
    resources = state.get("resources", {}).values()
    return {one for resource in resources for one in resource.get("organizations", {}).values()}


def _address(organizations: set[str], organization: str) -> str | None:
    """The address in states before version 0.2, which have none; None if it cannot be told."""
    if SANDBOX_ORGANIZATION in organizations:
        return SANDBOX
    return "another environment" if organization == SANDBOX_ORGANIZATION else None


def _other(before: str, now: str) -> OtherEnvironmentError:
    rows = "made-up rows of the sandbox" if before == SANDBOX else f"the rows of {before}"
    return OtherEnvironmentError(
        f"The destination holds {rows}, and the settings lead to {now}; nothing was changed",
        where="environment_url",
        remedy="To drop these tables with their history and read the new environment in full, run "
        "once with --start-over (in Python: pipeline.refresh = 'drop_sources'). To keep them, set "
        "pipeline in [sources.dataverse] to another name, or use --dataset.",
    )
