"""What each source of odometer readings showed on a vehicle's local days, out of the samples of a batch.

Only days are kept of what came in full resolution, so start-up glitches are taken out here: a counter that
shows something else half a second later did not show kilometres. That is judged inside one message and
needs no other, so it does not matter how messages are batched, delayed or doubled.
"""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from maintenance.daily import local_days_of
from vehicle.frame import SignalRows
from vehicle.odometer import OdometerDays, OdometerSamples

SETTLES_US: Final = 500_000
"""A cluster shows its true reading so long after it is switched on."""
JITTER_KM: Final = 5.0
"""Farther apart than that, two readings of half a second do not belong to one counter."""
_LONGEST_STEP_US: Final = 30_000_000
"""Speeds farther apart say nothing of the way between them; GB/T 32960 reports at least so often."""
_COVERED: Final = 0.95
_M_PER_KMH_US: Final = 1 / 3.6e6
_SOURCE_BITS: Final = 12
_DAY_BITS: Final = 20
_SUMS: Final = ("within_m", "speed_m", "readings_n", "glitches_n")
"""Whole numbers, so that their sum does not depend on the order."""


def odometer_days(
    samples: OdometerSamples,
    rows: SignalRows,
    speed: int,
    vehicle_id: NDArray[np.int64],
    zone: NDArray[np.int64],
    zones: Sequence[ZoneInfo],
) -> OdometerDays:
    """The odometer readings of a batch per vehicle, local day and source.

    `rows` are all values of the batch, of which signal `speed` (km/h) is looked at. `vehicle_id` and `zone`
    (an index into `zones`) have one entry per message.
    """
    if not len(samples):
        return empty()
    order = np.lexsort((samples.km, samples.t_us, samples.source, samples.message))
    message, t_us = samples.message[order], samples.t_us[order]
    source, km = samples.source[order].astype(np.int64), samples.km[order]
    run = _ranks(message, source)
    settled_km = km[_settled(run, t_us)]
    is_glitch = np.abs(settled_km - km) > JITTER_KM
    day = local_days_of(t_us, zone[message], zones)
    parts = [_glitches(vehicle_id[message], day, source, t_us, km, settled_km, is_glitch)]
    kept = ~is_glitch
    parts.append(
        _runs(message[kept], day[kept], source[kept], t_us[kept], km[kept], vehicle_id, _driven(rows, speed))
    )
    return reduce(parts)


def merge(one: OdometerDays, other: OdometerDays) -> OdometerDays:
    """Both together; the same whichever comes first. What the store does row by row in SQL."""
    return reduce([one, other])


def empty() -> OdometerDays:
    """No vehicle, no day."""
    return _table(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64))


def reduce(parts: Sequence[OdometerDays]) -> OdometerDays:
    """One row per vehicle, day and source out of tables that may have several."""
    column: dict[str, NDArray[Any]] = {
        one.name: np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(OdometerDays)
    }
    packed = _packed(column["vehicle_id"], column["day"], column["source"])
    keys, group = np.unique(packed, return_inverse=True)
    group = group.reshape(-1)
    bits = (1 << _DAY_BITS) - 1
    out = _table(
        keys >> (_DAY_BITS + _SOURCE_BITS), keys >> _SOURCE_BITS & bits, keys & (1 << _SOURCE_BITS) - 1
    )
    for name in _SUMS:
        np.add.at(getattr(out, name), group, column[name])
    _pick(out, column, group, "first", by=("first_km", "first_us"))
    _pick(out, column, group, "last", by=("last_km", "last_us"), last=True)
    _pick(out, column, group, "low", by=("low_us", "low_km"))
    _pick(out, column | {"rising": -column["high_km"]}, group, "high", by=("high_us", "rising"))
    told = np.flatnonzero(~np.isnan(column["glitch_km"]))
    by = (column["settled_km"][told], column["glitch_km"][told], column["glitch_us"][told], group[told])
    chosen = told[np.lexsort(by)][::-1]  # the earliest is written last
    for name in ("glitch_us", "glitch_km", "settled_km"):
        getattr(out, name)[group[chosen]] = column[name][chosen]
    return out


def _pick(
    out: OdometerDays,
    column: dict[str, NDArray[Any]],
    group: NDArray[np.intp],
    what: str,
    *,
    by: tuple[str, str],
    last: bool = False,
) -> None:
    """Of each group the reading that comes first (or last) in the order `by`, the last key first."""
    there = np.flatnonzero(~np.isnan(column[f"{what}_km"]))
    order = np.lexsort((column[by[0]][there], column[by[1]][there], group[there]))
    chosen = there[order if last else order[::-1]]  # of equal indices the last one written stays
    for name in (f"{what}_km", f"{what}_us"):
        getattr(out, name)[group[chosen]] = column[name][chosen]


def _packed(vehicle_id: NDArray[Any], day: NDArray[Any], source: NDArray[Any]) -> NDArray[np.int64]:
    high = vehicle_id.astype(np.int64) << (_DAY_BITS + _SOURCE_BITS)
    return high | day.astype(np.int64) << _SOURCE_BITS | source.astype(np.int64)


def _table(vehicle_id: NDArray[Any], day: NDArray[Any], source: NDArray[Any]) -> OdometerDays:
    """Rows without any reading."""
    n = len(day)
    column: dict[str, NDArray[Any]] = {
        one.name: np.full(n, np.nan) if one.name.endswith("_km") else np.zeros(n, np.int64)
        for one in fields(OdometerDays)
    }
    column |= {
        "vehicle_id": vehicle_id.astype(np.int64),
        "day": day.astype(np.int32),
        "source": source.astype(np.int16),
    }
    return OdometerDays(**column)


def _ranks(message: NDArray[np.int32], source: NDArray[np.int64]) -> NDArray[np.int64]:
    """A number per (message, source), rising; the samples are sorted by both."""
    new = (np.diff(message, prepend=-1) != 0) | (np.diff(source, prepend=-1) != 0)
    return np.cumsum(new) - 1


def _settled(run: NDArray[np.int64], t_us: NDArray[np.int64]) -> NDArray[np.intp]:
    """For each sample, the last of its run at most half a second later."""
    starts = np.flatnonzero(np.diff(run, prepend=-1))
    since_us = t_us - np.repeat(t_us[starts], np.diff(starts, append=len(run)))
    line = run * (int(since_us.max(initial=0)) + SETTLES_US + 1) + since_us
    return np.searchsorted(line, line + SETTLES_US, side="right") - 1


def _glitches(
    vehicle_id: NDArray[np.int64],
    day: NDArray[np.int64],
    source: NDArray[np.int64],
    t_us: NDArray[np.int64],
    km: NDArray[np.float64],
    settled_km: NDArray[np.float64],
    is_glitch: NDArray[np.bool_],
) -> OdometerDays:
    out = _table(vehicle_id[is_glitch], day[is_glitch], source[is_glitch])
    out.glitches_n[:] = 1
    out.glitch_us[:], out.glitch_km[:] = t_us[is_glitch], km[is_glitch]
    out.settled_km[:] = settled_km[is_glitch]
    return out


def _runs(
    message: NDArray[np.int32],
    day: NDArray[np.int64],
    source: NDArray[np.int64],
    t_us: NDArray[np.int64],
    km: NDArray[np.float64],
    vehicle_id: NDArray[np.int64],
    driven: "_Driven",
) -> OdometerDays:
    """One row per message, source and day: sorted by time, so that ends are ends."""
    if not len(km):
        return empty()
    run = _ranks(message, source * (1 << _DAY_BITS) + day)
    starts = np.flatnonzero(np.diff(run, prepend=-1))
    ends = np.append(starts[1:], len(run)) - 1
    out = _table(vehicle_id[message[starts]], day[starts], source[starts])
    out.first_km[:], out.first_us[:] = km[starts], t_us[starts]
    out.last_km[:], out.last_us[:] = km[ends], t_us[ends]
    out.low_km[:], out.high_km[:] = np.minimum.reduceat(km, starts), np.maximum.reduceat(km, starts)
    for extreme_km, extreme_us in ((out.low_km, out.low_us), (out.high_km, out.high_us)):
        there = np.flatnonzero(km == extreme_km[run])[::-1]
        extreme_us[run[there]] = t_us[there]
    out.readings_n[:] = ends - starts + 1
    speed_m, covered_us = driven.of(message[starts])
    is_covered = (covered_us > 0) & (covered_us >= _COVERED * (t_us[ends] - t_us[starts]))
    rise_m = np.maximum(km[ends] - km[starts], 0.0) * 1000.0
    out.within_m[:] = np.where(is_covered, np.rint(rise_m), 0.0)
    out.speed_m[:] = np.where(is_covered, np.rint(speed_m), 0.0)
    return out


class _Driven:
    """Metres by the speed, per message."""

    def __init__(self, message: NDArray[np.int32], m: NDArray[np.float64], us: NDArray[np.float64]) -> None:
        self._message = message
        self._m = m
        self._us = us

    def of(self, message: NDArray[np.int32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Metres and the microseconds they took, per message; 0 where no speed was sent."""
        if not len(self._message):
            return np.zeros(len(message)), np.zeros(len(message))
        place = np.minimum(np.searchsorted(self._message, message), len(self._message) - 1)
        there = self._message[place] == message
        return np.where(there, self._m[place], 0.0), np.where(there, self._us[place], 0.0)


def _driven(rows: SignalRows, speed: int) -> _Driven:
    """Each speed holds until the next; the last one as long as they do on average."""
    mine = np.flatnonzero(rows.signal == speed)
    mine = mine[np.lexsort((rows.t_us[mine], rows.message[mine]))]
    message, t_us, kmh = rows.message[mine], rows.t_us[mine], np.abs(rows.value[mine])
    if not len(mine):
        return _Driven(message, kmh, kmh)
    starts = np.flatnonzero(np.diff(message, prepend=-1))
    sizes = np.diff(starts, append=len(mine))
    hold_us = np.diff(t_us, append=0).astype(np.float64)
    hold_us[starts + sizes - 1] = 0.0
    hold_us[hold_us > _LONGEST_STEP_US] = 0.0
    last_us = np.add.reduceat(hold_us, starts) / np.maximum(sizes - 1, 1)
    hold_us[starts + sizes - 1] = last_us
    m = np.add.reduceat(kmh * hold_us, starts) * _M_PER_KMH_US
    return _Driven(message[starts], m, np.add.reduceat(hold_us, starts))
