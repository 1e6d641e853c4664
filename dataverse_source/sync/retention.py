"""How long Dataverse keeps tracked changes: a setting of the organization."""

from __future__ import annotations

import threading
from datetime import timedelta

from dataverse_source.client.client import DataverseClient
from dataverse_source.config.log import logger
from dataverse_source.errors import ProtocolError, ResponseError

DEFAULT_DAYS = 7
"""Docs "Use change tracking to synchronize data with external systems"."""

MOST_DAYS = 36_500
"""A longer time means the same, and would not fit Python's clock."""

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
            days = int(organization[COLUMN] or DEFAULT_DAYS)
        except (ResponseError, ProtocolError, KeyError, TypeError, ValueError) as error:
            logger.info("The organization does not return %s: %s", COLUMN, error)
            days = DEFAULT_DAYS
        return min(days, MOST_DAYS)
