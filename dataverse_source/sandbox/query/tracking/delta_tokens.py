"""Delta tokens, ``919042!08/22/2017 08:10:44``: a version number and a moment in UTC.

Source of the form: docs page "Use change tracking to synchronize data with external systems".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone
from urllib.parse import quote

_TOKEN = re.compile(r"([0-9]{1,18})!([0-9]{2}/[0-9]{2}/[0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2})")
_HEX = re.compile(r"%[0-9A-F]{2}")
_MOMENT = "%m/%d/%Y %H:%M:%S"


class Garbled(ValueError):
    """Text that is no delta token."""


@dataclass(frozen=True)
class DeltaToken:
    """Everything up to a version number, seen at a moment.

    Attributes:
        version: changes with higher version numbers are new to the client.
        moment: aware, UTC, in whole seconds; tells whether the token has expired.
    """

    version: int
    moment: datetime

    @property
    def text(self) -> str:
        """The token as it reads once decoded."""
        moment = self.moment
        # strftime drops the zeros of years below 1000 on some systems.
        return f"{self.version}!{moment:%m/%d}/{moment.year:04d} {moment:%H:%M:%S}"

    @property
    def encoded(self) -> str:
        """The token as links carry it: percent-encoded with lower-case hexadecimal digits."""
        return _HEX.sub(lambda match: match[0].lower(), quote(self.text, safe=""))


def read_delta_token(text: str) -> DeltaToken:
    """A token from its decoded text.

    Raises:
        Garbled: it is none.
    """
    match = _TOKEN.fullmatch(text)
    if match is None:
        raise Garbled(text)
    try:
        moment = datetime.strptime(match[2], _MOMENT).replace(tzinfo=timezone.utc)
    except ValueError:
        raise Garbled(text) from None
    return DeltaToken(int(match[1]), moment)
