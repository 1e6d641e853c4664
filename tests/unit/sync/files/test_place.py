"""A file is in its place as a whole, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dataverse_source.errors import ConfigurationError, PipelineError
from dataverse_source.sync.files.place import FilesPlace, opened, path_of
from dataverse_source.sync.files.spool import IN_MEMORY, Spool


@pytest.fixture(params=["local", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> FilesPlace:
    url = str(tmp_path / "place") if request.param == "local" else f"memory://{tmp_path.name}"
    return FilesPlace(url, "owner")


def spool_of(tmp_path: Path, content: bytes) -> Spool:
    spool = Spool(tmp_path / "spool", resumes=False)
    spool.write(content)
    return spool


@pytest.mark.parametrize("size", [0, 5, IN_MEMORY + 1])
def test_a_file_is_stored_once(place: FilesPlace, tmp_path: Path, size: int) -> None:
    path = path_of("accounts", "key", "column", "digest")
    assert not place.has(path, size)
    with spool_of(tmp_path, b"x" * size) as spool:
        place.put(path, spool)
        assert place.has(path, size)
        place.put(path, spool)
    place.remove_others("accounts", "key", "column", keep="digest")
    assert place.has(path, size)
    place.remove_others("accounts", "key", "column", keep=None)
    assert not place.has(path, size)
    place.remove_others("accounts", "key", "column", keep=None)


class _Broken(Spool):
    """Fails half way, as a full disk or a lost connection does."""

    def pieces(self) -> Any:
        yield b"half"
        raise OSError("no space left")


def test_half_a_file_is_never_seen(place: FilesPlace, tmp_path: Path) -> None:
    path = path_of("accounts", "key", "column", "digest")
    with _Broken(tmp_path / "spool", resumes=False) as spool:
        spool.write(b"x" * (IN_MEMORY + 1))
        with pytest.raises(PipelineError, match="place of the files"):
            place.put(path, spool)
    assert not place.has(path, 4)
    with spool_of(tmp_path, b"x" * (IN_MEMORY + 1)) as whole:
        place.put(path, whole)
    assert place.has(path, IN_MEMORY + 1)


@pytest.mark.parametrize(
    ("url", "package"), [("gs://crm/files", "gs"), ("abfss://c@a.dfs.core.windows.net/x", "az")]
)
def test_a_missing_package_is_named(url: str, package: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        opened(url, "place of the files", "files_url")
    assert f"dlt[{package}]" in str(refused.value)
