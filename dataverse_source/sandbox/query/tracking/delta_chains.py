"""The position in a chain of tracked pages, and the ``$skiptoken`` that holds it."""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.sax.saxutils import quoteattr

from dataverse_source.sandbox.query.page.paging import (
    decoded,
    invalid_cookie,
    outer_cookie,
    parse_cookie,
    read_outer,
)
from dataverse_source.sandbox.query.tracking.delta_tokens import (
    DeltaToken,
    Garbled,
    read_delta_token,
)


@dataclass(frozen=True)
class Position:
    """How far a chain has come in each of its three parts.

    Attributes:
        reappeared: version of the last delete given of a row that exists again.
        row: sort key of the last row given: a version number, or a key's order; None for none.
        deleted: version of the last delete given of a row that is gone.
    """

    reappeared: int = 0
    row: str | None = None
    deleted: int = 0


@dataclass(frozen=True)
class Chain:
    """A chain of tracked pages.

    Attributes:
        is_delta: it began with a delta token, not with ``Prefer: odata.track-changes``.
        since: the delta token that it began with; None for all rows, as if there were none.
        by_key: rows come in order of their key, else of their version number.
        first: the token of the chain's first page; None where later pages do not need it.
        bounded: nothing that is newer than ``first`` belongs to the chain.
        page: number of the page that is asked for, from 1.
        position: where it goes on.
    """

    is_delta: bool
    since: DeltaToken | None
    by_key: bool = False
    first: DeltaToken | None = None
    bounded: bool = False
    page: int = 1
    position: Position = field(default_factory=Position)

    @property
    def version(self) -> int:
        """The version number above which changes belong to the chain."""
        return self.since.version if self.since else 0


def chain_skiptoken(chain: Chain, *, tracking: bool) -> str:
    """The encoded ``$skiptoken`` of the page that ``chain`` asks for.

    Args:
        chain: the chain at its next page.
        tracking: what the cookie says in ``istracking``.
    """
    place = chain.position
    named = {
        "chain": "delta" if chain.is_delta else "initial",
        "page": str(chain.page - 1),
        "since": chain.since.text if chain.since else None,
        "first": chain.first.text if chain.first else None,
        "bounded": "1" if chain.bounded else None,
        "bykey": "1" if chain.by_key else None,
        "reappeared": str(place.reappeared),
        "row": place.row,
        "deleted": str(place.deleted),
    }
    shown = "".join(f" {name}={quoteattr(text)}" for name, text in named.items() if text)
    return outer_cookie(chain.page, f"<cookie{shown} />", tracking=tracking)


def read_chain(skiptoken: str) -> Chain | None:
    """The chain that a decoded ``$skiptoken`` carries; None for a plain cookie.

    Raises:
        DataverseFault: it can't be read.
    """
    outer = read_outer(skiptoken)
    if outer.inner is None:
        return None
    cookie = parse_cookie(decoded(outer.inner))
    kind = cookie.get("chain")
    if kind is None:
        return None
    try:
        position = Position(
            int(cookie.get("reappeared", "")), cookie.get("row"), int(cookie.get("deleted", ""))
        )
        return Chain(
            is_delta=kind == "delta",
            since=_token(cookie.get("since")),
            by_key=cookie.get("bykey") is not None,
            first=_token(cookie.get("first")),
            bounded=cookie.get("bounded") is not None,
            page=outer.page,
            position=position,
        )
    except (Garbled, ValueError):
        raise invalid_cookie() from None


def _token(text: str | None) -> DeltaToken | None:
    return None if text is None else read_delta_token(text)
