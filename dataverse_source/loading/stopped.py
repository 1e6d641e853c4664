"""Says what is kept of a run that a signal has stopped, and what would have kept more."""

from __future__ import annotations

import dlt
from dlt.common.exceptions import DltException

from dataverse_source.loading.recovery import will_be_loaded
from dataverse_source.loading.report import LoadReport
from dataverse_source.loading.run_context import RunContext


def stop_message(pipeline: dlt.Pipeline, run: RunContext, report: LoadReport) -> str:
    """A few lines for the terminal.

    Args:
        pipeline: that was stopped.
        run: what was read.
        report: what was loaded before.
    """
    loaded = {one.name: one.rows_read for one in report.tables if one.rows_read}
    lost = {
        name: rows - run.counts[logical].read if logical in run.counts else rows
        for name, logical in run.names.items()
        if (rows := run.rows_read.get(name, 0))
    }
    lost = {name: rows for name, rows in lost.items() if rows > 0}
    lines = [f"Stopped. Loaded and kept: {_in_words(loaded) or 'nothing'}."]
    if not lost:
        return lines[0]
    if _is_kept(pipeline):
        lines.append(f"Read and kept in {pipeline.working_dir}: {_in_words(lost)}.")
        return "\n".join([*lines, "The next run loads these rows first."])
    lines.append(f"Read but not loaded: {_in_words(lost)}. The next run reads them again.")
    lines.append(
        "With max_rows_per_load, such as 100000, a long first read is loaded and kept part by part."
    )
    return "\n".join(lines)


def _is_kept(pipeline: dlt.Pipeline) -> bool:
    try:
        return will_be_loaded(pipeline)
    except (DltException, OSError):  # the destination does not answer
        return False


def _in_words(rows: dict[str, int]) -> str:
    return ", ".join(f"{count:,} rows of {name}" for name, count in sorted(rows.items()))
