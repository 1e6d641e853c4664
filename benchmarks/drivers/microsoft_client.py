"""Microsoft's client for Python: reads accounts, page by page, and throws them away."""

from __future__ import annotations

import json
import sys
import time

from azure.identity import ClientSecretCredential
from PowerPlatform.Dataverse.client import (  # type: ignore[import-not-found,unused-ignore]
    DataverseClient,
)


def main() -> None:
    """Reads accounts, all columns."""
    connection, columns = json.loads(sys.argv[1]), sys.argv[2]
    began = time.perf_counter()
    credential = ClientSecretCredential(
        connection["tenant_id"],
        connection["client_id"],
        connection["client_secret"],
        authority=connection["authority_host"],
        disable_instance_discovery=True,
    )
    with DataverseClient(connection["environment_url"], credential) as client:
        query = client.query.builder("account").select(*columns.split(",")).page_size(5000)
        rows = sum(len(list(page)) for page in query.execute_pages())
    print(json.dumps({"rows": rows, "seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
