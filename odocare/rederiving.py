"""What ingest derives from values, derived anew for one vehicle after stored values were exchanged.

The caller has exchanged the segments in the same transaction. Days go through the same functions as ingest's.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, time, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ingest.lexicon import Lexicon
from maintenance import daily
from odocare import odometers_anew
from store import days, exchange, latest, stored_rows, touched
from store.latest import Readings
from store.pool import Connection
from store.stored_rows import Reach
from store.vehicles import VehicleRef
from vehicle.day import at_of, local_day, us_of
from vehicle.feature_day import FeatureDays

_FIRST_LOOK: Final = timedelta(days=2)
_EPOCH: Final = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What became of some values of a vehicle."""

    first_us: int
    """Of those that were there or are there now."""
    last_us: int
    seen_us: int
    """Newest of those that are there now; 0: none is."""
    readings: Sequence[Readings]
    """Those that may be the newest of their signal."""


async def derive(
    conn: Connection, vehicle: VehicleRef, exchanged: Exchanged, lexicon: Lexicon, *, now: datetime
) -> None:
    """Write the days and the latest state anew, and ask for an evaluation from the first of the days.

    Ingest waits with the vehicle's new messages from here until the transaction ends. A day that had no
    value before is said to be known since `now`.
    """
    held = await latest.hold(conn, vehicle.id)
    zone = lexicon.zone(vehicle.tz)
    since, until = at_of(exchanged.first_us), at_of(exchanged.last_us)
    first, last = await exchange.days_holding(
        conn,
        vehicle.id,
        first=local_day(since, zone),
        last=local_day(until, zone),
        since=since,
        until=until,
    )
    await _days(conn, vehicle, first, last, lexicon, now)
    await odometers_anew.derive(conn, vehicle, first, last, lexicon, now=now)
    await _latest(conn, vehicle.id, held, exchanged)
    from_day = np.array([(first - _EPOCH).days], dtype=np.int32)
    await touched.mark(conn, np.array([vehicle.id], dtype=np.int64), from_day)


async def _days(
    conn: Connection, vehicle: VehicleRef, first: date, last: date, lexicon: Lexicon, now: datetime
) -> None:
    """Days out of all segments that reach into them, from whatever kind of message."""
    zone = lexicon.zone(vehicle.tz)
    known = await exchange.forget_days(conn, vehicle.id, first=first, last=last)
    since = datetime.combine(first, time.min, zone)
    before = datetime.combine(last + timedelta(days=1), time.min, zone)
    numbers = range((first - _EPOCH).days, (last - _EPOCH).days + 1)
    reach = Reach(vehicle.id, us_of(since), us_of(before))
    async for stored in stored_rows.spanning(conn, reach):
        rows = stored.rows
        messages_n = int(rows.message[-1]) + 1
        features = await asyncio.to_thread(
            daily.feature_days,
            rows,
            np.full(messages_n, vehicle.id, dtype=np.int64),
            np.zeros(messages_n, dtype=np.int64),
            [zone],
            lexicon.daily,
        )
        for number in numbers:
            await days.merge(conn, _of_day(features, number), known_at=known.get(number, now))


async def _latest(conn: Connection, vehicle_id: int, held: Readings, exchanged: Exchanged) -> None:
    """Values out of the time that was exchanged may be gone: what is stored is asked for those signals."""
    is_doubtful = (held.t_us >= exchanged.first_us) & (held.t_us <= exchanged.last_us)
    found = await _newest(conn, vehicle_id, held.signal[is_doubtful].tolist(), exchanged.last_us)
    sure = _pick(held, ~is_doubtful)
    await latest.replace(conn, vehicle_id, [sure, *found, *exchanged.readings], seen_us=exchanged.seen_us)


async def _newest(conn: Connection, vehicle_id: int, signals: list[int], until_us: int) -> list[Readings]:
    """The newest stored value of each signal up to a moment, looked for backwards in growing steps."""
    found: list[Readings] = []
    before_us, step = until_us + 1, _FIRST_LOOK
    while signals:
        since_us = before_us - step // timedelta(microseconds=1)
        sure: set[int] = set()
        reach = Reach(vehicle_id, since_us, before_us)
        async for stored in stored_rows.spanning(conn, reach, signals=signals):
            wanted = stored.rows
            ids = np.full(len(wanted), vehicle_id, dtype=np.int64)
            newest = latest.newest(Readings(ids, wanted.signal, wanted.t_us, wanted.value))
            sure |= set(newest.signal[newest.t_us >= since_us].tolist())
            found.append(newest)
        signals = [signal for signal in signals if signal not in sure]
        if await stored_rows.earliest_us(conn, vehicle_id, before_us=since_us) is None:
            break
        before_us, step = since_us, step * 4
    return found


def _pick(readings: Readings, which: NDArray[np.bool_]) -> Readings:
    return Readings(
        readings.vehicle_id[which], readings.signal[which], readings.t_us[which], readings.value[which]
    )


def _of_day(features: FeatureDays, day: int) -> FeatureDays:
    """The rows of one day, whatever columns there are."""
    mine = features.day == day
    return FeatureDays(**{one.name: getattr(features, one.name)[mine] for one in fields(FeatureDays)})
