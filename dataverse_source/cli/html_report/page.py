"""Renders the report as one HTML file: no script, nothing from another place."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import jinja2
from markupsafe import Markup

from dataverse_source import __version__
from dataverse_source.cli.html_report import charts, diagram
from dataverse_source.cli.html_report.facts import Facts
from dataverse_source.loading.report import duration, number

TEMPLATE = "page.html.jinja"

GENERATOR = "dataverse-source report"
"""Stands in the head of each report, so that no other file is overwritten."""


def render(facts: Facts) -> str:
    """The file's text."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"duration": duration, "moment": _moment, "number": number}
    drawn = diagram.drawn_tables(facts.links)
    return environment.get_template(TEMPLATE).render(
        facts=facts,
        last=facts.runs[-1],
        generator=GENERATOR,
        version=__version__,
        left_out=len(facts.tables) - len(charts.tables_drawn(facts)),
        bars=charts.MOST_BARS,
        drawn=drawn,
        most_drawn=diagram.MOST_TABLES,
        charts={
            "changes": Markup(charts.draw_changes(facts)),  # noqa: S704  # Vega escapes texts
            "rows": Markup(charts.draw_rows(facts)),  # noqa: S704
            "durations": Markup(charts.draw_durations(facts)),  # noqa: S704
            "limits": Markup(charts.draw_limits(facts)),  # noqa: S704
            "freshness": Markup(charts.draw_freshness(facts)),  # noqa: S704
            "diagram": Markup(diagram.draw(drawn, facts.links) if drawn else ""),  # noqa: S704
        },
    )


def _moment(value: datetime | None) -> str:
    return "-" if value is None else f"{value:%Y-%m-%d %H:%M:%S}"
