"""The tables that a new sandbox has: those of a Dynamics 365 Sales and Service organization."""

from __future__ import annotations

from functools import lru_cache

from dataverse_source.sandbox.catalog.account import ACCOUNT
from dataverse_source.sandbox.catalog.contact import CONTACT
from dataverse_source.sandbox.catalog.groups import Draft
from dataverse_source.sandbox.catalog.people import BUSINESSUNIT, OWNER, SYSTEMUSER, TEAM
from dataverse_source.sandbox.catalog.settings import ORGANIZATION, TRANSACTIONCURRENCY
from dataverse_source.sandbox.tables import Schema

DRAFTS: tuple[Draft, ...] = (
    ACCOUNT,
    CONTACT,
    SYSTEMUSER,
    TEAM,
    BUSINESSUNIT,
    OWNER,
    TRANSACTIONCURRENCY,
    ORGANIZATION,
)


@lru_cache(maxsize=1)
def default_schema() -> Schema:
    """The schema of a sandbox that is given none."""
    known = frozenset(draft.table.logical_name for draft in DRAFTS)
    return Schema(
        tables=tuple(draft.table for draft in DRAFTS),
        one_to_many=tuple(r for draft in DRAFTS for r in draft.relationships(known)),
    )
