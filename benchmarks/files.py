"""Files of rows: a first load of them against bare downloads of the same ones, at one concurrency.

The sandbox, the bare downloads and the load are processes of their own. What the load of the table
itself takes, without its files, is measured as well.

    uv run python -m benchmarks.files --files 2000 --size 100000
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import re
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import dlt

from benchmarks.plain import token_of
from dataverse_source import dataverse, load
from dataverse_source.client.session import new_session
from dataverse_source.credentials import DataverseCredentials
from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.writes.file_store import put_file

PROCESSES = multiprocessing.get_context("spawn")
SETTINGS = {"accounts": {"select": ["name", "new_contract"]}}


def serve(files: int, size: int, pipe: Connection) -> None:
    """Serves accounts with a file each, until the pipe is closed."""
    content = random.Random(1)  # noqa: S311
    with Sandbox(rows={"account": files}, seed=1) as sandbox:
        keys = [row["accountid"] for row in sandbox.store.rows("account")]
        with sandbox.store.transaction():
            for key in keys:
                put_file(
                    sandbox.environment, "account", key, "new_contract",
                    content.randbytes(size), "file.bin",
                )  # fmt: skip
        pipe.send((sandbox.connection, keys))
        pipe.recv()


def bare(known: dict[str, str], keys: list[str], at_once: int, pipe: Connection) -> None:
    """Downloads all files and throws them away; sends the seconds and the bytes."""
    session = new_session(ca_bundle=known["ca_bundle"])
    headers = {
        "Authorization": f"Bearer {token_of(known, session)}",
        "Range": "bytes=0-4194303",
        "Accept-Encoding": "identity",
    }

    def one(key: str) -> int:
        url = f"{known['environment_url']}/api/data/v9.2/accounts({key})/new_contract/$value"
        answer = session.get(url, headers=headers, timeout=60)
        answer.raise_for_status()
        return len(answer.content)

    began = time.monotonic()
    with ThreadPoolExecutor(at_once) as pool:
        size = sum(pool.map(one, keys))
    pipe.send((time.monotonic() - began, size))


def ours(
    known: dict[str, str], folder: str, at_once: int, settings: dict[str, Any], pipe: Connection
) -> None:
    """Loads the table, with files or without; sends seconds, megabytes of memory, files."""
    pipeline = dlt.pipeline(
        "files",
        destination=dlt.destinations.duckdb(f"{folder}/files.duckdb"),
        dataset_name="crm",
        pipelines_dir=f"{folder}/pipelines",
    )
    sign_in = {name: known[name] for name in ("tenant_id", "client_id", "client_secret")}
    source = dataverse(
        environment_url=known["environment_url"],
        tables=["accounts"],
        credentials=DataverseCredentials(**sign_in, authority_host=known["authority_host"]),
        ca_bundle=known["ca_bundle"],
        max_concurrency=at_once,
        table_settings=SETTINGS,
        **settings,
    )
    began = time.monotonic()
    report = load(pipeline, source)
    seconds = time.monotonic() - began
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    most = re.search(r"VmHWM:\s+(\d+)", status)
    pipe.send((seconds, int(most[1]) // 1024 if most else 0, report.tables[0].files_stored))


def of_process(function: Any, *arguments: Any) -> Any:
    """What a function sends, called in a process of its own."""
    here, there = PROCESSES.Pipe()
    process = PROCESSES.Process(target=function, args=(*arguments, there))
    process.start()
    found = here.recv()
    process.join()
    return found


def measure_files(files: int, size: int, at_once: int, folder: Path) -> dict[str, float]:
    """Seconds of bare downloads, of a load with files and without them, and memory in megabytes.

    Args:
        files: how many.
        size: bytes of each.
        at_once: requests at once.
        folder: for databases and files.
    """
    here, there = PROCESSES.Pipe()
    server = PROCESSES.Process(target=serve, args=(files, size, there), daemon=True)
    server.start()
    known, keys = here.recv()
    try:
        seconds, received = of_process(bare, known, keys, at_once)
        found = {"bare": seconds}
        if received != files * size:
            raise RuntimeError(f"{received} bytes came, not {files * size}")
        wanted = {"files": ["accounts.new_contract"], "files_url": str(folder / "place")}
        for name, settings in (("table", {}), ("ours", wanted)):
            (folder / name).mkdir()
            arguments = known, str(folder / name), at_once, settings
            found[name], found[f"{name}_memory"], stored = of_process(ours, *arguments)
        if stored != files:
            raise RuntimeError(f"{stored} files were stored, not {files}")
    finally:
        here.send("stop")
        server.join(60)
    found["ratio"] = found["ours"] / found["bare"]
    found["ratio_of_files"] = (found["ours"] - found["table"]) / found["bare"]
    return found


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=100_000)
    parser.add_argument("--at-once", type=int, default=16)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure_files(options.files, options.size, options.at_once, Path(folder))
    print(
        f"{options.files:,} files of {options.size:,} bytes, {options.at_once} at once: bare "
        f"{found['bare']:.1f} s, table without files {found['table']:.1f} s, with files "
        f"{found['ours']:.1f} s: {found['ratio']:.2f} of bare downloads, "
        f"{found['ratio_of_files']:.2f} for the files alone; memory {found['ours_memory']:,} MB"
    )


if __name__ == "__main__":
    main()
