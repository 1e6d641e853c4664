"""What calls of functions share: their arguments, and the answer's form."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from dataverse_source.sandbox.http.messages import Request, Response
from dataverse_source.sandbox.query.collection.query import JSON, base_url
from dataverse_source.sandbox.query.syntax.odata import Array, Literal, bad_query, parse_operand
from dataverse_source.sandbox.query.syntax.options import read_options, split_top

NAMESPACE = "Microsoft.Dynamics.CRM."
_MEMBER = re.compile(r"[A-Za-z.]+'(\w+)'")
"""A member of an enumeration: ``Microsoft.Dynamics.CRM.EndpointAccessType'Default'``."""


def read_arguments(request: Request, inside: str) -> dict[str, Any]:
    """Values of a call's arguments by name; null for one that is not given a value.

    They stand between the parentheses, or in parameter aliases (docs page "Use Web API
    functions"). Objects are JSON, whose quotes may be single.

    Args:
        request: has the aliases in its query string.
        inside: the text between the parentheses.

    Raises:
        DataverseFault: a value does not parse.
    """
    aliases = read_options(request.query).aliases
    values: dict[str, Any] = {}
    for part in filter(None, split_top(inside, ",")):
        name, _, given = (text.strip() for text in part.partition("="))
        text = aliases.get(given, "null") if given.startswith("@") else given
        values[name] = _value(name, text.strip(), aliases)
    return values


def _value(name: str, text: str, aliases: Mapping[str, str]) -> Any:
    if text.startswith("{"):
        try:
            return json.loads(text if '"' in text else text.replace("'", '"'))
        except ValueError:
            raise _not_valid(name) from None
    member = _MEMBER.fullmatch(text)
    if member is not None:
        return member[1]
    node = parse_operand(text, aliases)
    if isinstance(node, Array):
        return list(node.values)
    if not isinstance(node, Literal):
        raise _not_valid(name)
    return node.value


def _not_valid(name: str) -> Exception:
    return bad_query(f"The value of the parameter '{name}' is not valid.")


def required(arguments: Mapping[str, Any], name: str) -> Any:
    """The value of a parameter that must be given.

    Raises:
        DataverseFault: it is not.
    """
    value = arguments.get(name)
    if value is None:
        raise bad_query(f"Required parameter '{name}' is missing.")
    return value


def function_response(request: Request, name: str, body: Mapping[str, Any]) -> Response:
    """The answer to a call: an object of the complex type ``<name>Response``."""
    context = f"{base_url(request)}/$metadata#{NAMESPACE}{name}Response"
    text = json.dumps({"@odata.context": context, **body}, ensure_ascii=False)
    return Response(200, text.encode(), {"Content-Type": JSON, "OData-Version": "4.0"})
