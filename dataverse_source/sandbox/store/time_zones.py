"""Time zones as Dataverse counts them: a code, a standard name, and the zone of the tz database.

Source: docs page "Microsoft time zone index values".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cache
from zoneinfo import ZoneInfo

UTC_CODE = 92
"""``timezonecode`` of Coordinated Universal Time, which application users have."""

_ZONES = """\
0 Dateline=Etc/GMT+12
1 Samoa=Pacific/Apia
2 Hawaiian=Pacific/Honolulu
3 Alaskan=America/Anchorage
4 Pacific=America/Los_Angeles
10 Mountain=America/Denver
15 US Mountain=America/Phoenix
20 Central=America/Chicago
25 Canada Central=America/Regina
33 Central America=America/Guatemala
35 Eastern=America/New_York
40 US Eastern=America/Indiana/Indianapolis
45 SA Pacific=America/Bogota
50 Atlantic=America/Halifax
55 SA Western=America/La_Paz
56 Pacific SA=America/Santiago
60 Newfoundland=America/St_Johns
65 E. South America=America/Sao_Paulo
70 SA Eastern=America/Cayenne
73 Greenland=America/Nuuk
80 Azores=Atlantic/Azores
83 Cape Verde=Atlantic/Cape_Verde
85 GMT=Europe/London
90 Greenwich=Atlantic/Reykjavik
95 Central Europe=Europe/Budapest
100 Central European=Europe/Warsaw
105 Romance=Europe/Paris
110 W. Europe=Europe/Berlin
113 W. Central Africa=Africa/Lagos
120 Egypt=Africa/Cairo
125 FLE=Europe/Helsinki
130 GTB=Europe/Bucharest
135 Israel=Asia/Jerusalem
140 South Africa=Africa/Johannesburg
145 Russian=Europe/Moscow
150 Arab=Asia/Riyadh
155 E. Africa=Africa/Nairobi
158 Arabic=Asia/Baghdad
160 Iran=Asia/Tehran
165 Arabian=Asia/Dubai
170 Caucasus=Asia/Yerevan
175 Afghanistan=Asia/Kabul
180 Ekaterinburg=Asia/Yekaterinburg
185 West Asia=Asia/Tashkent
190 India=Asia/Kolkata
193 Nepal=Asia/Kathmandu
200 Sri Lanka=Asia/Colombo
201 N. Central Asia=Asia/Novosibirsk
203 Myanmar=Asia/Yangon
205 SE Asia=Asia/Bangkok
207 North Asia=Asia/Krasnoyarsk
210 China=Asia/Shanghai
215 Singapore=Asia/Singapore
220 Taipei=Asia/Taipei
225 W. Australia=Australia/Perth
227 North Asia East=Asia/Irkutsk
230 Korea=Asia/Seoul
235 Tokyo=Asia/Tokyo
240 Yakutsk=Asia/Yakutsk
245 AUS Central=Australia/Darwin
250 Cen. Australia=Australia/Adelaide
255 AUS Eastern=Australia/Sydney
260 E. Australia=Australia/Brisbane
265 Tasmania=Australia/Hobart
270 Vladivostok=Asia/Vladivostok
275 West Pacific=Pacific/Port_Moresby
280 Central Pacific=Pacific/Guadalcanal
285 Fiji=Pacific/Fiji
290 New Zealand=Pacific/Auckland
300 Tonga=Pacific/Tongatapu
"""


@dataclass(frozen=True)
class TimeZone:
    """A time zone.

    Attributes:
        code: ``timezonecode`` of a user's settings.
        standard_name: such as ``Pacific Standard Time``.
        key: its key in the tz database.
    """

    code: int
    standard_name: str
    key: str

    @property
    def is_utc(self) -> bool:
        """Whether its clocks show UTC, always."""
        return self.code == UTC_CODE

    def wall_clock(self, moment: datetime) -> datetime:
        """What clocks show at an aware moment, as if it were UTC."""
        return moment.astimezone(_rules(self.key)).replace(tzinfo=timezone.utc)

    def moment(self, wall_clock: datetime) -> datetime:
        """The moment in UTC at which clocks show this; the first when they do so twice."""
        return wall_clock.replace(tzinfo=_rules(self.key)).astimezone(timezone.utc)


@cache
def _rules(key: str) -> ZoneInfo:
    return ZoneInfo(key)


_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def local_milliseconds(milliseconds: int | None, key: str) -> int | None:
    """What clocks show at a moment, both as milliseconds since 1970; for use in SQL.

    Args:
        milliseconds: the moment, None for null.
        key: a zone's key in the tz database.
    """
    if milliseconds is None:
        return None
    try:
        moment = _EPOCH + timedelta(milliseconds=milliseconds)
        offset = moment.astimezone(_rules(key)).utcoffset() or timedelta(0)
    except OverflowError:
        # At the very ends of the calendar there is no other day to show.
        return milliseconds
    return milliseconds + offset // timedelta(milliseconds=1)


UTC = TimeZone(UTC_CODE, "Coordinated Universal Time", "UTC")


def _read() -> tuple[TimeZone, ...]:
    found = [UTC]
    for line in _ZONES.splitlines():
        code, _, rest = line.partition(" ")
        name, _, key = rest.partition("=")
        found.append(TimeZone(int(code), f"{name} Standard Time", key))
    return tuple(found)


TIME_ZONES = _read()
BY_CODE = {each.code: each for each in TIME_ZONES}
BY_NAME = {each.standard_name: each for each in TIME_ZONES}
