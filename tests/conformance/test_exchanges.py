"""Asks every exchange that the docs print again, and compares the answers with the printed ones.

Each ends in one of these ways, which the table at the end of a run lists, with what was checked:
same: the answer is the printed one, in all that is printed of it;
answered: no answer is printed; the sandbox does not refuse the request, and its answer does not
contradict it (``answered`` says how that is checked), which proves far less; where ``described``
names the rows that the request takes, those are what it answers;
not done: the sandbox lacks it and answers 501;
differs: it is not the printed one, at the places and for the reason that ``cases`` states;
not applicable: it can't be asked, for the reason that ``cases`` states.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest

from dataverse_source.sandbox.http.messages import Response
from tests.conformance import described
from tests.conformance import setting_up as up
from tests.conformance.answered import checked
from tests.conformance.cases import CASES, Case
from tests.conformance.comparing import HEADERS, differences, header_differences, short
from tests.conformance.corner import Corner, corner
from tests.conformance.corpus import Exchange, exchanges, parsed
from tests.support.places import ROOT


def test_cases_are_of_exchanges() -> None:
    assert CASES.keys() <= exchanges().keys()


@pytest.mark.parametrize("number", sorted(exchanges()))
def test_exchange(number: int, record_property: Callable[[str, object], None]) -> None:
    case, exchange = CASES.get(number, Case()), exchanges()[number]
    outcome = ["failed", "", ""]
    try:
        if case.not_applicable:
            outcome = ["not applicable", "", case.not_applicable]
        else:
            with corner() as made:
                outcome = _outcome(made, case, _replaced(case, exchange))
    finally:
        record_property("exchange", [number, exchange.page, *outcome])


def _outcome(made: Corner, case: Case, exchange: Exchange) -> list[str]:
    """Asks it again; fails when the answer is not what is expected.

    Returns:
        The outcome, what was checked, and why it is no other.
    """
    made.environment.switches = made.environment.switches.changed(**case.switches)
    if case.prepare is up.metadata_ids:
        exchange = _with_own_ids(made, exchange, case.attribute)
    if exchange.number in described.NAMES:
        described.rows(made)
    up.asked_row(made, exchange)
    up.printed_rows(made, exchange)
    if case.prepare is not None:
        case.prepare(made, exchange)
    headers = {**exchange.headers, **case.headers}
    content = exchange.content
    if case.body is not None:
        content = json.dumps({**json.loads(content), **case.body(made)})
    answer = made.ask(exchange.method or "GET", case.path or exchange.path, headers, content)
    if case.lacking:
        assert answer.status == 501, "It is answered: take it out of the list."
        return ["not done", "status", case.lacking]
    if not exchange.has_answer and not case.reason:
        assert answer.status < 400, answer.body.decode()
        names = described.wanted(made, exchange.number)
        return ["answered", ", ".join(checked(exchange, answer, names)), ""]
    found = list(_differences(case, exchange, answer))
    unexpected = [each for each in found if not case.allows(each)]
    assert not unexpected, "\n".join(unexpected)
    if case.reason:
        assert found, "It is the same as printed: take the reason out of the list."
        return ["differs", _compared(case, exchange), case.reason]
    return ["same", _compared(case, exchange), ""]


def test_docs_tell_the_numbers() -> None:
    """docs/sandbox.md says how many exchanges end how; a run in which all pass ends like this."""
    ends = Counter(_end(CASES.get(number, Case()), each) for number, each in exchanges().items())
    page = (ROOT / "docs/sandbox.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| (\w[^|]*) \| (\d+) \|", page, flags=re.MULTILINE))
    wanted = {name: str(count) for name, count in ends.items()}
    assert {name: told.get(name) for name in wanted} == wanted
    assert re.search(r"Of (\d+) exchanges", page)[1] == str(len(exchanges()))  # type: ignore[index]


def _end(case: Case, exchange: Exchange) -> str:
    """How an exchange ends when its test passes, in the words of the docs."""
    if case.not_applicable:
        return "not applicable"
    if case.lacking:
        return "not done"
    if case.reason:
        return "differs"
    if exchange.has_answer:
        return "same"
    return "answered, rows compared" if exchange.number in described.ALL_NUMBERS else "answered"


def _compared(case: Case, exchange: Exchange) -> str:
    """What of an answer is printed, and so was compared."""
    found = ["status"] if exchange.status is not None else []
    if any(name in exchange.answer_headers for name in HEADERS):
        found.append("headers")
    if exchange.text.strip() and not case.bytes_removed:
        found.append("body in part" if case.cut else "body")
    return ", ".join(found)


def _differences(case: Case, exchange: Exchange, answer: Response) -> Iterator[str]:
    if not exchange.has_answer and answer.status >= 400:
        yield f"status: answered {answer.status} {short(answer.body)}"
    if exchange.status is not None and exchange.status != answer.status:
        yield f"status: printed {exchange.status}, answered {answer.status} {short(answer.body)}"
        return
    yield from header_differences(exchange.answer_headers, answer.headers)
    if case.bytes_removed:
        return
    printed, text = exchange.body, answer.body.decode("utf-8-sig")
    if exchange.text.strip().startswith("--"):
        yield from differences(up.inner_body(exchange.text), up.inner_body(text))
        return
    if exchange.text.strip() and printed is None:
        raise AssertionError(f"The printed body can't be read: {short(exchange.text)}")
    if printed is None:
        return
    answered = json.loads(text, parse_float=Decimal)
    if case.cut:
        _cut(printed, answered)
    yield from differences(printed, answered)


def _cut(printed: dict[str, Any], answered: dict[str, Any]) -> None:
    """Shortens the lists of an answer to what print shows of them."""
    for name in {"value", "Result", "Options"} & printed.keys():
        answered[name] = answered[name][: len(printed[name])]
    if isinstance(printed.get("OptionSet"), dict):
        _cut(printed["OptionSet"], answered["OptionSet"])


def _replaced(case: Case, exchange: Exchange) -> Exchange:
    """The exchange with something else for placeholders and slips of the pen."""
    if not case.replaced:
        return exchange
    path, text, content = exchange.path, exchange.text, exchange.content
    for printed, meant in case.replaced.items():
        path = path.replace(printed, meant).replace(quote(printed), meant)
        text, content = text.replace(printed, meant), content.replace(printed, meant)
    return replace(exchange, path=path, text=text, content=content, body=parsed(text))


def _with_own_ids(made: Corner, exchange: Exchange, attribute: str) -> Exchange:
    """The exchange with the sandbox's metadata ids for those of the printed organization."""
    table = "EntityDefinitions(LogicalName='account')"
    paths = (table, f"{table}/Attributes(LogicalName='{attribute}')")
    own = [
        json.loads(made.ask("GET", f"/api/data/v9.2/{path}?$select=MetadataId", {}).body)
        for path in paths
    ]
    kinds = {"EntityDefinitions": own[0], "Attributes": own[1]}
    printed = re.findall(r"(\w+)\(([0-9a-f-]{36})\)", exchange.path)
    replaced = {key: kinds[kind]["MetadataId"] for kind, key in printed}
    return _replaced(Case(replaced=replaced), exchange)
