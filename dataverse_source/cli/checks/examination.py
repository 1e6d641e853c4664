"""Checks sign-in, environment and tables in at most six requests.

The login service takes two (discovery document, token), and one more if no tenant is set;
Dataverse gets two batches, and one more if columns are secured. Queries need more: the metadata
of their tables, and a row of each. Failed requests are not retried.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from dataverse_source.cli.checks.files import check_files
from dataverse_source.cli.checks.findings import Findings, StoppedError
from dataverse_source.cli.checks.queries import check_queries
from dataverse_source.cli.checks.tables import check_tables, questions_of
from dataverse_source.client.batch import BatchRequest
from dataverse_source.client.client import DataverseClient
from dataverse_source.client.responses import Response
from dataverse_source.client.retry import ONCE
from dataverse_source.client.session import new_session
from dataverse_source.config.settings import Settings
from dataverse_source.credentials import RenewingTokens, token_source
from dataverse_source.credentials.sign_in import External, parsed
from dataverse_source.errors import DataverseError, UnknownNameError
from dataverse_source.loading.column_access import hidden_columns, in_words
from dataverse_source.loading.configuration import Credentials
from dataverse_source.loading.connection import reached
from dataverse_source.metadata.bulk import columns_request, tables_in
from dataverse_source.metadata.model import Table
from dataverse_source.metadata.parse import TABLE_PROPERTIES, columns_from, items, table_from
from dataverse_source.metadata.table_selection import select_tables

WORST_SKEW = 300.0
"""Seconds; Entra ID refuses assertions of machines whose clock differs by more."""

NOTABLE_SKEW = 30.0
"""Seconds; with a larger difference, logs cannot be compared."""

LIMITS = {
    "x-ms-ratelimit-burst-remaining-xrm-requests": "requests left",
    "x-ms-ratelimit-time-remaining-xrm-requests": "seconds of execution left",
}
"""Headers of Dataverse's responses, in words."""

SIGN_IN = {"sign_in": "Sign-in"}
ENVIRONMENT = {
    "who_am_i": "Access",
    "organization": "Organization",
    "user": "User",
    "clock": "Clocks",
    "limits": "Limits",
    "metadata": "Table definitions",
}
TABLES = {"tables": "Tables"}

CURRENT_ORGANIZATION = (
    "RetrieveCurrentOrganization(AccessType=Microsoft.Dynamics.CRM.EndpointAccessType'Default')"
)
THE_CALLER = "Microsoft.Dynamics.CRM.EqualUserId(PropertyName='systemuserid')"

QUESTIONS = (
    BatchRequest("WhoAmI"),
    BatchRequest(CURRENT_ORGANIZATION),
    BatchRequest("systemusers", {"$select": "fullname", "$filter": THE_CALLER}),
    BatchRequest("EntityDefinitions", {"$select": ",".join(TABLE_PROPERTIES)}),
)


class OneToken:
    """A token source with one token: a second sign-in would not tell anything new."""

    def __init__(self, tokens: RenewingTokens) -> None:
        self._tokens = tokens

    def token(self) -> str:
        """The token."""
        return self._tokens.token()

    def renew(self, rejected: str) -> str:
        """The same token."""
        return rejected


def examine(settings: Settings, credentials: Credentials, names: Sequence[str]) -> Findings:
    """The findings on sign-in, environment and tables, given by name or pattern."""
    found = Findings()
    with contextlib.suppress(StoppedError):
        _examine(found, settings, credentials, names)
    return found


def _examine(
    found: Findings, settings: Settings, credentials: Credentials, names: Sequence[str]
) -> None:
    later = {**ENVIRONMENT, **TABLES}
    with found.trying("configuration", "Configuration", then={**SIGN_IN, **later}):
        url, ca_bundle, signs_in = reached(settings, credentials)
        session = new_session(ca_bundle=ca_bundle)
        tokens = token_source(signs_in, url, session=session, policy=ONCE)
        client = DataverseClient(
            url,
            OneToken(tokens),
            session=session,
            api_version=settings.api_version,
            request_timeout=settings.request_timeout,
            policy=ONCE,
        )
        who = _who(signs_in)
    found.ok(
        "configuration",
        "Configuration",
        "\n".join([client.environment_url, *(f"{name} {text}" for name, text in who.items())]),
        environment_url=client.environment_url,
        **who,
    )
    with found.trying("sign_in", "Sign-in", then=later):
        tokens.token()
    login = tokens.where.partition(", ")[0]
    found.ok("sign_in", "Sign-in", f"token from {login}", where=tokens.where)
    known, user_id = _environment(found, client)
    tables = [name for name in names if name not in settings.queries]
    if tables or not settings.queries:
        chosen = _chosen(found, tables, known, settings.exclude)
        if chosen:
            _tables(found, client, settings, chosen, user_id)
    check_queries(found, client, settings.queries)


def _who(credentials: Credentials) -> dict[str, str]:
    """Sign-in method, client id, tenant."""
    sign_in = parsed(credentials)
    if isinstance(sign_in, External):
        return {"auth_type": sign_in.auth_type}
    return {
        "auth_type": sign_in.auth_type,
        "client_id": sign_in.client_id or "none",
        "tenant_id": sign_in.login.tenant_id or "found by asking the environment",
    }


def _environment(found: Findings, client: DataverseClient) -> tuple[Sequence[Table], str]:
    """The tables that the user can see, and the user's id."""
    later = {name: title for name, title in ENVIRONMENT.items() if name != "who_am_i"}
    with found.trying("who_am_i", ENVIRONMENT["who_am_i"], then={**later, **TABLES}):
        asked = datetime.now(timezone.utc)
        answers = client.batch(QUESTIONS)
        answered = datetime.now(timezone.utc)
        who = answers[0].json()
    user_id, organization_id = str(who.get("UserId")), str(who.get("OrganizationId"))
    found.ok(
        "who_am_i",
        ENVIRONMENT["who_am_i"],
        f"organization id {organization_id}\nuser id {user_id}",
        organization_id=organization_id,
        user_id=user_id,
    )
    _organization(found, answers[1])
    _user(found, answers[2])
    _clock(found, client.server_time, asked, answered)
    _limits(found, client)
    with found.trying("metadata", ENVIRONMENT["metadata"], then=TABLES):
        answer = answers[3].json()
        known = [table_from(one) for one in items(answer, "value", "EntityDefinitions")]
    found.ok("metadata", ENVIRONMENT["metadata"], f"{len(known):,} tables", tables=len(known))
    return known, user_id


def _organization(found: Findings, answer: Response) -> None:
    try:
        detail = answer.json().get("Detail") or {}
    except DataverseError as error:
        found.warn("organization", "Organization", f"unknown: {error.why or error.what}", None)
        return
    name, version = detail.get("FriendlyName"), detail.get("OrganizationVersion")
    found.ok("organization", "Organization", f"{name}, version {version}",
             name=name, version=version)  # fmt: skip


def _user(found: Findings, answer: Response) -> None:
    try:
        (user,) = answer.json()["value"]
    except (DataverseError, KeyError, ValueError):
        found.ok("user", "User", "name unknown, as the role cannot read users; it is not needed")
        return
    found.ok("user", "User", str(user.get("fullname")), name=user.get("fullname"))


def _clock(found: Findings, server: datetime | None, asked: datetime, answered: datetime) -> None:
    """Compares Dataverse's time with this machine's between request and response."""
    if server is None:
        found.warn("clock", "Clocks", "Dataverse's response has no Date header", None)
        return
    earliest = asked - timedelta(seconds=1)  # the Date header has whole seconds
    nearest = min(max(server, earliest), answered)
    skew = (nearest - server).total_seconds()
    off = f"{abs(skew):,.0f} s {'ahead of' if skew > 0 else 'behind'} Dataverse"
    remedy = "Set this machine's clock, for example by NTP. No rows are lost, as cursors use "
    remedy += "Dataverse's clock, but sign-in with a certificate fails."
    if abs(skew) >= WORST_SKEW:
        wrong = DataverseError(f"This machine's clock is {off}", remedy=remedy)
        found.fail("clock", "Clocks", wrong, seconds_ahead=round(skew))
    elif abs(skew) >= NOTABLE_SKEW:
        text = f"this machine's clock is {off}"
        found.warn("clock", "Clocks", text, remedy, seconds_ahead=round(skew))
    else:
        found.ok("clock", "Clocks", "this machine and Dataverse agree",
                 seconds_ahead=round(skew))  # fmt: skip


def _limits(found: Findings, client: DataverseClient) -> None:
    limits, hint = client.rate_limits, client.dop_hint
    told = [f"recommended requests at once: {hint}"] if hint else []
    told += [f"{LIMITS.get(name, name)}: {text}" for name, text in sorted(limits.items())]
    text = "\n".join(told) or "none reported"
    found.ok("limits", "Limits", text, **{"x-ms-dop-hint": hint, **limits})


def _chosen(
    found: Findings, names: Sequence[str], known: Sequence[Table], exclude: Sequence[str]
) -> list[tuple[str, Table]]:
    """The tables each with the name or pattern that matches it; reports names that match none."""
    chosen: dict[str, tuple[str, Table]] = {}
    for name in names:
        try:
            for table in select_tables([name], known, exclude):
                chosen.setdefault(table.logical_name, (name, table))
        except UnknownNameError as error:
            found.fail("table", name, error, table=name)
    if not names:
        remedy = "Run dataverse-source check accounts, or set tables."
        found.warn("tables", TABLES["tables"], "none to check", remedy)
    return list(chosen.values())


def _tables(
    found: Findings,
    client: DataverseClient,
    settings: Settings,
    chosen: Sequence[tuple[str, Table]],
    user_id: str,
) -> None:
    with found.trying("tables", TABLES["tables"], then={}):
        tables = [table for _, table in chosen]
        questions = questions_of(tables, user_id)
        columns = BatchRequest(*columns_request([table.logical_name for table in tables]))
        *answers, described = client.batch([*questions, columns])
    check_tables(found, settings, chosen, answers)
    try:
        of_tables = tables_in(described.json())
    except DataverseError:
        return  # a run reads metadata in another way, and names what is wrong
    with_columns = [
        replace(table, columns=columns_from(of_tables[table.logical_name]))
        for table in tables
        if table.logical_name in of_tables
    ]
    _column_security(found, client, with_columns)
    check_files(found, settings, with_columns)


def _column_security(found: Findings, client: DataverseClient, described: Sequence[Table]) -> None:
    """Names the columns that column security hides or masks; silent if there are none."""
    hidden = hidden_columns(client, described) or {}
    for table in described:
        columns = hidden.get(table.logical_name)
        if columns:
            name = str(table.entity_set_name)
            text = f"column security {in_words(columns)}"
            remedy = "Give the application user a column security profile that may read them, or "
            remedy += f"leave them out: exclude_columns in table_settings.{name}."
            found.warn("columns", f"{name} columns", text, remedy, of=name, columns=columns)
