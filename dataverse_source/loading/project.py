"""A project is a folder: it names the pipeline and holds its state and its DuckDB file.

dlt keeps the state of all pipelines of a user side by side, by name. Two projects with pipelines of
one name would continue each other's state, so a project keeps its own in ``.dlt/pipelines``, unless
``DLT_DATA_DIR`` or dlt's ``pipelines_dir`` is set.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import dlt

from dataverse_source.config.project_names import pipeline_name
from dataverse_source.config.setting_names import SECTION

MARKER = "names.json"
"""File beside the pipelines of a project: the name that a folder gave its pipeline at first. The
pipeline keeps it when the folder is renamed."""

STATE_FILE = "state.json"
"""File that every pipeline's working folder has."""


@dataclass(frozen=True)
class Project:
    """The folder that dlt reads settings from.

    Attributes:
        folder: its absolute path.
        local_folder: where files such as DuckDB's are made: the same, unless ``DLT_LOCAL_DIR`` is
            set.
        shared: working folders of the pipelines of all projects, where dlt is told to keep them
            there; None: the project has its own.
        earlier: working folders where versions before 0.2 kept them.
    """

    folder: Path
    local_folder: Path
    shared: Path | None
    earlier: Path

    @property
    def pipelines(self) -> Path:
        """The folder with the working folders of pipelines."""
        return self.shared or self._own

    @property
    def _own(self) -> Path:
        return self.folder / ".dlt" / "pipelines"

    def has(self, name: str) -> bool:
        """Whether a pipeline of this name has a working folder."""
        return (self.pipelines / name / STATE_FILE).is_file()

    def default_name(self, environment: str | None) -> str | None:
        """The setting ``pipeline``, else the name that was given at first; None if there is none.

        Args:
            environment: name of one of several environments, see docs/settings.md.
        """
        if environment is None:
            set_here = dlt.config.get(f"{SECTION}.pipeline", str)
        else:  # of all environments would be one state for several
            set_here = dlt.config.get(f"{SECTION}.{environment}.pipeline", str)
        return set_here or self._remembered().get(environment or "")

    def name_of_folder(self, environment: str | None, dataset: str) -> str:
        """A pipeline name made from the folder's."""
        return pipeline_name(self.folder.name, environment, dataset)

    def remember(self, environment: str | None, name: str) -> None:
        """Keeps the name for the time when the folder has another one."""
        if self.shared:
            return
        names = self._remembered()
        if names.get(environment or "") != name:
            names[environment or ""] = name
            self._own.mkdir(parents=True, exist_ok=True)
            (self._own / ".gitignore").write_text("*\n", encoding="utf-8")  # state, not settings
            (self._own / MARKER).write_text(json.dumps(names), encoding="utf-8")

    def _remembered(self) -> dict[str, str]:
        path = self._own / MARKER
        if self.shared or not path.is_file():
            return {}
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            return {}
        return dict(found) if isinstance(found, dict) else {}


def current_project() -> Project:
    """The project of dlt's run context: the working folder, or ``DLT_PROJECT_DIR``."""
    context = dlt.current.run_context()
    folder = Path(context.run_dir).absolute()
    local = Path(os.environ.get("DLT_LOCAL_DIR") or folder).absolute()
    of_dlt = Path(context.get_data_entity("pipelines")).absolute()
    configured = dlt.config.get("pipelines_dir", str) or dlt.config.get(
        "pipelines.pipelines_dir", str
    )
    shared = None
    if configured:
        shared = Path(configured).absolute()
    elif os.environ.get("DLT_DATA_DIR") or not _is_writable(folder):
        shared = of_dlt
    return Project(folder, local, shared, of_dlt)


def _is_writable(folder: Path) -> bool:
    """Whether state can be kept in the project; in containers it is often read-only."""
    own = folder / ".dlt" / "pipelines"
    while not own.exists():
        own = own.parent
    return own.is_dir() and os.access(own, os.W_OK)
