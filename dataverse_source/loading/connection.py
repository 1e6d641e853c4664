"""The connection that all tables of one source share, opened when the first table is read.

Orchestrators import pipeline scripts all day long, so nothing is requested before that.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Any

from dataverse_source.client.client import DataverseClient
from dataverse_source.client.session import new_session
from dataverse_source.client.throttle.limiter import limiter_of
from dataverse_source.client.urls import environment_base
from dataverse_source.config.log import logger
from dataverse_source.config.setting_names import current_section
from dataverse_source.config.settings import SANDBOX, Settings
from dataverse_source.credentials import (
    DataverseCredentials,
    TokenCredential,
    token_source,
)
from dataverse_source.errors import ResponseError
from dataverse_source.loading.adapters import Adapters
from dataverse_source.metadata.buckets import is_in
from dataverse_source.metadata.cache import MetadataCache
from dataverse_source.metadata.queries.catalogue import Catalogue
from dataverse_source.metadata.reader import MetadataReader
from dataverse_source.sync.active_pipeline import active_pipeline

SANDBOX_NOTICE = (
    'This is made-up data from the local sandbox (environment_url = "sandbox"), '
    "not from a real environment."
)


class Connection:
    """A client and a metadata reader, made once.

    Args:
        settings: all settings of the source.
        credentials: who signs in; not needed for the sandbox.
        adapters: callbacks of the user.

    Attributes:
        section: the TOML table that the settings come from.
    """

    def __init__(
        self,
        settings: Settings,
        credentials: DataverseCredentials | TokenCredential | None,
        adapters: Adapters | None = None,
    ) -> None:
        if settings.environment_url == SANDBOX:
            logger.notice(SANDBOX_NOTICE)
        self.settings = settings
        self.adapters = adapters or Adapters()
        self.section = current_section()
        self._credentials = credentials
        self._lock = threading.Lock()
        self._opened: tuple[DataverseClient, Catalogue] | None = None

    @property
    def client(self) -> DataverseClient:
        """The client; it signs in at its first request.

        Raises:
            ConfigurationError: credentials are missing, or the sandbox is not installed.
        """
        return self._open()[0]

    @property
    def environment(self) -> str:
        """An id of the environment: its URL, or ``sandbox``, whose port changes at each start."""
        url = self.settings.environment_url
        return url if url == SANDBOX else self.client.environment_url

    @property
    def organization_id(self) -> str | None:
        """The id of the environment's organization; None if Dataverse does not return it.

        An environment that was copied over another one has the same URL and another id.
        """
        return str(self._who_am_i.get("OrganizationId") or "").lower() or None

    @property
    def user_id(self) -> str | None:
        """The id of the application user; None if Dataverse does not return it."""
        return str(self._who_am_i.get("UserId") or "").lower() or None

    @property
    def clock_offset(self) -> timedelta:
        """Dataverse's clock less this machine's, to about a second."""
        if self.client.server_time is None:
            self._who_am_i  # noqa: B018 - its answer has a date
        return self.client.clock_offset

    @cached_property
    def _who_am_i(self) -> dict[str, Any]:
        try:
            return self.client.get_json("WhoAmI")
        except ResponseError as error:
            if self.settings.caller is not None and error.status == HTTPStatus.FORBIDDEN:
                raise  # no request can succeed
            logger.info("The organization id cannot be read: %s", error)
            return {}

    @property
    def metadata(self) -> Catalogue:
        """Tables and columns of the environment, and the queries."""
        return self._open()[1]

    def _open(self) -> tuple[DataverseClient, Catalogue]:
        with self._lock:
            if self._opened is None:
                self._opened = self._connect()
            return self._opened

    def _connect(self) -> tuple[DataverseClient, Catalogue]:
        url, ca_bundle, credentials = reached(self.settings, self._credentials)
        session = new_session(ca_bundle=ca_bundle)
        tokens = token_source(credentials, url, session=session)
        client = DataverseClient(
            url,
            tokens,
            session=session,
            api_version=self.settings.api_version,
            request_timeout=self.settings.request_timeout,
            limiter=limiter_of(environment_base(url), tokens.identity, self.settings.processes),
            max_concurrency=self.settings.max_concurrency,
            caller=self.settings.caller,
        )
        environment = f"{client.environment_url} {self.settings.api_version}"
        user = f"{tokens.identity} {self.settings.caller or ''}".strip()
        cache = MetadataCache(_pipeline_folder(), environment, user)
        queries, bucket = self.settings.queries, self.settings.bucket
        tables = [name for name in self.settings.tables if name not in queries]
        reader = MetadataReader(client, tables, cache, exclude=self.settings.exclude, bucket=bucket)
        own = {name: one for name, one in queries.items() if is_in(name, bucket)}
        return client, Catalogue(reader, client, own)


def reached(
    settings: Settings, credentials: DataverseCredentials | TokenCredential | None
) -> tuple[str, str | None, DataverseCredentials | TokenCredential]:
    """The environment's URL, the CA bundle to trust, and the credentials.

    Starts the sandbox if that is the environment.

    Raises:
        ConfigurationError: the sandbox is not installed.
    """
    if settings.environment_url == SANDBOX:
        from dataverse_source.loading.local_sandbox import start_sandbox

        local = start_sandbox()
        return local.environment_url, local.ca_bundle, local.credentials
    given = DataverseCredentials() if credentials is None else credentials
    return settings.environment_url, settings.ca_bundle, given


def _pipeline_folder() -> Path | None:
    """The working folder of the running pipeline; None if none runs, as in a preview."""
    pipeline = active_pipeline()
    return None if pipeline is None else Path(pipeline.working_dir)
