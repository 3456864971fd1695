"""Servers of a benchmark's own, as the local stack runs them, with a registered fleet."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from bench import _fleet
from odocare.settings import Settings
from odocare.stack.local import Wanted
from odocare.stack.postgres import Size
from odocare.stack.temporary import temporary_stack
from store import master, migrate
from store.master_rows import VehicleRecord
from store.pool import connect

SIZE = Size(shared_buffers_mb=1024, max_wal_mb=8192)
_REGISTERED_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker with nothing beside it."""

    url: str
    """For who subscribes."""
    fleet_url: str
    """For whoever sends as vehicles."""


@dataclass(frozen=True, slots=True)
class Servers:
    """Where they are; both go away with the benchmark."""

    home: Path
    """Of the child processes; keys and logs go there."""
    database_url: str
    fleet_mqtt_url: str
    """For whoever sends as vehicles."""
    brokers: tuple[Broker, ...]
    """Others of the same configuration, for ingest's contenders: each broker has one subscriber."""
    environment: dict[str, str]
    """Of `odocare` processes."""


@contextmanager
def servers(settings: Settings, *, vehicles: int, brokers: int = 0) -> Iterator[Servers]:
    """A migrated database with so many registered vehicles, a broker for ingest, and so many more."""
    setup = settings.home.absolute()
    with ExitStack() as stack:
        first = stack.enter_context(temporary_stack(setup, Wanted(size=SIZE)))
        url = first.addresses.database_url or ""
        asyncio.run(_prepare(url, vehicles))
        others = [
            stack.enter_context(temporary_stack(setup, Wanted(database=False))).addresses
            for _ in range(brokers)
        ]
        mine, *peers = (
            Broker(one.mqtt_url or "", one.simulator_mqtt_url or "") for one in (first.addresses, *others)
        )
        home = first.home / "bench"
        home.mkdir()
        cache = (settings.cache or settings.home / "cache").absolute()
        environment = {
            "ODOCARE_DATABASE_URL": url,
            "ODOCARE_MQTT_URL": mine.url,
            "ODOCARE_HOME": str(home),
            "ODOCARE_CACHE": str(cache),
        }
        yield Servers(home, url, mine.fleet_url, tuple(peers), environment)


async def _prepare(database_url: str, vehicles: int) -> None:
    async with connect(database_url) as conn:
        await migrate.migrate(conn, migrate.read_migrations())
        for start in range(0, vehicles, _REGISTERED_AT_ONCE):
            records = [_record(n) for n in range(start, min(start + _REGISTERED_AT_ONCE, vehicles))]
            await master.put_vehicles(conn, records, _GIVEN)


_GIVEN = frozenset({"vin", "model", "built_on"})


def _record(number: int) -> VehicleRecord:
    return VehicleRecord(
        vin=_fleet.vin(number),
        plate=None,
        model=_fleet.MODEL,
        market="cn",
        use_class="private",
        fuel="petrol",
        tz="Asia/Shanghai",
        built_on=date(2024, 1, 1),
        delivered_on=None,
        dealer_id=None,
        owner_ref=None,
    )
