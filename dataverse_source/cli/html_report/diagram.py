"""Draws the relationships of the loaded tables as SVG.

The layout is Vega's force simulation, which always gives the same picture for the same tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import vl_convert

from dataverse_source.cli.html_report.facts import Link

MOST_TABLES = 30
"""Boxes in a picture; those with the fewest relationships are left out of a larger one."""

LETTER = 7.2
"""Average width of a letter, in pixels of a font of 13."""

_BOX_HEIGHT = 26


def drawn_tables(links: Iterable[Link]) -> list[str]:
    """The tables of a picture: those with the most relationships, by name."""
    counts: dict[str, int] = {}
    for link in links:
        for name in {link.table, link.referenced_table}:
            counts[name] = counts.get(name, 0) + 1
    most = sorted(counts, key=lambda name: (-counts[name], name))[:MOST_TABLES]
    return sorted(most)


def draw(tables: Sequence[str], links: Sequence[Link]) -> str:
    """The picture: an arrow leads from the table with the lookup to the one that it points at.

    Several lookups between two tables are one arrow; a table that points at itself has none.
    """
    ends = {(one.table, one.referenced_table) for one in links}
    pairs = [
        {"source": source, "target": target}
        for source, target in sorted(ends)
        if source != target and source in tables and target in tables
    ]
    boxes = [{"name": name, "width": len(name) * LETTER + 20} for name in tables]
    return str(vl_convert.vega_to_svg(_spec(boxes, pairs), allowed_base_urls=[]))


def _spec(boxes: Sequence[dict[str, Any]], pairs: Sequence[dict[str, str]]) -> dict[str, Any]:
    height = 120 + 26 * len(boxes)
    return {
        "$schema": "https://vega.github.io/schema/vega/v6.json",
        "width": 720,
        "height": min(height, 900),
        "padding": 4,
        "data": [{"name": "tables", "values": boxes}, {"name": "links", "values": pairs}],
        "marks": [_nodes(), _lines(), _heads(), _boxes(), _names()],
    }


def _nodes() -> dict[str, Any]:
    """Invisible marks that the simulation moves."""
    forces = [
        {"force": "center", "x": {"signal": "width / 2"}, "y": {"signal": "height / 2"}},
        {"force": "collide", "radius": {"expr": "datum.datum.width / 2 + 8"}, "iterations": 8},
        {"force": "nbody", "strength": -700},
        {"force": "x", "x": "middle_x", "strength": 0.05},
        {"force": "y", "y": "middle_y", "strength": 0.07},
        {"force": "link", "links": "links", "id": "datum.name", "distance": 130},
    ]
    hidden = {
        "opacity": {"value": 0},
        "middle_x": {"signal": "width / 2"},
        "middle_y": {"signal": "height / 2"},
    }
    return {
        "name": "nodes",
        "type": "symbol",
        "from": {"data": "tables"},
        "encode": {"enter": hidden},
        "transform": [
            {"type": "force", "static": True, "iterations": 400, "signal": "laid", "forces": forces}
        ],
    }


def _lines() -> dict[str, Any]:
    ends = {"x": "source.x", "y": "source.y", "x2": "target.x", "y2": "target.y"}
    place: dict[str, Any] = {
        name: {"signal": f"laid ? datum.{end} : 0"} for name, end in ends.items()
    }
    place["stroke"] = {"value": "var(--muted)"}
    return {"type": "rule", "from": {"data": "links"}, "encode": {"update": place}}


def _heads() -> dict[str, Any]:
    """The heads of the arrows, on the line's way: its ends are behind the boxes."""
    way = "laid ? datum.source.{0} + 0.55 * (datum.target.{0} - datum.source.{0}) : 0"
    down = "datum.target.y - datum.source.y"
    right = "datum.target.x - datum.source.x"
    return {
        "type": "symbol",
        "from": {"data": "links"},
        "encode": {
            "update": {
                "shape": {"value": "triangle"},
                "size": {"value": 70},
                "fill": {"value": "var(--muted)"},
                "x": {"signal": way.format("x")},
                "y": {"signal": way.format("y")},
                "angle": {"signal": f"90 + 180 / PI * atan2({down}, {right})"},
            }
        },
    }


def _boxes() -> dict[str, Any]:
    place = {
        "x": {"signal": "datum.x - datum.datum.width / 2"},
        "y": {"signal": f"datum.y - {_BOX_HEIGHT / 2}"},
        "width": {"field": "datum.width"},
        "height": {"value": _BOX_HEIGHT},
        "cornerRadius": {"value": 6},
        "fill": {"value": "var(--card)"},
        "stroke": {"value": "var(--blue)"},
    }
    return {"type": "rect", "from": {"data": "nodes"}, "encode": {"update": place}}


def _names() -> dict[str, Any]:
    place = {
        "x": {"field": "x"},
        "y": {"field": "y"},
        "text": {"field": "datum.name"},
        "align": {"value": "center"},
        "baseline": {"value": "middle"},
        "fontSize": {"value": 13},
        "fill": {"value": "var(--ink)"},
    }
    return {"type": "text", "from": {"data": "nodes"}, "encode": {"update": place}}
