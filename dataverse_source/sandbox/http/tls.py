"""A throw-away certificate authority, and the server's certificate that it signs."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from pathlib import Path

import trustme


def server_context(folder: Path, host_names: Iterable[str]) -> tuple[ssl.SSLContext, Path]:
    """Makes a new authority and a certificate.

    Args:
        folder: where the authority's certificate is written.
        host_names: names and addresses that the certificate is for.

    Returns:
        The server's TLS context, and the path of the authority's certificate (PEM), which a
        client passes as its CA bundle.
    """
    authority = trustme.CA(organization_name="Dataverse sandbox")
    bundle = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    authority.issue_cert(*host_names).configure_cert(context)
    return context, bundle
