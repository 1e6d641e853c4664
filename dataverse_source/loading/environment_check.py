"""Refuses to put the rows of one environment in place of another's, or among them.

An environment that was copied over another one, or restored, has the same address and another
organization id: its tables are read in full. With another address too, it is another environment:
the made-up rows of the sandbox come before the first real ones, or a setting is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dataverse_source.config.settings import SANDBOX
from dataverse_source.errors import OtherEnvironmentError

KEY = "environment"
"""Of the source's state in dlt."""

SANDBOX_ORGANIZATION = "5a1d0b2c-7e64-4f7a-9d0e-0c6f1e2a3b40"
"""Organization id of the sandbox that ``environment_url = "sandbox"`` starts."""


def check_environment(state: dict[str, Any], organization: str | None, address: str) -> None:
    """Checks that the loaded rows are of this environment, and notes it in the state.

    Args:
        state: of the source.
        organization: id of the environment's organization; None if it is not known.
        address: of the environment, or ``sandbox``.

    Raises:
        OtherEnvironmentError: the rows are those of another environment.
    """
    if organization is None:
        return
    before = state.get(KEY) or {}
    organizations = _of_tables(state)
    if before:
        organizations.add(before["organization_id"])
    if organizations and organization not in organizations:
        other = before.get("address") or _address(organizations, organization)
        if other is not None and other != address:
            raise _other(other, address)
    now = {"organization_id": organization, "address": address}
    if before != now:
        state[KEY] = now


def check_other_pipelines(
    environments: Mapping[str, Sequence[Mapping[str, str]]], organization: str | None, address: str
) -> None:
    """Checks that no other pipeline of the dataset loads another environment.

    Their tables have the same names, so each run would put its own rows in place of the other's.

    Args:
        environments: that other pipelines of the dataset have loaded, by pipeline.
        organization: id of the environment's organization; None if it is not known.
        address: of the environment, or ``sandbox``.

    Raises:
        OtherEnvironmentError: one does.
    """
    for pipeline, found in environments.items():
        for one in found:
            if organization not in (None, one["organization_id"]) and address != one["address"]:
                raise OtherEnvironmentError(
                    f"Pipeline {pipeline} loads {one['address']} into this dataset, and the "
                    f"settings lead to {address}; nothing was changed",
                    where="dataset",
                    remedy="Load each environment into a dataset of its own: name another one with "
                    "--dataset (in Python: dataset_name). If nothing is to stay of the other "
                    "environment, drop its dataset first.",
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
