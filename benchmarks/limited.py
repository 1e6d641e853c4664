"""A whole load while pages take their time and limits are enforced, against what they allow.

Servers S; limits a window W: requests N, execution time E, requests at once C. Spent evenly,
R requests with X seconds of execution take at least

    max(R / N * W / S, X / E * W / S, X / (C * S))

and a first load can't be quicker than its longest chain: the tracked chain of keys that comes
before the rows, page after page. Both bounds are printed. W and E are scaled alike, so that a
short load spends its limits as a long one does. Some columns are read, not all: what three
servers give in this time with all columns is more than two processors decode.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import requests

from benchmarks.compare import run_once
from benchmarks.contenders import contenders
from benchmarks.pages import PAGE_ROWS, make_pages
from benchmarks.rows import NARROW
from benchmarks.serving import Server, page_server
from dataverse_source.sandbox.latency import LatencySettings

SERVERS = 3
SCALE = 0.01
WINDOW, REQUESTS, EXECUTION, AT_ONCE = 300.0 * SCALE, 6000 * SCALE, 1200.0 * SCALE, 52
"""Docs page "Service protection API limits", with the window scaled."""


def measure_limited(
    rows: Mapping[str, int], *, folder: Path | None = None, say: Callable[[str], None] = print
) -> list[dict[str, Any]]:
    """First loads under limits.

    Args:
        rows: how many, by the way to keep in step: ``cursor``, ``auto``.
        folder: where pages are kept; None for the usual place.
        say: shows progress.
    """
    made = make_pages(max(rows.values()), ("narrow", "keys"), folder=folder, say=say)
    results = []
    for sync, count in rows.items():
        found = _one(made, count, sync)
        results.append(found)
        say(
            f"limits  {sync:7} {found['seconds']:6.1f} s; lower bound of the limits "
            f"{found['bound']:.1f} s ({found['seconds'] / found['bound']:.2f}x); longest chain "
            f"{found['chain']:.1f} s; {found['requests']} requests, {found['throttled']} "
            f"answered 429, {found['twice']} of them twice in a row"
        )
    return results


def _one(made: Path, rows: int, sync: str) -> dict[str, Any]:
    service = {"requests": int(REQUESTS), "execution_seconds": EXECUTION, "window_seconds": WINDOW}
    limits = {**service, "concurrent": AT_ONCE}
    settings = {"sync": sync, "table_settings": {"accounts": {"select": list(NARROW)}}}
    options = {"settings": settings, "limits": limits}
    (ours,) = (each for each in contenders() if each.name == "ours")
    ours = replace(ours, arguments=(json.dumps(options),))
    with page_server(made, rows, limits={**limits, "servers": SERVERS}, latency=1.0) as server:
        run = run_once(ours, server)
        log = _log(server)
    model = LatencySettings.guess()
    page = model.base_seconds + PAGE_ROWS * model.row_seconds
    answered = [entry for entry in log if entry["status"] == 200 and "/api/" in entry["path"]]
    spent = sum(float(entry["seconds"]) for entry in answered)
    refused = Counter((entry["path"], entry["query"]) for entry in log if entry["status"] == 429)
    tracked = -(-rows // PAGE_ROWS) if sync == "auto" else 1
    return {
        "sync": sync,
        "rows": rows,
        "seconds": run.seconds,
        "bound": max(
            len(answered) / REQUESTS * WINDOW / SERVERS,
            spent / EXECUTION * WINDOW / SERVERS,
            spent / (AT_ONCE * SERVERS),
        ),
        "chain": tracked * page,
        "requests": len(log),
        "execution_seconds": spent,
        "throttled": sum(refused.values()),
        "twice": sum(times > 1 for times in refused.values()),
        "counters": run.more.get("counters"),
    }


def _log(server: Server) -> list[dict[str, Any]]:
    """What the server was asked."""
    answer = requests.get(f"{server.connection['control_url']}/requests", timeout=60)
    entries: list[dict[str, Any]] = answer.json()
    return entries
