"""Days: a day is the vehicle's local day."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_QUARTER_US = 900_000_000


def at_of(t_us: int) -> datetime:
    """Microseconds since 1970 UTC as an aware UTC moment."""
    return _EPOCH + timedelta(microseconds=t_us)


def us_of(at: datetime) -> int:
    """An aware moment as microseconds since 1970 UTC."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def local_day(at: datetime, zone: ZoneInfo) -> date:
    """The local day a moment falls on."""
    return at.astimezone(zone).date()


def local_days(t_us: NDArray[np.int64], zone: ZoneInfo) -> NDArray[np.int32]:
    """Local days of many moments, as days since 1970-01-01 (int32, same shape).

    The zone's offset is looked up once per distinct quarter of an hour, so that daylight saving is honoured
    cheaply; zones with a half-hour offset change theirs at half past.
    """
    quarters, which = np.unique(t_us // _QUARTER_US, return_inverse=True)
    if len(quarters) == 0:
        return np.zeros(0, dtype=np.int32)
    offsets_us = np.array([_offset_us(int(quarter) * _QUARTER_US, zone) for quarter in quarters], np.int64)
    return ((t_us + offsets_us[which]) // 86_400_000_000).astype(np.int32)


def _offset_us(t_us: int, zone: ZoneInfo) -> int:
    offset = at_of(t_us).astimezone(zone).utcoffset()
    return 0 if offset is None else offset // timedelta(microseconds=1)
