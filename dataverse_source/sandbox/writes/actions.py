"""Unbound actions: ``POST /Merge``, and what uploads, downloads and deletes files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dataverse_source.sandbox.environment.access_rules import require_read, require_write
from dataverse_source.sandbox.environment.environment import Caller, Environment
from dataverse_source.sandbox.http.messages import DataverseFault, Request, Response
from dataverse_source.sandbox.query.collection.query import base_url
from dataverse_source.sandbox.query.syntax.odata import bad_query
from dataverse_source.sandbox.schema.tables import Table
from dataverse_source.sandbox.store.errors import NoSuchRow
from dataverse_source.sandbox.store.values import ValueRefused, parse_guid
from dataverse_source.sandbox.writes.file_uploads import (
    begin_upload,
    commit_upload,
    delete_file,
    upload_block,
)
from dataverse_source.sandbox.writes.files import begin_blocks, read_block
from dataverse_source.sandbox.writes.payloads import read_json
from dataverse_source.sandbox.writes.upkeep import merge

NAMESPACE = "Microsoft.Dynamics.CRM."
Body = dict[str, Any]
ROW_NOT_FOUND = "0x80040217"


def answer_action(
    environment: Environment, caller: Caller, request: Request, name: str
) -> Response:
    """Answers a call of an action; the body holds its parameters.

    Raises:
        DataverseFault: a parameter is missing or wrong, or the caller may not.
    """
    if request.method != "POST":
        raise DataverseFault(405, "0x80060888", "The action must be called with POST.")
    body = _ACTIONS[name](environment, caller, read_json(request.body))
    if body is None:
        return Response(204, b"", {"OData-Version": "4.0"})
    context = f"{base_url(request)}/$metadata#{NAMESPACE}{name}Response"
    return Response.of_json({"@odata.context": context, **body})


def target_row(
    environment: Environment, parameters: dict[str, Any], name: str
) -> tuple[Table, str]:
    """Table and key of the row that an entity parameter names.

    Raises:
        DataverseFault: the parameter is missing, or names no row.
    """
    value = parameters.get(name)
    if not isinstance(value, dict):
        raise bad_query(f"Required parameter '{name}' is missing.")
    kind = str(value.get("@odata.type", "")).removeprefix("#").removeprefix(NAMESPACE)
    table = environment.schema.by_logical_name.get(kind)
    if table is None:
        raise bad_query(f"The parameter '{name}' needs an @odata.type that names a table.")
    try:
        return table, parse_guid(str(value.get(table.primary_id)))
    except ValueRefused:
        raise bad_query(f"The parameter '{name}' needs a {table.primary_id}.") from None


def _merge(environment: Environment, caller: Caller, parameters: dict[str, Any]) -> None:
    """Source: docs page "Merge table rows using the Web API"."""
    table, kept = target_row(environment, parameters, "Target")
    other, merged = target_row(environment, parameters, "Subordinate")
    require_write(environment, caller, table, "Write")
    if other is not table:
        raise bad_query("Target and Subordinate must be rows of one table.")
    content = {
        name: value
        for name, value in (parameters.get("UpdateContent") or {}).items()
        if not name.startswith("@") and name != table.primary_id
    }
    try:
        merge(environment, table.logical_name, kept, merged, content)
    except NoSuchRow as error:
        raise DataverseFault(404, ROW_NOT_FOUND, str(error)) from None
    except (ValueError, ValueRefused) as error:
        raise bad_query(str(error)) from None


def _begin_download(environment: Environment, caller: Caller, parameters: dict[str, Any]) -> Body:
    table, key = target_row(environment, parameters, "Target")
    require_read(environment, caller, table)
    return begin_blocks(environment, caller, table, key, parameters.get("FileAttributeName"))


def _download_block(environment: Environment, caller: Caller, parameters: dict[str, Any]) -> Body:
    names = ("FileContinuationToken", "Offset", "BlockLength")
    token, offset, length = (parameters.get(name) for name in names)
    return {"Data": read_block(environment, caller, token, offset, length)}


def _begin_upload(environment: Environment, caller: Caller, parameters: dict[str, Any]) -> Body:
    table, key = target_row(environment, parameters, "Target")
    return begin_upload(environment, caller, table, key, parameters)


def _upload_block(environment: Environment, _caller: Caller, parameters: dict[str, Any]) -> None:
    upload_block(environment, parameters)


_ACTIONS: dict[str, Callable[[Environment, Caller, dict[str, Any]], Body | None]] = {
    "Merge": _merge,
    "InitializeFileBlocksDownload": _begin_download,
    "DownloadBlock": _download_block,
    "InitializeFileBlocksUpload": _begin_upload,
    "UploadBlock": _upload_block,
    "CommitFileBlocksUpload": commit_upload,
    "DeleteFile": delete_file,
}
NAMES = frozenset(_ACTIONS)
