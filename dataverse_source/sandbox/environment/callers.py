"""The caller: the user that a request acts as."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Caller:
    """The user that a request acts as: that of its token, or one that it impersonates.

    Attributes:
        user_id: systemuserid, lower case.
        client_id: application id of the app registration.
        object_id: object id of its service principal in Entra.
        organization_read: read privileges are at organization level, which change tracking
            asks for.
        readable_tables: logical names of the tables that its roles let it read; None for all.
        may_write: its roles let it create, update and delete rows.
        may_impersonate: its roles have prvActOnBehalfOfAnotherUser.
        actual_user_id: the user of the token, where it acts for another one.
    """

    user_id: str
    client_id: str
    object_id: str = ""
    organization_read: bool = True
    readable_tables: frozenset[str] | None = None
    may_write: bool = True
    may_impersonate: bool = True
    actual_user_id: str | None = None

    def may_read(self, logical_name: str) -> bool:
        """Whether the caller's roles let it read rows of a table."""
        return self.readable_tables is None or logical_name in self.readable_tables
