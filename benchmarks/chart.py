"""Draws the comparison: rows a second of every contender, as SVG and PNG."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

OURS, OTHERS, FLOOR = "#0f6cbd", "#9aa5b1", "#d7dde3"
WIDTH, BAR = 9.0, 0.42
"""Inches: of the chart, and of the height of a bar."""


def draw(comparison: Mapping[str, Any], caption: str, folder: Path) -> None:
    """Writes ``comparison.svg`` and ``comparison.png``.

    Args:
        comparison: outcomes by name, as the results file has them.
        caption: where and when it was measured.
        folder: exists.
    """
    import matplotlib as mpl  # type: ignore[import-not-found,unused-ignore]

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "comparison"  # the same figures give the same file
    from matplotlib import pyplot as plt  # type: ignore[import-not-found,unused-ignore]

    measured = {name: each for name, each in comparison.items() if each.get("median")}
    shown = sorted(measured.items(), key=lambda item: item[1]["rows_a_second"])
    rates = [each["rows_a_second"] for _, each in shown]
    labels = [f"{each['title']}\n{each['does']}" for _, each in shown]
    colours = [
        {"ours": OURS, "ours_fast": OURS, "floor": FLOOR}.get(name, OTHERS) for name, _ in shown
    ]
    figure, axes = plt.subplots(figsize=(WIDTH, 1.2 + BAR * 1.4 * len(shown)))
    bars = axes.barh(labels, rates, color=colours, height=0.62)
    axes.bar_label(bars, [f" {rate:,.0f}" for rate in rates], fontsize=9)
    axes.set_xlim(0, max(rates) * 1.14)
    axes.set_xlabel("rows a second, all 163 columns of account", fontsize=9)
    axes.tick_params(axis="y", length=0, labelsize=8.5)
    axes.tick_params(axis="x", labelsize=8.5)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.spines[["top", "right", "left"]].set_visible(False)
    figure.text(0.99, 0.01, caption, ha="right", fontsize=7.5, color="#5c6670")
    figure.tight_layout(rect=(0, 0.02, 1, 1))
    figure.savefig(folder / "comparison.svg", metadata={"Date": None})
    figure.savefig(folder / "comparison.png", dpi=110)
    plt.close(figure)
