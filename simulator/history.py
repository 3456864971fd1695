"""A fleet's history as messages, day after day as they would have come in."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

from decoders.envelope import Message
from simulator.days import Life, live
from simulator.fleet import FleetError, vehicles
from simulator.holidays import day_of
from simulator.tbox import ZONE, codes_message, day_messages
from vehicle.day import local_day

SHARD: Final = 500
"""Vehicles simulated together; bounds the memory, not the fleet."""

LiveTail = Callable[[Life, int], Iterator[Message]]
"""Messages of live frames at the end of a vehicle's last day."""


@dataclass(frozen=True, slots=True)
class Span:
    """Which vehicles and which days. Checked by `span`."""

    seed: int
    vehicles_n: int
    days_n: int
    until: date
    """Last local day, included."""

    @property
    def first_day(self) -> int:
        """Days since 1970-01-01."""
        return self.last_day - self.days_n + 1

    @property
    def last_day(self) -> int:
        """Days since 1970-01-01."""
        return day_of(self.until)


def span(seed: int, vehicles_n: int, days_n: int, until: date | None, *, now: datetime) -> Span:
    """What was asked for; it ends yesterday unless told. Raises `FleetError` for days that are not over."""
    yesterday = local_day(now, ZoneInfo(ZONE)) - timedelta(days=1)
    if until is not None and until > yesterday:
        raise FleetError(f"a history ends yesterday at the latest, {yesterday} in {ZONE}; got {until}")
    if vehicles_n < 1 or days_n < 1:
        raise FleetError(f"one vehicle and one day at least, got {vehicles_n} and {days_n}")
    return Span(seed, vehicles_n, days_n, until or yesterday)


def history(
    asked: Span, tail: LiveTail | None = None, on_day: Callable[[], None] = lambda: None
) -> Iterator[Message]:
    """All messages of a fleet, a shard of vehicles at a time, each day by day.

    `on_day` is called `vehicles_n * days_n` times in all, once per vehicle-day, driven or not.
    """
    waiting = vehicles(asked.seed, asked.vehicles_n, asked.until)
    while shard := [live(vehicle) for vehicle in islice(waiting, SHARD)]:
        driven = [life.driven(asked.first_day, asked.last_day).tolist() for life in shard]
        ahead = [iter(days) for days in driven]
        following = [next(days, None) for days in ahead]
        for today in range(asked.first_day, asked.last_day + 1):
            for k, life in enumerate(shard):
                on_day()
                day = today - life.vehicle.delivered_day
                if following[k] != day:
                    continue
                following[k] = next(ahead[k], None)
                yield from day_messages(life, day)
                if day == driven[k][0] and (codes := codes_message(life, day)) is not None:
                    yield codes
                if following[k] is None and tail is not None:
                    yield from tail(life, day)
