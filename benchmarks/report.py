"""The tables that the benchmarks print."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first are aligned to the right."""
    lines = [list(header), *map(list, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]

    def shown(line: Sequence[str]) -> str:
        cells = [line[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        return f"| {' | '.join(cells)} |"

    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([shown(lines[0]), shown(rule), *map(shown, lines[1:])])


COMPARED = ("floor", "ours", "ours_fast")
"""Contenders whose time a row the others' is compared with."""


def comparison(outcomes: Mapping[str, Mapping[str, Any]]) -> str:
    """All contenders, with the time a row compared with the floor's and with ours.

    Where a contender got fewer rows, its time a row is what is compared: said in its line by
    the number of rows.
    """
    rates = {name: each["rows_a_second"] for name, each in outcomes.items() if each["runs"]}
    header = ["", "rows", "median s", "min", "max", "rows/s", "CPU us a row", "peak MB"]
    header += ["x floor", "x ours", "x fast"]
    return table(header, (_cells(each, rates) for each in outcomes.values()))


def _cells(outcome: Mapping[str, Any], rates: Mapping[str, float]) -> list[str]:
    title = f"{outcome['title']} ({outcome['does']})"
    if not outcome["runs"]:
        return [title, f"{outcome['rows']:,}", "failed", *[""] * 8]
    return [
        title,
        f"{outcome['rows']:,}",
        f"{outcome['median']:.2f}",
        f"{outcome['least']:.2f}",
        f"{outcome['most']:.2f}",
        f"{outcome['rows_a_second']:,.0f}",
        f"{outcome['cpu_seconds'] / outcome['rows'] * 1e6:.0f}",
        f"{outcome['peak_bytes'] / 1e6:,.0f}",
        *(_times(rates.get(name), outcome["rows_a_second"]) for name in COMPARED),
    ]


def _times(rate: float | None, own: float) -> str:
    """How many times as long a row takes."""
    return "" if rate is None else f"{rate / own:.2f}"


def limits(results: Sequence[Mapping[str, Any]]) -> str:
    """Loads under limits, against their lower bounds."""
    header = ["sync", "rows", "s", "limits spent evenly", "from an empty window"]
    header += ["longest chain", "x bound", "requests", "answered 429", "twice in a row"]
    return table(
        header,
        (
            [
                each["sync"],
                f"{each['rows']:,}",
                f"{each['seconds']:.1f}",
                f"{each['even']:.1f}",
                f"{each['burst']:.1f}",
                f"{each['chain']:.1f}",
                f"{each['ratio']:.2f}",
                f"{each['requests']}",
                f"{each['throttled']}",
                f"{each['twice']}",
            ]
            for each in results
        ),
    )


def latency(results: Sequence[Mapping[str, Any]]) -> str:
    """Many tables whose pages take their time, against the lower bound."""
    header = ["", "sync", "tables", "s", "lower bound", "x bound"]
    header += ["requests", "answered 429", "twice in a row", "CPU s"]
    return table(
        header,
        (
            [
                each["what"],
                each["sync"],
                f"{each['tables']}",
                f"{each['seconds']:.1f}",
                f"{each['bound']:.1f}",
                f"{each['ratio']:.2f}",
                f"{each['requests']}",
                f"{each['throttled']}",
                f"{each['twice']}",
                f"{each['cpu_seconds']:.1f}",
            ]
            for each in results
        ),
    )


def memory(results: Sequence[Mapping[str, Any]]) -> str:
    """Peak memory by the number of rows."""
    rows = (
        [
            f"{r['rows']:,}",
            r.get("way", "small"),
            f"{r['peak_bytes'] / 1e6:,.0f}",
            f"{r['seconds']:.1f}",
        ]
        for r in results
    )
    return table(["rows", "settings", "peak MB", "s"], rows)


def imports(result: Mapping[str, Any]) -> str:
    """Import time, processor seconds."""
    cells = [f"{result['dlt']:.2f}", f"{result['ours']:.2f}", f"{result['ratio']:.2f}"]
    return table(["import dlt, s", "import this package, s", "ratio"], [cells])


def unchanged(result: Mapping[str, Any]) -> str:
    """A run without changes."""
    cells = [f"{result['tables']}", f"{result['requests']}", f"{result['seconds']:.1f}"]
    return table(["tables without changes", "requests", "s"], [cells])


def reconcile(result: Mapping[str, Any]) -> str:
    """A comparison with the destination, against the first load."""
    fields = ("seconds", "cpu_seconds", "request_seconds")
    rows = (
        [
            title,
            *(f"{result[name][field]:.2f}" for field in fields),
            f"{result[name]['requests']:.0f}",
        ]
        for title, name in (("first load", "first"), ("comparison", "comparison"))
    )
    ratios = [f"1/{result['ratios'][field]:.0f}" for field in (*fields, "requests")]
    header = [f"{result['rows']:,} rows", "s", "CPU s", "s of requests", "requests"]
    return table(header, [*rows, ["ratio", *ratios]])


PARTS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "compare": ("The same pages, all contenders", comparison),
    "large": ("A large table", comparison),
    "narrow": ("A large table of few columns", comparison),
    "limits": (
        "Under service protection limits: three servers, a page in 1.5 s, time x 0.2",
        limits,
    ),
    "latency": (
        "Many tables: three servers, a page in 1.5 s, time x 0.2",
        latency,
    ),
    "memory": ("Memory, with the defaults and with the settings for little memory", memory),
    "unchanged": ("Nothing has changed", unchanged),
    "reconcile": ("A comparison with the destination, and the first load", reconcile),
    "imports": ("Import", imports),
}


def document(results: Mapping[str, Any], caption: Callable[[Mapping[str, Any]], str]) -> str:
    """All results as one Markdown page."""
    lines = ["# Results", ""]
    for name, (title, shown) in PARTS.items():
        if name in results:
            found = results[name]
            lines += [f"## {title}", "", shown(found["measured"]), ""]
            lines += [f"{caption(found['machine'])}.", ""]
    return "\n".join(lines).rstrip() + "\n"
