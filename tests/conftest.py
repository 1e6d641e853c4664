"""Fixtures for all tests: no settings and no data from outside, a sandbox, a pipeline."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import dlt
import pytest
from dlt.common.configuration.container import Container
from dlt.common.pipeline import PipelineContext
from hypothesis import HealthCheck, settings

from dataverse_source.config.log import NAME
from dataverse_source.credentials import DataverseCredentials
from dataverse_source.sandbox import Sandbox
from dataverse_source.sync.read import whole_table
from tests.conformance.summary import tell
from tests.support.settings import credentials_of

pytest_plugins = ["tests.support.command_line", "tests.support.loads", "tests.support.sample"]

# No test may fail because the machine is slow, nor write outside of its own folder. Seeds are
# fixed, so that a test run never fails by chance; `--hypothesis-profile random` takes new ones.
settings.register_profile(
    "fixed",
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("random", settings.get_profile("fixed"), derandomize=False)
settings.load_profile("fixed")

# A shell without job control has what it runs in the background ignore interrupts, and so would the
# processes do that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    """Two workers for each processor: tests wait for processes and answers half of the time."""
    given = os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS")
    return int(given) if given else 2 * (os.cpu_count() or 1)


@pytest.fixture(scope="session", autouse=True)
def nothing_from_outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """dlt reads no settings of this checkout or of the user, and writes under the test's folder."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith(("SOURCES__", "DESTINATION__", "DLT_", "CREDENTIALS__")):
                patch.delenv(name)
        patch.setenv("DLT_PROJECT_DIR", str(tmp_path_factory.mktemp("project")))
        patch.setenv("DLT_DATA_DIR", str(tmp_path_factory.mktemp("dlt")))
        patch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
        # On a slow machine a page of few rows must not be taken for a slow one.
        patch.setattr(whole_table, "SLOW_PAGE_SECONDS", 10.0)
        yield


@pytest.fixture(autouse=True)
def no_pipeline_is_left() -> Iterator[None]:
    """Deactivates the test's pipeline: a test without one would find its destination and folder."""
    yield
    context = Container()[PipelineContext]
    if context.is_active():
        context.deactivate()


@pytest.fixture
def caplog(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """pytest's own, which also gets the lines of this project: dlt's logger keeps them else."""
    ours = logging.getLogger("dlt").getChild(NAME)
    level, propagates = ours.level, ours.propagate
    ours.setLevel(logging.DEBUG)
    ours.propagate = False
    ours.addHandler(caplog.handler)
    yield caplog
    ours.removeHandler(caplog.handler)
    ours.propagate = propagates
    ours.setLevel(level)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A small sandbox that the test may change as it likes."""
    with Sandbox(rows={"account": 60, "contact": 40, "systemuser": 5}, seed=1) as running:
        yield running


@pytest.fixture
def credentials(sandbox: Sandbox) -> DataverseCredentials:
    """The app registration of `sandbox`."""
    return credentials_of(sandbox)


@pytest.fixture
def new_pipeline(tmp_path: Path) -> Callable[[], dlt.Pipeline]:
    """Makes the pipeline of the test anew, as the next start of a script does."""

    def make() -> dlt.Pipeline:
        return dlt.pipeline(
            "test",
            destination=dlt.destinations.duckdb(str(tmp_path / "test.duckdb")),
            dataset_name="dataverse",
            pipelines_dir=str(tmp_path / "pipelines"),
        )

    return make


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints how the exchanges of Microsoft's docs came out, when they were asked again."""
    tell(terminalreporter)
