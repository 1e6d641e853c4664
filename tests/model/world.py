"""The environment that random histories play in: one sandbox a process, with small tables.

Every kind of table and of column is there, but few columns of each, so that a history takes a
fraction of a second.
"""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from dataverse_source.client.client import DataverseClient
from dataverse_source.client.session import new_session
from dataverse_source.client.throttle.limiter import ConcurrencyLimiter, LimiterClock
from dataverse_source.config.checks import make_settings
from dataverse_source.config.settings import Settings
from dataverse_source.credentials import token_source
from dataverse_source.loading.connection import Connection
from dataverse_source.metadata.queries.catalogue import Catalogue
from dataverse_source.metadata.reader import MetadataReader
from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.api.limits import LimitSettings
from dataverse_source.sandbox.environment.clock import Clock
from dataverse_source.sandbox.schema.tables import Schema, Table
from dataverse_source.sandbox.store.layout import sql_table
from dataverse_source.sandbox.switches import Switches
from dataverse_source.sync.temporary_database import SharedDatabase
from tests.model.wire import Direct
from tests.support.sandbox.security_tables import with_security_tables
from tests.support.settings import credentials_of

COLUMNS = {
    "account": "accountid name statecode statuscode industrycode revenue opendeals openrevenue "
    "creditonhold merged masterid ownerid owningbusinessunit new_billingcustomerid new_interests "
    "new_foundedon new_openingtime new_discountrate new_taxnumber numberofemployees new_externalid "
    "new_contract "
    "createdon modifiedon versionnumber overriddencreatedon",
    "contact": "contactid lastname birthdate annualincome parentcustomerid statecode statuscode "
    "ownerid owningbusinessunit merged masterid createdon modifiedon versionnumber",
    "lead": "leadid subject estimatedvalue createdon modifiedon versionnumber",
    "task": "activityid subject activitytypecode regardingobjectid prioritycode scheduledend "
    "createdon modifiedon versionnumber",
    "activitypointer": "activityid subject activitytypecode regardingobjectid scheduledend "
    "createdon modifiedon versionnumber",
    "new_project": "new_projectid new_name new_notes new_stage new_startson new_effortminutes "
    "new_progress new_accountid createdon modifiedon versionnumber",
    "new_ledgerentry": "new_ledgerentryid new_name new_amount new_bookedon versionnumber",
    "new_setting": "new_settingid new_name new_value createdon modifiedon",
    "new_archive": "new_archiveid new_name createdon modifiedon versionnumber",
    "new_sensorreading": "new_sensorreadingid new_name partitionid ttlinseconds new_value "
    "new_measuredon createdon modifiedon versionnumber",
    "new_externalproduct": "new_externalproductid new_name new_sku new_price",
    "accountleads": "accountleadid accountid leadid versionnumber",
    "annotation": "annotationid subject notetext filename mimetype documentbody filesize "
    "isdocument objectid ownerid owningbusinessunit createdon modifiedon versionnumber "
    "overriddencreatedon",
    "audit": "auditid createdon action operation objectid objecttypecode attributemask changedata "
    "transactionid userid",
}
"""What histories change and read. new_setting has no version number, new_ledgerentry no
modifiedon: each is a case of its own."""

MASKING = ("maskingrule", "attributemaskingrule")
OTHER_TABLES = (
    "organization",
    "systemuser",
    "businessunit",
    "team",
    "transactioncurrency",
    *MASKING,
)


def _trimmed(table: Table) -> Table:
    if table.logical_name not in COLUMNS:
        return table
    names = set(COLUMNS[table.logical_name].split())
    kept = (
        one
        for one in table.columns
        if one.name in names or (one.attribute_of in names and one.name not in names)
    )
    return replace(table, columns=tuple(kept), keys=())


@functools.lru_cache(maxsize=1)
def small_schema() -> Schema:
    """The default catalogue, cut down to the tables and columns of histories."""
    whole = with_security_tables()
    names = {*COLUMNS, *OTHER_TABLES}
    tables = {one.logical_name: _trimmed(one) for one in whole.tables if one.logical_name in names}
    return Schema(
        tables=tuple(tables.values()),
        one_to_many=tuple(
            link
            for link in whole.one_to_many
            if {link.referenced, link.referencing} <= tables.keys()
            and link.referencing_attribute in tables[link.referencing].by_name
        ),
        many_to_many=tuple(one for one in whole.many_to_many if one.intersect in tables),
        global_choices=whole.global_choices,
    )


class SandboxClock(LimiterClock):
    """Seconds that a concurrency limiter waits, it waits by the sandbox's clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waited = 0.0

    def now(self) -> float:
        return super().now() + self._waited

    def wait(self, told: threading.Condition, seconds: float | None) -> None:
        if seconds is None:
            super().wait(told, seconds)
        else:
            self._waited += seconds
            self._clock.advance(seconds)


@dataclass(frozen=True)
class World:
    """A sandbox, and a connection that is signed in once for all histories of a process."""

    sandbox: Sandbox
    connection: Connection
    wire: Direct
    database: SharedDatabase

    def begin(self) -> None:
        """Puts back everything that the history before may have changed."""
        sandbox, store = self.sandbox, self.sandbox.store
        self.wire.over_the_wire = False
        sandbox.hooks.clear()
        sandbox.faults.clear()
        sandbox.requests.clear()
        sandbox.switches = Switches()
        self.new_process()
        sandbox.limits.settings = LimitSettings()
        sandbox.limits.reset()
        sandbox.users.change(
            sandbox.client_id,
            organization_read=True,
            readable_tables=None,
            read_depths={},
            readable_columns=frozenset(),
            enabled=True,
        )
        sandbox.clock.set(datetime.now(timezone.utc))
        if store.schema is not small_schema():
            store.change_schema(small_schema())
        self.audit(False)
        with store.transaction() as connection:
            for name in (*COLUMNS, *MASKING):
                connection.execute(f"DELETE FROM {sql_table(name)}")
            connection.execute("DELETE FROM deleted")
            connection.execute("DELETE FROM reserved")
            store.next_version()
        self.connection.metadata.refresh()

    def audit(self, on: bool) -> None:
        """Has changes be audited from now on, or no longer."""
        store = self.sandbox.store
        (row,) = store.rows("organization")
        if bool(row["isauditenabled"]) is not on:
            store.update("organization", row["organizationid"], {"isauditenabled": on})

    def new_process(self) -> None:
        """Forgets what a process knows of limits, of failed sign-ins, and of Dataverse's clock."""
        client: Any = self.connection.client
        client._limiter = ConcurrencyLimiter(clock=SandboxClock(self.sandbox.clock))
        client._tokens._failure = None
        client._server_time, client._clock_offset = None, timedelta()


@functools.lru_cache(maxsize=1)
def the_world() -> World:
    """One for all histories of a process. Its clock stands still but when it is told to go on."""
    sandbox = Sandbox(rows={}, seed=1, schema=small_schema(), clock=Clock(frozen=True)).start()
    credentials = credentials_of(sandbox)
    url = sandbox.environment_url
    made = make_settings(environment_url=url, tables=["accounts"], ca_bundle=sandbox.ca_bundle)

    def pause(seconds: float) -> None:
        sandbox.clock.advance(seconds)

    session, wire = new_session(ca_bundle=sandbox.ca_bundle), Direct(sandbox)
    session.mount(url, wire)
    tokens = token_source(credentials, url, session=session, pause=pause)
    client = DataverseClient(url, tokens, session=session, pause=pause)
    connection = Connection(made, credentials)
    connection._opened = client, Catalogue(MetadataReader(client, ()), client, {})
    return World(sandbox, connection, wire, SharedDatabase.of_process())


def connection_with(settings: Settings) -> Connection:
    """A connection with the settings of one history, over the client of all of them."""
    opened = the_world().connection._open()
    connection = Connection(settings, None)
    connection._opened = opened
    reader = opened[1]._reader
    if reader._configured != settings.tables:  # as a new process finds them out
        reader._configured, reader._configured_tables = settings.tables, None
        reader._by_configured_name = None
    opened[1]._queries = settings.queries
    opened[1]._compiled.clear()
    return connection
