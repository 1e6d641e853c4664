"""The floor: the same pages, downloaded and decompressed by one session, and thrown away."""

from __future__ import annotations

import json
import re
import sys
import time

from benchmarks.plain import signed_in
from benchmarks.rows import LOOKUPS

NEXT_LINK = re.compile(rb'"@odata\.nextLink":"([^"]+)"\}$')
ROW_MARK = b'{"@odata.etag":'


def main() -> None:
    """Reads accounts, all columns."""
    connection, columns = json.loads(sys.argv[1]), sys.argv[2]
    began = time.perf_counter()
    session = signed_in(connection)
    headers = {"Prefer": f"odata.maxpagesize=5000,{LOOKUPS}"}
    url = f"{connection['environment_url']}/api/data/v9.2/accounts?$select={columns}"
    bodies = size = 0
    last = b""
    while url:
        answer = session.get(url, headers=headers, timeout=300)
        answer.raise_for_status()
        last = answer.content
        size += len(last)
        bodies += 1
        found = NEXT_LINK.search(last[-8192:])
        url = found[1].decode() if found else ""
    taken = time.perf_counter() - began
    rows = (bodies - 1) * 5000 + last.count(ROW_MARK)
    print(json.dumps({"rows": rows, "seconds": taken, "bytes": size, "pages": bodies}))


if __name__ == "__main__":
    main()
