"""A throw-away certificate authority, and the loopback certificate that it signs."""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme

HOST_NAMES = ("127.0.0.1", "localhost")


def server_context(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Makes a new authority and a certificate for loopback.

    Args:
        folder: where the authority's certificate is written.

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
    authority.issue_cert(*HOST_NAMES).configure_cert(context)
    return context, bundle
