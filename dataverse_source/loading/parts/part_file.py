"""A file of a part, as the finish finds it in the landing place."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dataverse_source.errors import ConfigurationError
from dataverse_source.loading.parts.landing import Landing
from dataverse_source.loading.parts.reading import LandedFile
from dataverse_source.sync.landed import PLAN_AGAIN
from dataverse_source.sync.write.row_files import file_schema

BYTES_AT_ONCE = 2**20


class PartFile:
    """The rows of a file, read row group by row group.

    Args:
        landing: the plan's folder.
        file: what the part's manifest says of it.
        schema: of the table's rows.

    Attributes:
        rows: how many.
        recent: they may also be in other parts, under the same key.
        schema: of the file.
    """

    def __init__(self, landing: Landing, file: LandedFile, schema: pa.Schema) -> None:
        self._landing, self._name, self._columns = landing, file.name, schema
        self.rows, self.recent, self.schema = file.rows, file.recent, file_schema(schema)

    def tables(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """The rows in the batches in which they were written.

        Args:
            columns: to read; None: those of the table.

        Raises:
            ConfigurationError: the file is missing, or not as it was written.
        """
        names = self._columns.names if columns is None else list(columns)
        try:
            with (
                self._landing.read(self._name) as stream,
                pq.ParquetFile(stream, pre_buffer=True) as file,
            ):
                if file.schema_arrow != self.schema:
                    raise ValueError("its columns are others than the table's")
                if file.metadata.num_rows != self.rows:
                    raise ValueError(f"it has {file.metadata.num_rows} rows instead of {self.rows}")
                for group in range(file.num_row_groups):
                    yield file.read_row_group(group, names)
        except (FileNotFoundError, ValueError, pa.ArrowException) as error:
            raise self._changed(error) from error

    @contextmanager
    def local(self) -> Iterator[str]:
        """The path of the file on this machine; of a copy, if it is elsewhere.

        Raises:
            ConfigurationError: the file is missing.
        """
        path = self._landing.local_path(self._name)
        if path is not None:
            yield path
            return
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / self._name
            try:
                with self._landing.read(self._name) as stream, copy.open("wb") as file:
                    shutil.copyfileobj(stream, file, BYTES_AT_ONCE)
            except FileNotFoundError as error:
                raise self._changed(error) from error
            yield str(copy)

    def _changed(self, error: Exception) -> ConfigurationError:
        return ConfigurationError(
            f"The file {self._name} in the landing place cannot be loaded",
            where=self._landing.url,
            why=str(error) or type(error).__name__,
            remedy=f"Something else has changed or removed it. {PLAN_AGAIN}",
        )
