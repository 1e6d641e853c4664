"""Draws the charts of the report as SVG, by Vega-Lite.

Colours are CSS variables of the page, so that the same picture is right on a light and on a dark
ground. Nothing of the data is a field's name or an expression: Vega would interpret it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import vl_convert

from dataverse_source.cli.freshness_facts import STYLES
from dataverse_source.cli.html_report.facts import Facts, TableFacts
from dataverse_source.loading.history_queries import Row

WIDTH = 840
MOST_SMALL_CHARTS = 12
MOST_BARS = 30

CHANGES = {"inserted": "green", "updated": "blue", "deleted": "red"}
STATUSES = {"ok": "green", "partial": "yellow", "failed": "red", "interrupted": "grey"}

LIMITS = {
    "requests": "requests",
    "refused requests (429)": "throttled",
    "seconds waited": "seconds_waited",
}
"""Headings and columns of the history."""

LIMIT_COLOURS = dict(zip(LIMITS, ("grey", "red", "yellow"), strict=True))

_CONFIG: dict[str, Any] = {
    "background": "transparent",
    "font": "Arial, Helvetica, sans-serif",
    "padding": 12,
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--muted)",
        "labelFontSize": 12,
        "titleColor": "var(--muted)",
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "gridColor": "var(--line)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
    },
    "legend": {"labelColor": "var(--ink)", "labelFontSize": 12, "orient": "top"},
    "header": {"labelColor": "var(--ink)", "labelFontSize": 13, "labelAnchor": "start"},
}


def draw_changes(facts: Facts) -> str:
    """Rows inserted, updated and deleted by each run; a large first load hides no later one."""
    return _bars(facts.runs, {word: word for word in CHANGES}, CHANGES, scale="symlog")


def draw_rows(facts: Facts) -> str:
    """Rows of the largest tables over time, a small chart each."""
    largest = tables_drawn(facts)
    values = [
        {"table": one["table"], "at": one["started_at"].isoformat(), "rows": one["rows_now"]}
        for one in facts.table_runs
        if one["rows_now"] is not None and one["table"] in largest
    ]
    if not values:
        return ""
    encoding = {
        "x": {
            "field": "at",
            "type": "temporal",
            "scale": {"type": "utc"},
            "axis": {"title": None, "tickCount": 4, "labelOverlap": True},
        },
        "y": {"field": "rows", "type": "quantitative", "title": None, "axis": {"tickCount": 4}},
    }
    mark = {"type": "line", "interpolate": "step-after", "point": {"color": "var(--blue)"}}
    return _svg(
        {
            "facet": {"field": "table", "type": "nominal", "title": None, "sort": largest},
            "columns": 3,
            "spec": {
                "width": 225,
                "height": 80,
                "mark": {**mark, "color": "var(--blue)"},
                "encoding": encoding,
            },
            "resolve": {"scale": {"y": "independent"}, "axis": {"x": "independent"}},
        },
        values,
    )


def tables_drawn(facts: Facts) -> list[str]:
    """The tables that `draw_rows` draws, the largest first."""
    counted = [one for one in facts.tables if one.good and one.good["rows_now"] is not None]
    largest = sorted(counted, key=lambda one: (-_rows_now(one), one.name))
    return [one.name for one in largest[:MOST_SMALL_CHARTS]]


def _rows_now(table: TableFacts) -> int:
    return int(table.good["rows_now"]) if table.good else 0


def draw_durations(facts: Facts) -> str:
    """How long each run took, in the colour of its status."""
    values = [
        {"run": _moment(run), "seconds": run["seconds"], "status": run["status"]}
        for run in facts.runs
    ]
    encoding = {
        "x": _by_run(facts.runs),
        "y": {"field": "seconds", "type": "quantitative"},
        "color": _colour("status", STATUSES),
    }
    return _svg({"mark": "bar", "encoding": encoding}, values)


def draw_limits(facts: Facts) -> str:
    """Requests, refused requests and waits of each run."""
    return _bars(facts.runs, LIMITS, LIMIT_COLOURS)


def draw_freshness(facts: Facts) -> str:
    """The age of each table, the oldest first, with the limits as lines."""
    aged = [(one.age, one) for one in facts.tables if one.age is not None]
    oldest = sorted(aged, key=lambda one: (-one[0], one[1].name))[:MOST_BARS]
    if not oldest:
        return ""
    unit, seconds = _unit(oldest[0][0])
    values = [
        {"table": one.name, "age": age.total_seconds() / seconds, "status": one.status}
        for age, one in oldest
    ]
    farthest = oldest[0][0]
    limits = [
        {"limit": limit.total_seconds() / seconds, "status": status}
        for limit, status in ((facts.warn, "warn"), (facts.error, "error"))
        if limit < 2 * farthest
    ]
    bars = {
        "mark": "bar",
        "encoding": {
            "y": {
                "field": "table",
                "type": "nominal",
                "sort": None,
                "axis": {"title": None, "labelLimit": 300},
            },
            "x": {
                "field": "age",
                "type": "quantitative",
                "axis": {"title": f"{unit} since the last sync", "tickCount": 6},
            },
            "color": _colour("status", STYLES),
        },
    }
    lines = {
        "data": {"values": limits},
        "mark": {"type": "rule", "strokeDash": [4, 3], "strokeWidth": 2},
        "encoding": {
            "x": {"field": "limit", "type": "quantitative"},
            "color": _colour("status", STYLES),
        },
    }
    height = {"height": {"step": 20}}
    return _svg({"layer": [bars, lines] if limits else [bars], **height}, values)


def _bars(
    runs: Sequence[Row], columns: dict[str, str], colours: dict[str, str], scale: str = "linear"
) -> str:
    """A row of bars for each column of the runs, one below the other.

    Args:
        runs: the oldest first.
        columns: column by heading.
        colours: colour by heading.
        scale: ``linear``, or ``symlog`` for numbers of very different size.
    """
    values = [
        {"run": _moment(run), **{head: run[column] or 0 for head, column in columns.items()}}
        for run in runs
    ]
    rows = []
    for head in columns:
        axis: dict[str, Any] = {"titleAngle": 0, "titleAlign": "left", "titleAnchor": "end"}
        axis |= {"titleX": 4, "titleY": -10, "tickCount": 3}
        if scale == "symlog":
            axis["values"] = [0, *_powers_of_ten(max(run[columns[head]] or 0 for run in runs))]
        height = {"field": head, "type": "quantitative", "scale": {"type": scale}, "axis": axis}
        rows.append(
            {
                "width": WIDTH,
                "height": 60,
                "mark": {"type": "bar", "color": f"var(--{colours[head]})"},
                "encoding": {"x": _by_run(runs, labels=head == [*columns][-1]), "y": height},
            }
        )
    return _svg({"vconcat": rows}, values)


def _powers_of_ten(most: float) -> list[int]:
    """From 1 on, at most three, the last one not far below ``most``."""
    found = [10**power for power in range(13) if 10**power <= max(most, 1)]
    return found[:: -(len(found) // 4 + 1)]


def _unit(age: timedelta) -> tuple[str, float]:
    """The unit that the oldest age is shown in, and its seconds."""
    if age > timedelta(days=4):
        return "days", 86_400
    return ("hours", 3600) if age > timedelta(hours=4) else ("minutes", 60)


def _moment(run: Row) -> str:
    started: datetime = run["started_at"]
    return f"{started:%Y-%m-%d %H:%M:%S}"


def _by_run(runs: Sequence[Row], *, labels: bool = True) -> dict[str, Any]:
    """The axis with a place for each run, whatever the time between them."""
    days = len({f"{one['started_at']:%Y-%m-%d}" for one in runs})
    shown = "slice(datum.label, 5, 16)" if days > 1 else "slice(datum.label, 11)"
    axis: dict[str, Any] = {"title": None, "labels": labels, "ticks": labels}
    if labels:
        axis |= {"labelExpr": shown, "labelAngle": -40, "labelOverlap": "greedy"}
    return {"field": "run", "type": "ordinal", "sort": None, "axis": axis}


def _colour(field: str, colours: dict[str, str]) -> dict[str, Any]:
    shades = [f"var(--{name})" for name in colours.values()]
    scale = {"domain": list(colours), "range": shades}
    return {"field": field, "type": "nominal", "title": None, "scale": scale}


def _svg(spec: dict[str, Any], values: Sequence[dict[str, Any]]) -> str:
    single = "mark" in spec or "layer" in spec
    size = {"width": WIDTH, **({"height": 170} if "mark" in spec else {})} if single else {}
    whole = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "config": _CONFIG,
        "data": {"values": list(values)},
        **size,
        **spec,
    }
    return str(vl_convert.vegalite_to_svg(whole, allowed_base_urls=[]))
