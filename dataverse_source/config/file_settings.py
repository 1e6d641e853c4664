"""Checks the settings of files: ``files`` and ``files_url``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from dataverse_source.config.problems import Problems
from dataverse_source.config.setting_names import SECTION
from dataverse_source.config.values import is_pattern
from dataverse_source.errors import ConfigurationError

_ENTRY = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)?")
_WITH_SECRET = re.compile(r"://[^/\s@:]+:[^/\s@]*@|[?#]")
"""A password in a URL, or options after it, such as the signature of an Azure address."""


def check_file_settings(found: Mapping[str, Any], problems: Problems) -> None:
    """Notes what is wrong with the settings of files.

    Args:
        found: settings by name.
        problems: takes what is wrong.
    """
    entries, url = found.get("files", ()), found.get("files_url")
    for entry in entries:
        if is_pattern(entry) or not _ENTRY.fullmatch(entry):
            problems.found.append(
                _wrong(
                    "files",
                    f"files has {entry!r}, which is neither a table nor a column of one",
                    "Write annotations, activitymimeattachments, or a table and its file column: "
                    "accounts.new_contract.",
                )
            )
    if entries and not url and not problems.about("files_url"):
        problems.found.append(
            _wrong(
                "files_url",
                "files needs files_url, the place in which files are stored",
                "Set it to a folder, or to the URL of a bucket: s3://crm/files.",
            )
        )
    if url and _WITH_SECRET.search(url):
        problems.found.append(
            _wrong(
                "files_url",
                "files_url has a password or a signature in it",
                "Put credentials into [destination.filesystem.credentials] of .dlt/secrets.toml, "
                "and give the plain address.",
            )
        )


def tables_of_files(entries: Sequence[str]) -> list[str]:
    """The tables that the setting ``files`` names."""
    return list(dict.fromkeys(entry.partition(".")[0] for entry in entries))


def _wrong(setting: str, what: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(what, where=f"[{SECTION}] {setting}", remedy=remedy, setting=setting)
