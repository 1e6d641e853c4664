"""Applies a fault to an answer: replaces it, changes its content, or breaks it on the wire."""

from __future__ import annotations

import json
import re
import zlib

from dataverse_source.sandbox.api import throttling
from dataverse_source.sandbox.api.faults import Fault
from dataverse_source.sandbox.environment.environment import Environment
from dataverse_source.sandbox.http.compression import gzip
from dataverse_source.sandbox.http.messages import DataverseFault, Request, Response
from dataverse_source.sandbox.http.wire import Answer

_GATEWAY_NAMES = {502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Time-out"}
_ALTERING = (
    "wrong_content_type",
    "no_value",
    "foreign_next_link",
    "repeated_next_link",
    "no_next_link",
    "more_without_link",
)
_MORE_RECORDS = b',"@Microsoft.Dynamics.CRM.morerecords":true}'
_NEXT_LINK = re.compile(rb'"@odata\.nextLink"\s*:\s*"((?:[^"\\]|\\.)*)"')
_LINK_MEMBER = re.compile(rb',\s*"@odata\.nextLink"\s*:\s*"(?:[^"\\]|\\.)*"')
_LINK_HOST = re.compile(rb'("@odata\.(?:nextLink|deltaLink)"\s*:\s*")https?://[^/"]+')


def replacement(fault: Fault, request: Request, environment: Environment) -> Response | None:
    """The answer that a fault gives in place of the real one; None when it replaces nothing."""
    if fault.kind.startswith("html_"):
        return _gateway_page(int(fault.kind[-3:]), fault.retry_after)
    if fault.kind == "throttled":
        return throttling.throttled(
            fault.form or environment.switches.throttle_form,
            throttling.REQUESTS_CODE,
            throttling.requests_message(6000, 300),
            1.0 if fault.retry_after is None else fault.retry_after,
            environment.clock.now(),
        )
    if fault.kind == "json_500":
        return DataverseFault(500, "0x80040216", "An unexpected error occurred.").response()
    if fault.kind == "sql_timeout":
        message = "SQL timeout expired."
        return DataverseFault(500, "0x80044151", message).response()
    if fault.kind == "sign_in_page":
        page = "<!DOCTYPE html><html><head><title>Sign in to your account</title></head></html>"
        return Response(200, page.encode(), {"Content-Type": "text/html; charset=utf-8"})
    if fault.kind == "empty_body":
        return Response(200, b"", {"Content-Type": "application/json; odata.metadata=minimal"})
    if fault.kind == "redirect":
        return Response(302, b"", {"Location": fault.location + request.path})
    return None


def alter(fault: Fault, request: Request, response: Response) -> Response:
    """The real answer with its content changed; an answer that is not JSON stays unchanged."""
    is_json = response.headers.get("Content-Type", "").startswith("application/json")
    if response.status != 200 or fault.kind not in _ALTERING or not is_json:
        return response
    if response.headers.pop("Content-Encoding", None):
        response.body = zlib.decompress(response.body, 16 + zlib.MAX_WBITS)
    if fault.kind == "wrong_content_type":
        response.headers["Content-Type"] = "text/html; charset=utf-8"
    elif fault.kind == "no_value":
        document = json.loads(response.body)
        kept = {name: value for name, value in document.items() if name.startswith("@")}
        response.body = json.dumps(kept).encode()
    elif fault.kind == "foreign_next_link":
        response.body = _with_foreign_links(response.body, fault.location)
    elif fault.kind == "repeated_next_link":
        link = request.base_url + request.path + (f"?{request.query}" if request.query else "")
        response.body = _with_next_link(response.body, link)
    elif fault.kind in ("no_next_link", "more_without_link"):
        response.body = _LINK_MEMBER.sub(b"", response.body)
        if fault.kind == "more_without_link":
            response.body = response.body.rstrip()[:-1] + _MORE_RECORDS
    return response


def damage(fault: Fault, answer: Answer) -> Answer:
    """The answer with wrong bytes, a wrong length or a broken end."""
    cut = int(len(answer.body) * fault.at)
    if fault.kind == "reset":
        answer.send_bytes, answer.ending = cut, "reset"
    elif fault.kind in ("truncated", "truncated_gzip"):
        if fault.kind == "truncated_gzip":
            answer = _compressed(answer)
            cut = int(len(answer.body) * fault.at)
        if fault.right_length:
            answer.body = answer.body[:cut]
        else:
            answer.send_bytes, answer.ending = cut, "close"
    elif fault.kind == "stall_in_body":
        answer.send_bytes, answer.ending, answer.stall = cut, "close", fault.seconds
    return answer


def _gateway_page(status: int, retry_after: float | None) -> Response:
    name = _GATEWAY_NAMES[status]
    page = (
        f"<html><head><title>{status} {name}</title></head><body><center><h1>{status} {name}"
        "</h1></center><hr><center>Microsoft-Azure-Application-Gateway/v2</center></body></html>"
    )
    answer = Response(status, page.encode(), {"Content-Type": "text/html"})
    if retry_after is not None:
        answer.headers["Retry-After"] = f"{retry_after:g}"
    return answer


def _with_foreign_links(body: bytes, location: str) -> bytes:
    if not _LINK_HOST.search(body):
        return _with_next_link(body, f"{location}/api/data/v9.2/accounts?$skiptoken=x")
    return _LINK_HOST.sub(lambda found: found.group(1) + location.encode(), body)


def _with_next_link(body: bytes, link: str) -> bytes:
    member = b'"@odata.nextLink":' + json.dumps(link).encode()
    if _NEXT_LINK.search(body):
        return _NEXT_LINK.sub(lambda _: member, body)
    return body.rstrip()[:-1] + b"," + member + b"}"


def _compressed(answer: Answer) -> Answer:
    if not any(name == "Content-Encoding" for name, _ in answer.headers):
        answer.body = gzip(answer.body)
        answer.headers.append(("Content-Encoding", "gzip"))
    return answer
