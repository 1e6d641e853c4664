"""``Accept: application/json;IEEE754Compatible=true``: decimals and 64-bit numbers as strings.

No document says whether Dataverse heeds it: the switch ``ieee754_compatible`` decides.
"""

from __future__ import annotations

from dataverse_source.sandbox.http.messages import DataverseFault, Request
from dataverse_source.sandbox.switches import Switches

COMPATIBLE = "IEEE754Compatible=true"
NOT_ACCEPTABLE = "The requested media type is not supported."


def numbers_as_text(request: Request, switches: Switches) -> bool:
    """Whether decimals and 64-bit numbers are to be printed as strings.

    Raises:
        DataverseFault: 406 or 415, where the switch says that the format is refused.
    """
    accepted = request.headers.get("accept", "").replace(" ", "").lower()
    if COMPATIBLE.lower() not in accepted or switches.ieee754_compatible == "ignored":
        return False
    if switches.ieee754_compatible == "strings":
        return True
    raise DataverseFault(int(switches.ieee754_compatible), "0x80060888", NOT_ACCEPTABLE)
