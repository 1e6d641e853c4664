"""Stores with few rows are filled once a process, then copied: tests start hundreds of them."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

from dataverse_source.sandbox.environment.base_rows import fill
from dataverse_source.sandbox.environment.clock import Clock
from dataverse_source.sandbox.environment.environment import Organization
from dataverse_source.sandbox.schema.tables import Schema
from dataverse_source.sandbox.store.database import Backup
from dataverse_source.sandbox.store.store import Store

FEW_ROWS = 10_000
MOST_KEPT = 8
"""Stores; each takes 2 MB and more."""

_lock = threading.Lock()
_kept: OrderedDict[object, Backup] = OrderedDict()


def filled_store(
    schema: Schema,
    clock: Clock,
    path: Path | None,
    organization: Organization,
    user_id: str,
    counts: Mapping[str, int],
    seed: int,
) -> Store:
    """A new store with the rows of an organization.

    Args:
        schema: its tables.
        clock: of the store.
        path: database file to create; None for a temporary one.
        organization: ids and names.
        user_id: systemuserid of the application user.
        counts: rows by logical name.
        seed: the same one gives the same rows.
    """
    what = id(schema), organization, user_id, tuple(counts.items()), seed
    with _lock:
        known = _kept.get(what)
        if known is not None and known.schema is schema:
            return Store(schema, clock, path=path, copy_of=known)
        store = Store(schema, clock, path=path)
        try:
            fill(store, organization, user_id, counts, seed)
            if sum(counts.values()) <= FEW_ROWS:
                _keep(what, store)
        except BaseException:
            store.close()
            raise
        return store


def _keep(what: object, store: Store) -> None:
    folder = Path(tempfile.mkdtemp(prefix="dataverse-sandbox-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _kept[what] = store.copy_new(folder / "rows.db")
    while len(_kept) > MOST_KEPT:
        _, oldest = _kept.popitem(last=False)
        shutil.rmtree(oldest.path.parent, ignore_errors=True)
