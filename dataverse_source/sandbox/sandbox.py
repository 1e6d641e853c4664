"""The sandbox as one object: starts and stops a local Dataverse on loopback."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
import uuid
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from dataverse_source.sandbox.api.faults import Faults
from dataverse_source.sandbox.api.gateway import Gateway
from dataverse_source.sandbox.api.hooks import Hooks
from dataverse_source.sandbox.api.latency import LatencySettings
from dataverse_source.sandbox.api.limits import Limits, LimitSettings
from dataverse_source.sandbox.api.prerender import Prerendered
from dataverse_source.sandbox.api.request_log import RequestLog
from dataverse_source.sandbox.control import Control
from dataverse_source.sandbox.environment.clock import Clock
from dataverse_source.sandbox.environment.environment import Environment, Organization
from dataverse_source.sandbox.environment.lifecycle import Lifecycle
from dataverse_source.sandbox.environment.users import ApplicationUser, Users
from dataverse_source.sandbox.http.doors import LOOPBACK
from dataverse_source.sandbox.http.server import Server
from dataverse_source.sandbox.http.tls import server_context
from dataverse_source.sandbox.identity.applications import Application
from dataverse_source.sandbox.identity.authentication import Door
from dataverse_source.sandbox.identity.identity import Identity
from dataverse_source.sandbox.identity.managed_identity import ManagedIdentity
from dataverse_source.sandbox.schema.row_counts import DEFAULT_ROWS, rows_by_logical_name
from dataverse_source.sandbox.steering import Running, Steering
from dataverse_source.sandbox.switches import Switches

if TYPE_CHECKING:
    from dataverse_source.sandbox.schema.tables import Schema

CLIENT_ID = "4c9f2c1d-6f0b-4b8f-9a34-2f5b7c1e8d60"
OBJECT_ID = "0b8f7f1e-2f57-4f0e-8a67-3d1c5b2a9e44"
USER_ID = "8061643d-ebf7-e811-a974-000d3a1e1c9a"
"""The application that a sandbox knows from the start, and its user in the environment."""


class Sandbox(Steering):
    """A local Dataverse environment and its tenant.

    ``start`` (or ``with``) makes everything, ``stop`` removes everything. Several may run at
    once.

    Args:
        rows: how many rows to seed, by logical or entity set name; None for a default set.
        seed: the same seed gives the same rows.
        schema: the environment's tables; None for the default catalogue.
        switches: behaviours that no document settles.
        limits: service protection limits; enforced only with ``enforced``.
        latency: how long answers take; no extra time unless set.
        clock: the sandbox's time; None for the system's.
        port: port of the data and sign-in side; 0 for any free one.
        host_names: names beside 127.0.0.1 and localhost under which clients reach the sandbox, such
            as ``contoso.crm.dynamics.com``: for clients that a proxy or a hosts file leads here.
        client_secret: secret of the default application; None for a new one at each start.
        token_lifetime: seconds that an access token is good for.
        store_path: where rows are kept; None for a temporary file.
        prerender: keep answers, compressed, until rows change: for benchmarks.
        control_port: port of the control server (see ``control``); 0 for any free one, None
            for no such server.
        control_token: token of the control server; None for a new one.

    Attributes:
        faults: faults to come.
        hooks: actions that run at requests.
        requests: the log of requests.
        users: application users by client id.
        identity: the tenant's applications and tokens.
        limits: what callers have spent of their service protection limits.
        application: the default application, that of ``client_id``.
        control_token: token of the control server.
    """

    def __init__(
        self,
        rows: Mapping[str, int] | None = None,
        *,
        seed: int = 1,
        schema: Schema | None = None,
        switches: Switches | None = None,
        limits: LimitSettings | None = None,
        latency: LatencySettings | None = None,
        clock: Clock | None = None,
        port: int = 0,
        host_names: Iterable[str] = (),
        client_secret: str | None = None,
        token_lifetime: int = 3599,
        store_path: Path | None = None,
        prerender: bool = False,
        control_port: int | None = None,
        control_token: str | None = None,
    ) -> None:
        super().__init__(switches or Switches(), latency or LatencySettings())
        self._rows = DEFAULT_ROWS if rows is None else rows
        self._seed = seed
        self._schema = schema
        self._port = port
        self._host_names = (*LOOPBACK, *(name.lower() for name in host_names))
        self._store_path = store_path
        self._prerendered = Prerendered() if prerender else None
        self._control_port = control_port
        self.control_token = control_token or secrets.token_urlsafe(24)
        self._opened = ExitStack()
        self.clock = clock or Clock()
        self.limits = Limits(self.clock, limits)
        self.faults = Faults()
        self.hooks = Hooks()
        self.requests = RequestLog()
        self.users = Users()
        self.identity = Identity(
            Organization().tenant_id, self.clock, token_lifetime=token_lifetime
        )
        self.application = self._register_default(client_secret)
        self.managed_identity = ManagedIdentity(self.identity, self.clock, CLIENT_ID)

    def start(self) -> Sandbox:
        """Makes the rows and the certificate, and begins to serve.

        Raises:
            ValueError: ``rows`` names a table that the schema does not have.
            OSError: the port is taken.
        """
        if self._running is not None:
            raise RuntimeError("This sandbox is running: stop it before you start it again.")
        try:
            self._running = self._open()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Ends every connection and thread and removes all files. Safe to call twice."""
        self._running = None
        self._opened.close()

    def add_application(self, name: str = "Another application", **rights: Any) -> Application:
        """Adds an app registration with a secret, and its application user.

        Args:
            name: of the app registration.
            rights: what ``users.ApplicationUser`` takes: ``readable_tables``,
                ``organization_read``, ``may_write``, ``enabled``, ``has_role``.
        """
        application = self.identity.register(name)
        application.add_secret()
        self.users.add(
            ApplicationUser(
                str(uuid.uuid4()), application.client_id, application.object_id, **rights
            )
        )
        return application

    def sign_in(self, user_id: str) -> str:
        """Signs a person in to the default application, as a browser would.

        Args:
            user_id: systemuserid of a row with an ``azureactivedirectoryobjectid``.

        Returns:
            A refresh token, which the application turns into access tokens of this person.

        Raises:
            ValueError: there is no such person, or it has no object id.
        """
        row = self.store.row("systemuser", user_id) or {}
        object_id = row.get("azureactivedirectoryobjectid")
        if object_id is None:
            raise ValueError(f"No user {user_id} has an azureactivedirectoryobjectid.")
        return self.identity.refresh_tokens.issue(self.client_id, str(object_id))

    @property
    def environment_url(self) -> str:
        """The environment's URL, without a trailing slash."""
        return self._live.url

    @property
    def authority_host(self) -> str:
        """The sign-in side's URL, to be followed by the tenant."""
        return self._live.url

    @property
    def ca_bundle(self) -> str:
        """Path of the certificate authority (PEM) that clients have to trust."""
        return str(self._live.ca_bundle)

    @property
    def control_url(self) -> str | None:
        """URL of the control server, if there is one."""
        return self._live.control_url

    @property
    def tenant_id(self) -> str:
        """Id of the tenant."""
        return self.identity.tenant_id

    @property
    def client_id(self) -> str:
        """Application id of the default application."""
        return self.application.client_id

    @property
    def client_secret(self) -> str:
        """Secret of the default application."""
        return next(iter(self.application.secrets))

    @property
    def connection(self) -> dict[str, str]:
        """What a client needs to connect, as the command line prints it."""
        names = ("environment_url", "authority_host", "tenant_id", "client_id")
        shown = {name: str(getattr(self, name)) for name in names}
        shown |= {"client_secret": self.client_secret, "ca_bundle": self.ca_bundle}
        if self.control_url is not None:
            shown |= {"control_url": self.control_url, "control_token": self.control_token}
        return shown

    def __enter__(self) -> Sandbox:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _register_default(self, secret: str | None) -> Application:
        application = self.identity.register("Sandbox", client_id=CLIENT_ID)
        application.object_id = OBJECT_ID
        application.add_secret(secret)
        self.users.add(ApplicationUser(USER_ID, CLIENT_ID, OBJECT_ID))
        return application

    def _open(self) -> Running:
        folder = Path(tempfile.mkdtemp(prefix="dataverse-sandbox-"))
        self._opened.callback(shutil.rmtree, folder, ignore_errors=True)
        environment = self._environment()
        tls, ca_bundle = server_context(folder, self._host_names)
        stopping = threading.Event()
        gateway = self._gateway(environment, stopping)
        lifecycle = Lifecycle(environment, USER_ID, folder)
        server = Server(gateway.handle, stopping=stopping, tls=tls, port=self._port)
        self._opened.callback(server.stop)
        gateway.door.listen(server.port)
        server.start()
        url = f"https://{LOOPBACK[0]}:{server.port}"
        self._running = Running(url, ca_bundle, environment, gateway, lifecycle, None)
        return replace(self._running, control_url=self._open_control())

    def _open_control(self) -> str | None:
        if self._control_port is None:
            return None
        server = Server(Control(self, self.control_token).handle, port=self._control_port)
        self._opened.callback(server.stop)
        server.start()
        return f"http://{LOOPBACK[0]}:{server.port}"

    def _environment(self) -> Environment:
        from dataverse_source.sandbox.environment.small_stores import filled_store

        if self._schema is None:
            from dataverse_source.sandbox.schema.catalog import default_schema

            self._schema = default_schema()
        counts = rows_by_logical_name(self._rows, self._schema)
        organization = Organization()
        store = filled_store(
            self._schema,
            self.clock,
            self._store_path,
            organization,
            USER_ID,
            counts,
            self._seed,
        )
        self._opened.callback(store.close)
        store.audit_changedata = self._switches.audit_changedata
        return Environment(store, self.clock, self._switches, organization, users=self.users)

    def _gateway(self, environment: Environment, stopping: threading.Event) -> Gateway:
        from dataverse_source.sandbox.api.router import DataSide
        from dataverse_source.sandbox.metadata.router import MetadataSide

        return Gateway(
            environment,
            Door(environment, self.identity, self._host_names),
            self.limits,
            self.faults,
            self.hooks,
            self.requests,
            self.managed_identity,
            DataSide(environment),
            MetadataSide(environment),
            self._prerendered,
            self._latency,
            stopping,
        )
