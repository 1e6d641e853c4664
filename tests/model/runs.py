"""Runs real pipelines in real processes, which end where they are told to: by SIGKILL.

``python -m tests.model.runs`` reads one JSON object a line, runs a pipeline in a child process
of its own, and answers with a line that tells how that ended. The child is forked, so that a run
does not pay for its imports.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dlt
import duckdb  # noqa: F401 - so that no child has to
from dlt.common.storages import LoadStorage, PackageStorage
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient
from dlt.extract.extract import Extract
from dlt.load.load import Load
from dlt.normalize.normalize import Normalize

from dataverse_source import dataverse, load
from dataverse_source.client.client import DataverseClient
from dataverse_source.loading import running_mark
from dataverse_source.sync.write.items import TableWriter

MOMENTS: tuple[tuple[Any, str], ...] = (
    (DataverseClient, "get"),
    (TableWriter, "_item"),
    (dlt.Pipeline, "extract"),
    (Extract, "extract"),
    (PackageStorage, "create_package"),
    (PackageStorage, "save_schema"),
    (PackageStorage, "save_load_package_state"),
    (LoadStorage, "commit_new_load_package"),
    (dlt.Pipeline, "normalize"),
    (Normalize, "run"),
    (dlt.Pipeline, "load"),
    (Load, "load_single_package"),
    (PackageStorage, "start_job"),
    (PackageStorage, "complete_job"),
    (DuckDbSqlClient, "execute_query"),
    (Load, "complete_package"),
    (PackageStorage, "complete_loading_package"),
)
"""A process may end before and after each call of these: in every step, and between them."""


DEADLINE_SECONDS = 600
"""A run that takes longer hangs, and is ended by SIGALRM; one takes a second or two."""


class Countdown:
    """Ends the process, without a word, when it has come to 0."""

    def __init__(self, steps: int | None) -> None:
        self.left = steps
        self.passed = 0

    def tick(self) -> None:
        """One moment more."""
        self.passed += 1
        if self.left is not None and self.passed > self.left:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function``, with a moment before it and one after."""

        @functools.wraps(function)
        def counted(*args: Any, **kwargs: Any) -> Any:
            self.tick()
            result = function(*args, **kwargs)
            self.tick()
            return result

        return counted


def run(asked: dict[str, Any]) -> int:
    """One run; returns how many moments it had."""
    os.environ.update(asked["environment"])
    countdown = Countdown(asked["kill_at"])
    # runs are killed, and never go on side by side: a mark that stands still is a dead one's
    running_mark.DEAD_SECONDS, running_mark.LOOK_SECONDS = 0.2, 0.1
    for owner, name in MOMENTS:
        setattr(owner, name, countdown.around(getattr(owner, name)))
    pipeline = dlt.pipeline(
        "killed",
        destination=dlt.destinations.duckdb(asked["database"]),
        dataset_name="dataverse",
        pipelines_dir=asked["pipelines"],
    )
    load(pipeline, dataverse(**asked["settings"]))
    return countdown.passed


def _in_child(asked: dict[str, Any], answer: Path) -> None:
    found: dict[str, Any]
    try:
        found = {"moments": run(asked)}
    except BaseException:
        found = {"failure": traceback.format_exc()}
    answer.write_text(json.dumps(found))


def main() -> None:
    """Answers until there is nothing more to read."""
    for line in sys.stdin:
        asked = json.loads(line)
        answer = Path(asked["answer"])
        answer.unlink(missing_ok=True)
        child = os.fork()
        if child == 0:
            signal.alarm(DEADLINE_SECONDS)
            _in_child(asked, answer)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        found = json.loads(answer.read_text()) if answer.exists() else {}
        if os.WIFSIGNALED(status):
            found["signal"] = os.WTERMSIG(status)
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
