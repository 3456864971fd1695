"""Days: a day is the vehicle's local day."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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

    The zone's offset is looked up once per distinct UTC hour, so that daylight saving is honoured cheaply.
    """
    hours, which = np.unique(t_us // 3_600_000_000, return_inverse=True)
    offsets_us = np.array(
        [_offset_us(int(hour) * 3_600_000_000, zone) for hour in hours], dtype=np.int64
    ).reshape(-1)
    if len(hours) == 0:
        return np.zeros(0, dtype=np.int32)
    return ((t_us + offsets_us[which]) // 86_400_000_000).astype(np.int32)


def _offset_us(t_us: int, zone: ZoneInfo) -> int:
    offset = at_of(t_us).astimezone(zone).utcoffset()
    return 0 if offset is None else offset // timedelta(microseconds=1)
