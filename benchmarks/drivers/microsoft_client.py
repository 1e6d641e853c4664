"""Microsoft's client for Python: reads accounts, page by page, and throws them away."""

from __future__ import annotations

import json
import sys
import time

from tests.peers.drivers.microsoft_client import client_of


def main() -> None:
    """Reads accounts, all columns."""
    connection, columns = json.loads(sys.argv[1]), sys.argv[2]
    began = time.perf_counter()
    with client_of(connection) as client:
        query = client.query.builder("account").select(*columns.split(",")).page_size(5000)
        rows = sum(len(list(page)) for page in query.execute_pages())
    print(json.dumps({"rows": rows, "seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
