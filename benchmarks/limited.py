"""A whole load while pages take their time and limits are enforced, against what they allow.

A page takes 1.5 s, three web servers are behind the host, and each enforces the documented limits.
Time runs five times as fast, all of it alike: the window, the execution time in it, the time that
a page takes, and after how long a page is taken to be slow. So as many pages fit into a window as
in reality. They hold 250 rows of some columns: what three servers give in this time with 5,000
rows of all columns is more than two processors decode. The bounds are those of
`benchmarks.limits`, computed from what the server was asked. A first load that follows changes
can't be quicker than its chain of keys either, page after page, which comes before the rows.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import requests

from benchmarks.compare import run_once
from benchmarks.contenders import this_package
from benchmarks.limits import Model
from benchmarks.pages import make_pages
from benchmarks.rows import NARROW
from benchmarks.serving import Server, page_server

MODEL = Model(scale=0.2)
ROWS_A_PAGE = 250
"""Below 500, so that a page of keys holds as many as one of rows, as in reality."""


def measure_limited(
    rows: Mapping[str, int], *, folder: Path | None = None, say: Callable[[str], None] = print
) -> list[dict[str, Any]]:
    """First loads under limits.

    Args:
        rows: how many, by the way to keep in step: ``cursor``, ``auto``.
        folder: where pages are kept; None for the usual place.
        say: shows progress.
    """
    made = make_pages(
        max(rows.values()), ("narrow", "keys", "versions", "dated"), folder=folder, say=say
    )
    results = []
    for sync, count in rows.items():
        found = _one(made, count, sync)
        results.append(found)
        say(
            f"limits  {sync:7} {found['seconds']:6.1f} s; lower bounds: {found['even']:.1f} s for "
            f"limits spent evenly ({found['binds']} binds), {found['burst']:.1f} s from an empty "
            f"window, {found['chain']:.1f} s for the longest chain: {found['ratio']:.2f}x; "
            f"{found['requests']} requests, {found['throttled']} answered 429, {found['twice']} "
            f"of them twice in a row; {found['processors']:.1f} processors busy"
        )
    return results


def _one(made: Path, rows: int, sync: str) -> dict[str, Any]:
    limits = asdict(MODEL.limits)
    settings = {"sync": sync, "page_size": ROWS_A_PAGE}
    settings["table_settings"] = {"accounts": {"select": list(NARROW)}}
    options = {"settings": settings, "limits": limits, "time_scale": MODEL.scale}
    ours = this_package(options)
    enforced = {**limits, "requests": int(limits["requests"]), "servers": MODEL.servers}
    page = MODEL.seconds * MODEL.scale
    with page_server(made, rows, limits=enforced, latency=page) as server:
        run = run_once(ours, server)
        log = asked_of(server)
    work = run.cpu_seconds + server.cpu_seconds
    asked = [entry for entry in log if "/api/" in entry["path"]]
    answered = [entry for entry in asked if entry["status"] == 200]
    refused = Counter((entry["path"], entry["query"]) for entry in asked if entry["status"] == 429)
    model = replace(MODEL, requests=len(answered))
    chain = page * (math.ceil(rows / ROWS_A_PAGE) if sync == "auto" else 1)
    return {
        "sync": sync,
        "rows": rows,
        "seconds": run.seconds,
        "even": model.even_bound,
        "binds": model.binds,
        "burst": model.burst_bound,
        "chain": chain,
        "ratio": run.seconds / max(model.even_bound, chain),
        "requests": len(asked),
        "throttled": sum(refused.values()),
        "twice": sum(times > 1 for times in refused.values()),
        "processors": work / run.process_seconds,
        "counters": run.more.get("counters"),
    }


def asked_of(server: Server) -> list[dict[str, Any]]:
    """What the server was asked."""
    connection = server.connection
    answer = requests.get(
        f"{connection['control_url']}/requests",
        headers={"Authorization": f"Bearer {connection['control_token']}"},
        timeout=60,
    )
    entries: list[dict[str, Any]] = answer.json()
    return entries
