"""`max_deletes` stops a run that would remove more rows of a table than it allows."""

from __future__ import annotations

import pytest

from dataverse_source import DataError
from dataverse_source.sandbox import Sandbox
from tests.support.comparing import assert_equal, destination_rows
from tests.support.loads import NewPipeline, Run
from tests.support.requests_sent import keys

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("sync", ["changes", "cursor", "full"])
def test_more_deletes_than_allowed(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, sync: str
) -> None:
    settings = {"sync": sync, "sweep_interval": 0}
    run(**settings)
    for key in keys(sandbox)[:7]:
        sandbox.store.delete("account", key)
    with pytest.raises(DataError, match=r"7 of 60 rows .* more than max_deletes = 0\.1 allows"):
        run(max_deletes=0.1, **settings)
    assert len(destination_rows(new_pipeline(), "accounts", "accountid")) == 60
    run(max_deletes=0.2, **settings)
    assert len(assert_equal(new_pipeline(), sandbox, "accounts")) == 53
