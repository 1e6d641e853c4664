"""Application users of the environment, and what their security roles let them do."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Any

from dataverse_source.sandbox.environment.callers import Rights


@dataclass(frozen=True)
class ApplicationUser(Rights):
    """A Dataverse user that stands for an app registration.

    Attributes:
        user_id: systemuserid.
        client_id: application id of the app registration.
        object_id: object id of its service principal.
        enabled: False for a disabled user.
        has_role: False for a user without a security role.
    """

    user_id: str
    client_id: str
    object_id: str = ""
    enabled: bool = True
    has_role: bool = True


class Users:
    """Application users by client id, and the rights of people.

    An app without an application user is no member. People are rows of the table systemuser;
    they may do everything unless ``limit`` says otherwise.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_client: dict[str, ApplicationUser] = {}
        self._people: dict[str, ApplicationUser] = {}

    def add(self, user: ApplicationUser) -> None:
        """Adds or replaces the user of an application."""
        with self._lock:
            self._by_client[user.client_id] = user

    def limit(self, user_id: str, **rights: Any) -> None:
        """Sets the rights of a person: a row of systemuser without an application.

        Args:
            user_id: its systemuserid.
            rights: as of ``ApplicationUser``: ``readable_tables``, ``may_write``, ``enabled``...
        """
        with self._lock:
            self._people[user_id.lower()] = ApplicationUser(user_id.lower(), "", **rights)

    def rights_of(self, user_id: str) -> ApplicationUser:
        """The rights of a user: an application user or a person."""
        with self._lock:
            known = (user for user in self._by_client.values() if user.user_id == user_id)
            return next(known, self._people.get(user_id) or ApplicationUser(user_id, ""))

    def of_client(self, client_id: str) -> ApplicationUser | None:
        """The user of an application, None when it has none."""
        with self._lock:
            return self._by_client.get(client_id)

    def change(self, client_id: str, **values: Any) -> None:
        """Changes a user, for instance ``enabled=False``.

        Raises:
            KeyError: the application has no user here.
        """
        with self._lock:
            self._by_client[client_id] = replace(self._by_client[client_id], **values)

    def remove(self, client_id: str) -> None:
        """Removes an application's user."""
        with self._lock:
            self._by_client.pop(client_id, None)

    def with_object_id(self, object_id: str) -> str | None:
        """The systemuserid of the application user with an object id in Entra, if there is one."""
        with self._lock:
            users = (user for user in self._by_client.values() if user.object_id == object_id)
            return next((user.user_id for user in users), None)
