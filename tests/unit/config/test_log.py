"""Every line goes to dlt's logger: its level, its format, its stream."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from dlt.common import logger as dlt_log

from dataverse_source.config.log import logger


def test_lines_follow_the_logger_that_dlt_has_at_the_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("first-workspace", "second-workspace"):
        monkeypatch.setattr(dlt_log, "LOGGER", logging.getLogger(name))
        logger.warning("%d rows", 3)
    assert [(one.name, one.getMessage(), one.funcName) for one in caplog.records] == [
        (
            f"{name}.dataverse_source",
            "3 rows",
            "test_lines_follow_the_logger_that_dlt_has_at_the_time",
        )
        for name in ("first-workspace", "second-workspace")
    ]


def test_lines_before_dlt_has_a_logger_are_not_lost(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(dlt_log, "LOGGER", None)
    logger.error("no such table")
    assert [one.getMessage() for one in caplog.records] == ["no such table"]


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_every_level_is_that_of_its_name(
    level: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(dlt_log, "LOGGER", logging.getLogger("test-of-levels"))
    write: Any = getattr(logger, level)
    with caplog.at_level(logging.DEBUG):
        write("once")
    assert [one.levelname for one in caplog.records] == [level.upper()]


def test_handlers_are_those_that_get_the_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    parent = logging.getLogger("test-of-handlers")
    handler = logging.NullHandler()
    parent.addHandler(handler)
    monkeypatch.setattr(parent, "propagate", False)
    monkeypatch.setattr(dlt_log, "LOGGER", parent)
    assert logger.handlers == [handler]
