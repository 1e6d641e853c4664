"""The 429 answer in all forms that a client may get."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from email.utils import format_datetime

from dataverse_source.sandbox.http.messages import DataverseFault, Response

REQUESTS_CODE = "0x80072322"
EXECUTION_TIME_CODE = "0x80072321"
CONCURRENCY_CODE = "0x80072326"
"""Codes of docs page "Service protection API limits"."""

HTML = (
    "<html><head><title>429 Too Many Requests</title></head>"
    "<body><center><h1>429 Too Many Requests</h1></center></body></html>"
)


def requests_message(limit: int, window: float) -> str:
    """Message of the requests limit, as on docs page "Service protection API limits"."""
    return (
        f"Number of requests exceeded the limit of {limit} over time window of {window:g} seconds."
    )


def execution_time_message(seconds: float, window: float) -> str:
    """Message of the execution time limit, with the two spaces that the docs page prints."""
    return (
        f"Combined execution time of incoming requests exceeded limit of {seconds * 1000:,.0f}  "
        f"milliseconds over time window of {window:g} seconds. Decrease number of concurrent "
        "requests or reduce the duration of requests and try again later."
    )


def concurrency_message(limit: int) -> str:
    """Message of the concurrency limit, as on docs page "Service protection API limits"."""
    return f"Number of concurrent requests exceeded the limit of {limit}."


def throttled(form: str, code: str, message: str, retry_after: float, now: datetime) -> Response:
    """A 429.

    Args:
        form: a value of the switch ``throttle_form``.
        code: error code, when the form has a JSON body.
        message: error message, likewise.
        retry_after: seconds to wait.
        now: the sandbox's time, for the form with an HTTP date.
    """
    if form == "html":
        answer = Response(429, HTML.encode(), {"Content-Type": "text/html"})
    else:
        answer = DataverseFault(429, code, message).response()
    whole = max(1, math.ceil(retry_after))
    if form == "json_decimal_seconds":
        answer.headers["Retry-After"] = f"{retry_after:.3f}"
    elif form == "json_http_date":
        moment = now + timedelta(seconds=whole)
        answer.headers["Retry-After"] = format_datetime(moment, usegmt=True)
    elif form != "json_no_header":
        answer.headers["Retry-After"] = str(whole)
    return answer
