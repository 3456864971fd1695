"""Time as packets carry it: six plain binary bytes, year after 2000 first, in UTC+8 (table 5)."""

from datetime import datetime, timedelta, timezone
from typing import Final

from vehicle.errors import TruncatedPayloadError, WrongTimeError

TIME_BYTES: Final = 6
BEIJING: Final = timezone(timedelta(hours=8))

_EPOCH: Final = datetime(1970, 1, 1, 8)  # noqa: DTZ001 - the same moment, as clocks in Beijing showed it
_US: Final = timedelta(microseconds=1)
_CENTURY: Final = 2000
_LAST_YEAR: Final = 99


def read(data: bytes, at: int = 0) -> int:
    """The moment at a place in the bytes, microseconds since 1970 UTC. Raises `DecodeError`."""
    if len(data) < at + TIME_BYTES:
        raise TruncatedPayloadError("a time", needed_bytes=TIME_BYTES, got_bytes=max(len(data) - at, 0))
    year, month, day, hour, minute, second = data[at : at + TIME_BYTES]
    century = _CENTURY if year <= _LAST_YEAR else -year  # the year 0, which does not exist either
    try:
        moment = datetime(century + year, month, day, hour, minute, second)  # noqa: DTZ001 - see _EPOCH
    except ValueError:
        raise WrongTimeError(
            "a time is year, month, day, hour, minute and second, "
            f"got {year}-{month}-{day} {hour}:{minute}:{second}"
        ) from None
    return (moment - _EPOCH) // _US


def write(at_us: int) -> bytes:
    """The six bytes of a moment; what is less than a second is left out. Raises `WrongTimeError`."""
    moment = _EPOCH + timedelta(microseconds=at_us)
    year = moment.year - _CENTURY
    if not 0 <= year <= _LAST_YEAR:
        raise WrongTimeError(f"a packet tells years 2000 to 2099, got {moment.year}")
    return bytes((year, moment.month, moment.day, moment.hour, moment.minute, moment.second))
