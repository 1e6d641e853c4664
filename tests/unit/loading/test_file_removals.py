"""Bytes are removed when a run has loaded its packages, and only those that no row names then."""

from __future__ import annotations

from pathlib import Path

from dataverse_source.loading.file_loading import remove_files
from dataverse_source.loading.run_context import FileWork, RunContext
from dataverse_source.sync.files.place import FilesPlace, path_of
from dataverse_source.sync.files.spool import Spool

PLACES = [("annotations", key, "documentbody") for key in ("a", "b", "c")]


def test_what_a_later_package_has_stored_again_stays(tmp_path: Path) -> None:
    place = FilesPlace(str(tmp_path / "place"), "owner")
    for table, key, column in PLACES:
        for digest in ("old", "new"):
            with Spool(tmp_path / "spool", resumes=False) as spool:
                spool.write(digest.encode())
                place.put(path_of(table, key, column, digest), spool)
    again, gone, gone_later = PLACES
    first = FileWork(place, digests={again: None, gone: None}, replaced={again, gone})
    second = FileWork(place, digests={again: "new", gone_later: None}, replaced={gone_later})
    context = RunContext(files_done={"annotation": [first, second]})
    remove_files(context)
    assert place.listed("annotations") == {path_of(*again, "new")}
    remove_files(context)  # nothing is left to do
    assert place.listed("annotations") == {path_of(*again, "new")}
