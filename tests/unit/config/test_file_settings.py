"""The settings of files are checked before any request, and show no secret."""

from __future__ import annotations

from typing import Any

import pytest

from dataverse_source.config.checks import make_settings
from dataverse_source.errors import ConfigurationError

NEEDED = {"environment_url": "https://contoso.crm4.dynamics.com"}
PLACE = "s3://crm/files"


def test_tables_of_files_are_loaded() -> None:
    entries = ["annotations", "accounts.new_contract", "accounts.entityimage"]
    found = make_settings(**NEEDED, tables=["contacts", "annotations"], files=entries,
                          files_url=PLACE)  # fmt: skip
    assert found.tables == ("contacts", "annotations", "accounts")
    assert make_settings(**NEEDED, files="annotations", files_url=PLACE).tables == ("annotations",)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"files": ["annotations"]}, "files needs files_url"),
        ({"files": ["new_*.x"], "files_url": PLACE}, "neither a table nor a column"),
        ({"files": ["a.b.c"], "files_url": PLACE}, "neither a table nor a column"),
        ({"files": ["../x"], "files_url": PLACE}, "neither a table nor a column"),
        ({"files": ["a"], "files_url": PLACE, "files_deletes": "perhaps"}, "files_deletes"),
        ({"files": ["a"], "files_url": "sftp://me:hunter22@host/x"}, "password or a signature"),
        ({"files": ["a"], "files_url": "abfss://c@a/x?sig=hunter22"}, "password or a signature"),
    ],
)
def test_what_cannot_be_used_is_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as refused:
        make_settings(**NEEDED, **given)
    assert "hunter22" not in str(refused.value)
