"""Vehicles as ingest needs them: by VIN, and made on their first message."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from store import arrays
from store.pool import Connection
from vehicle.vin import Vin


@dataclass(frozen=True, slots=True)
class VehicleRef:
    """What decides how a vehicle's message is read."""

    id: int
    vin: Vin
    model: str | None
    tz: str
    built_on: date | None
    registered: bool
    location_allowed: bool


FIND: Final = """
    select id, vin, model, tz, built_on, registered_at is not null, location_allowed
    from vehicle where vin = any(%(vins)s)
"""
ADD: Final = """
    insert into vehicle (vin) select unnest(%(vins)s::text[]) order by 1 on conflict (vin) do nothing
"""


async def known(conn: Connection, vins: Iterable[str]) -> dict[Vin, VehicleRef]:
    """Those of the VINs that have a row, registered or not."""
    async with arrays.cursor(conn) as cur:
        await cur.execute(FIND, {"vins": arrays.texts(sorted(set(vins)))}, binary=True)
        return {row[1]: VehicleRef(*row) for row in await cur.fetchall()}


HAS_MODEL: Final = "select exists (select from vehicle where model = %(model)s)"


async def has_model(conn: Connection, model: str) -> bool:
    """Whether any vehicle is of this model."""
    cur = await conn.execute(HAS_MODEL, {"model": model})
    row = await cur.fetchone()
    return row is not None and bool(row[0])


async def by_vin(conn: Connection, vins: Iterable[Vin]) -> dict[Vin, VehicleRef]:
    """All of the VINs; the unknown ones get an unregistered row."""
    wanted = set(vins)
    found = await known(conn, wanted)
    missing = wanted - found.keys()
    if missing:
        await conn.execute(ADD, {"vins": sorted(missing)})
        found |= await known(conn, missing)
    return found


TERMINAL: Final = "select id, iccid from vehicle where vin = %(vin)s and registered_at is not null"


@dataclass(frozen=True, slots=True)
class Terminal:
    """Who may log in for a registered vehicle over GB/T 32960."""

    vehicle_id: int
    iccid: str | None
    """Of the SIM card; None: nobody has said, so nobody may."""


async def terminal(conn: Connection, vin: Vin) -> Terminal | None:
    """The terminal of a vehicle; None where the vehicle is not registered."""
    row = await (await conn.execute(TERMINAL, {"vin": vin})).fetchone()
    return None if row is None else Terminal(*row)


PUBLIC_ID: Final = "select public_id from vehicle where vin = %(vin)s"


async def public_id(conn: Connection, vin: Vin) -> UUID | None:
    """The random id that stands for a vehicle outside; None where it never sent and is not registered."""
    row = await (await conn.execute(PUBLIC_ID, {"vin": vin})).fetchone()
    return row[0] if row else None
