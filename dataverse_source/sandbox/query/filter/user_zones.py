"""The time zone of a user, as its settings say (table usersettings, column timezonecode)."""

from __future__ import annotations

from dataverse_source.sandbox.environment.environment import Environment
from dataverse_source.sandbox.http.messages import DataverseFault
from dataverse_source.sandbox.store.layout import sql_table
from dataverse_source.sandbox.store.time_zones import BY_CODE, UTC, TimeZone
from dataverse_source.sandbox.store.values import json_text


def zone_of(environment: Environment, user_id: str) -> TimeZone:
    """The time zone of a user; UTC without settings.

    Raises:
        DataverseFault: the sandbox does not know the zone that the settings name (501).
    """
    settings = environment.schema.by_logical_name.get("usersettings")
    if settings is None or "timezonecode" not in settings.by_name:
        return UTC
    with environment.store.reading() as connection:
        found = connection.execute(
            f"SELECT timezonecode FROM {sql_table('usersettings')} WHERE systemuserid = ?",  # noqa: S608
            (json_text(user_id),),
        ).fetchone()
    if found is None or found[0] is None:
        return UTC
    zone = BY_CODE.get(int(found[0]))
    if zone is None:
        message = f"The sandbox does not know the time zone {found[0]}."
        raise DataverseFault(501, "0x8006088a", message)
    return zone
