"""``ExecuteCosmosSqlQuery``: queries of an elastic table in the language of Cosmos DB.

Sources: docs page "Query JSON columns in elastic tables" and the elastic tables' sample of
PowerApps-Samples. Columns are ``c.props.<column>``, the members of a JSON column stand below it.
A row lacks what has no value, and no comparison with that is true.
"""

from __future__ import annotations

import base64
import json
import operator
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataverse_source.sandbox.environment.environment import Caller, Environment
from dataverse_source.sandbox.environment.users import require_read
from dataverse_source.sandbox.http.messages import DataverseFault, Request, Response
from dataverse_source.sandbox.query.collection.function_calls import (
    NAMESPACE,
    read_arguments,
    required,
)
from dataverse_source.sandbox.query.collection.query import JSON, base_url
from dataverse_source.sandbox.query.filter.elastic import is_elastic
from dataverse_source.sandbox.query.syntax.odata import bad_query
from dataverse_source.sandbox.query.syntax.preferences import MAX_ELASTIC_PAGE_SIZE
from dataverse_source.sandbox.schema.tables import LOOKUP_TYPES, Table
from dataverse_source.sandbox.store.layout import quote, sql_table, wire
from dataverse_source.sandbox.store.values import json_text

if TYPE_CHECKING:
    from lark import Lark, Token, Tree

NAME = "ExecuteCosmosSqlQuery"
EXPANDO = f"#{NAMESPACE}expando"
PROPERTIES = "props"

Document = dict[str, Any]
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
NET_NUMBERS: dict[str, Callable[[str], Any]] = {
    "System.String": str,
    "System.Int32": int,
    "System.Int64": int,
    "System.Double": float,
    "System.Decimal": float,
    "System.Boolean": lambda text: text.lower() == "true",
}
"""How the values of ``QueryParameters`` are read, by their .NET type."""


class Undefined:
    """What a document does not have."""


UNDEFINED = Undefined()


def answer_cosmos_query(
    environment: Environment, caller: Caller, request: Request, inside: str
) -> Response:
    """A page of what a query finds.

    Raises:
        DataverseFault: an argument is missing or wrong (400), or the query asks for more than
            the docs show (501).
    """
    arguments = read_arguments(request, inside)
    table = _table(environment, str(required(arguments, "EntityLogicalName")))
    require_read(environment, caller, table)
    tree = _parse(str(required(arguments, "QueryText")))
    query = _Query(tree, table, _parameters(arguments.get("QueryParameters") or {}))
    documents = _documents(environment, table, arguments.get("PartitionId"))
    found = [query.shown(each) for each in documents if query.accepts(each)]
    start = _start(arguments.get("PagingCookie"))
    size = int(arguments.get("PageSize") or MAX_ELASTIC_PAGE_SIZE)
    if size < 1:
        raise bad_query("The parameter 'PageSize' must be greater than 0.")
    more = len(found) > start + size
    body = {
        "@odata.context": f"{base_url(request)}/$metadata#expando/$entity",
        "@odata.type": EXPANDO,
        "PagingCookie": paging_cookie(start + size) if more else "",
        "HasMore": more,
        "Result@odata.type": f"#Collection({NAMESPACE}expando)",
        "Result": [{"@odata.type": EXPANDO, **row} for row in found[start : start + size]],
    }
    text = json.dumps(body, ensure_ascii=False)
    return Response(200, text.encode(), {"Content-Type": JSON, "OData-Version": "4.0"})


def paging_cookie(start: int) -> str:
    """The cookie of the page that begins after so many rows; clients hand it back as it is."""
    return base64.b64encode(json.dumps([{"token": start}]).encode()).decode()


def _start(cookie: Any) -> int:
    if not cookie:
        return 0
    try:
        return int(json.loads(base64.b64decode(str(cookie), validate=True))[0]["token"])
    except (ValueError, LookupError, TypeError):
        raise bad_query("The parameter 'PagingCookie' is not valid.") from None


def _table(environment: Environment, logical_name: str) -> Table:
    table = environment.schema.by_logical_name.get(logical_name)
    if table is None or not is_elastic(table):
        raise bad_query(f"'{logical_name}' is no elastic table.")
    return table


def _parameters(given: Any) -> dict[str, Any]:
    """Values of the query's parameters by name with ``@``."""
    try:
        pairs = zip(given.get("Keys", ()), given.get("Values", ()), strict=True)
        return {name: NET_NUMBERS[each["Type"]](str(each["Value"])) for name, each in pairs}
    except (AttributeError, LookupError, TypeError, ValueError):
        raise bad_query("The parameter 'QueryParameters' is not valid.") from None


def _documents(environment: Environment, table: Table, partition_id: Any) -> list[Document]:
    """The rows of a table, or of one of its partitions, as documents of their columns."""
    columns = [c for c in table.by_wire_name.values() if c.type not in LOOKUP_TYPES]
    names = ", ".join(wire("d", column) for column in columns)
    where, values = "1", tuple[str, ...]()
    if partition_id is not None:
        where, values = "d.partitionid = ?", (json_text(str(partition_id)),)
    statement = (
        f"SELECT {names} FROM {sql_table(table.logical_name)} AS d "  # noqa: S608
        f"WHERE {where} ORDER BY d.{quote(f'{table.primary_id}$')}"
    )
    with environment.store.reading() as connection:
        rows = connection.execute(statement, values).fetchall()
    return [
        {
            column.name: _content(json.loads(str(cell)), is_json=column.format == "Json")
            for column, cell in zip(columns, row, strict=True)
            if cell is not None
        }
        for row in rows
    ]


def _content(value: Any, *, is_json: bool) -> Any:
    """A value; what a JSON column holds as text is parsed."""
    if not is_json:
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


@lru_cache(maxsize=1)
def _parser() -> Lark:
    from lark import Lark

    grammar = Path(__file__).with_name("cosmos_grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", lexer="contextual", maybe_placeholders=True)


def _parse(text: str) -> Tree[Token]:
    from lark.exceptions import UnexpectedInput

    try:
        return _parser().parse(text)
    except UnexpectedInput:
        raise _lacking(f"all of the language: {text}") from None


def _lacking(what: str) -> DataverseFault:
    return DataverseFault(501, "0x8006088a", f"The sandbox's Cosmos queries have not {what} yet.")


class _Query:
    """A parsed query on the documents of a table."""

    def __init__(self, tree: Tree[Token], table: Table, parameters: Mapping[str, Any]) -> None:
        *items, source, where = tree.children
        self._table = table
        self._source = str(source)
        self._parameters = parameters
        self._items = [self._item(each) for each in items]
        self._condition = None if where is None else _only(where)

    def accepts(self, document: Document) -> bool:
        """Whether a document satisfies the condition."""
        return self._condition is None or self._holds(self._condition, document)

    def shown(self, document: Document) -> Document:
        """What is returned of a document."""
        values = {name: _at(document, path) for name, path in self._items}
        return {name: value for name, value in values.items() if value is not UNDEFINED}

    def _item(self, item: Any) -> tuple[str, list[str]]:
        path, alias = item.children
        steps = self._path(path)
        return str(alias or steps[-1]), steps

    def _path(self, path: Any) -> list[str]:
        """The steps within a document.

        Raises:
            DataverseFault: it does not begin at the query's documents (400), leads to what is
                no column, or to a lookup (501).
        """
        source, *steps = (str(each) for each in path.children)
        if source != self._source:
            raise bad_query(f"The query's documents are called '{self._source}', not '{source}'.")
        if steps[0] != PROPERTIES or len(steps) < 2:
            raise _lacking(f"'{'.'.join((source, *steps))}', but columns below {source}.props")
        column = self._table.by_name.get(steps[1].lower())
        if column is not None and column.type in LOOKUP_TYPES:
            raise _lacking(f"lookups such as '{column.name}'")
        return [steps[1].lower(), *steps[2:]]

    def _holds(self, node: Any, document: Document) -> bool:
        if node.data == "any_of":
            return any(self._holds(each, document) for each in node.children)
        if node.data == "all_of":
            return all(self._holds(each, document) for each in node.children)
        path, comparison, constant = node.children
        left, right = _at(document, self._path(path)), self._constant(constant)
        if left is UNDEFINED or _kind(left) != _kind(right):
            return False
        return COMPARISONS[str(comparison)](left, right)

    def _constant(self, node: Any) -> Any:
        text = str(_only(node))
        if node.data == "parameter":
            if text not in self._parameters:
                raise bad_query(f"The query's parameter '{text}' has no value.")
            return self._parameters[text]
        if node.data == "text":
            return json.loads(f'"{text[1:-1]}"') if "\\" in text else text[1:-1]
        return json.loads(text.lower())


def _only(tree: Any) -> Any:
    """The only child of a tree."""
    return tree.children[0]


def _at(document: Any, path: list[str]) -> Any:
    """What a document has at the end of a path."""
    for step in path:
        if not isinstance(document, dict) or step not in document:
            return UNDEFINED
        document = document[step]
    return document


def _kind(value: Any) -> str:
    """The JSON type of a value: only values of one type are compared."""
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else type(value).__name__
