"""Which switches and which faults histories play with, and why some are left out."""

from __future__ import annotations

from dataclasses import fields
from typing import get_args, get_type_hints

from hypothesis import strategies as st

from dataverse_source.sandbox.api.faults import KINDS, Fault
from dataverse_source.sandbox.switches import Switches

LEFT_OUT = {
    "guid_comparison": "no filter compares keys by gt or lt; the query's own tests have it",
    "ieee754_compatible": "the source never sends IEEE754Compatible",
    "page_size_out_of_range": "settings refuse such a page size before anything is sent",
    "top_with_page_size": "the source never sends both",
    "next_link": "its value flag_only ends every chain of pages",
    "metadata_level": "the source asks for no other level than the usual one",
    "stuck_cookie": "its value any ends every chain of pages; the fault repeated_next_link is it",
    "user_refusal_status": "no table can be read then; tests/end_to_end/test_failures.py has it",
    "unknown_segment_code": "no request is for a table that metadata does not have",
    "administration_mode": "no table can be read then; tests/sandbox/environment has its answers",
    "long_url": "column names are short here; tests/end_to_end/test_source.py has wide tables",
    "skiptoken_lifetime_seconds": "a number; waiting is what makes next links expire here",
}
"""Switches of the sandbox that no history turns, and why."""

HARMLESS_VALUES = {"rollup_recalculation": ("version_number_only",)}
"""Values that are left out: a rollup that moves nothing is seen by no reader but a full one."""


def switch_values() -> list[tuple[str, str]]:
    """Every switch and value that histories turn to."""
    hints = get_type_hints(Switches)
    return [
        (one.name, value)
        for one in fields(Switches)
        if one.name not in LEFT_OUT
        for value in HARMLESS_VALUES.get(one.name, get_args(hints[one.name]))
    ]


SWITCH = st.sampled_from(switch_values())

SLOW = {"stall": 0.01, "stall_in_body": 0.01}
"""Seconds of a stall: long ones wait for real, and the client's tests have them."""

PLACES = {
    "sign-in": r"/oauth2/",
    "metadata": r"/(EntityDefinitions|RetrieveMetadataChanges)",
    "privileges": r"/(WhoAmI|systemusers|organizations)",
    "first page": r"/v9\.2/(?!Entity|Retrieve)\w+\?(?!.*(skip|delta)token)",
    "next page": r"skiptoken",
    "delta": r"deltatoken",
    "file": r"/\$value",
    "details of the audit": r"/\$batch",
    "anywhere": r"/",
}
"""Where something goes wrong: regular expressions of what is asked for."""


@st.composite
def faults(draw: st.DrawFn) -> tuple[Fault, str, int, int]:
    """A fault, the requests that it hits, how many of them pass first, how many it hits."""
    kind = draw(st.sampled_from(KINDS))
    place = draw(st.sampled_from(sorted(PLACES)))
    retry_after = draw(st.sampled_from([None, 0.0, 2.5, 40.0]))
    seconds = SLOW.get(kind, 0.0)
    fault = Fault(kind, retry_after=retry_after, seconds=seconds)  # type: ignore[arg-type]
    return fault, PLACES[place], draw(st.integers(0, 5)), draw(st.sampled_from([1, 1, 2, 12]))
