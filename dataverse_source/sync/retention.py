"""How long Dataverse keeps tracked changes: a setting of the organization."""

from __future__ import annotations

import threading
from datetime import timedelta

from dataverse_source.client.client import DataverseClient
from dataverse_source.config.log import logger
from dataverse_source.errors import ResponseError

DEFAULT_DAYS = 7
"""Docs "Use change tracking to synchronize data with external systems"."""

COLUMN = "expirechangetrackingindays"


class Retention:
    """Asks for the setting once, when it is first needed."""

    def __init__(self, client: DataverseClient) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._known: timedelta | None = None

    def __call__(self) -> timedelta:
        """The age at which a delta link expires."""
        with self._lock:
            if self._known is None:
                self._known = timedelta(days=self._days())
            return self._known

    def _days(self) -> int:
        try:
            answer = self._client.get_json("organizations", {"$select": COLUMN})
            (organization,) = answer["value"]
            days = organization.get(COLUMN)
        except (ResponseError, KeyError, ValueError) as error:
            logger.info("The organization does not return %s: %s", COLUMN, error)
            days = None
        return DEFAULT_DAYS if days is None else int(days)
