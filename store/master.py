"""Master data in bulk: dealers, vehicles, service plans and workshop visits, a whole file's part at once.

`given` names the columns that a file has: the others keep what is stored. A row that already stands there
as given is left alone, so that the same file twice changes nothing and asks for no evaluation.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import fields
from typing import Any, Final

import numpy as np
from psycopg.rows import class_row

from store import touched
from store.master_rows import (
    DealerRecord,
    KnownVehicle,
    PlanRecord,
    Stored,
    VehicleRecord,
    VisitRecord,
)
from store.pool import Connection
from vehicle.vin import Vin

IMPORT_LOCK: Final = 0x0D0CA9F
"""Advisory lock: two imports at once would wait for each other's rows crosswise."""
LOCK: Final = "select pg_advisory_lock(%(key)s)"
UNLOCK: Final = "select pg_advisory_unlock(%(key)s)"


async def lock(conn: Connection) -> None:
    """Wait until no other import runs; held until `unlock` or the connection's end."""
    await conn.execute(LOCK, {"key": IMPORT_LOCK})


async def unlock(conn: Connection) -> None:
    """Let the next import run."""
    await conn.execute(UNLOCK, {"key": IMPORT_LOCK})


DEALER_IDS: Final = "select code, id from dealer where code = any(%(codes)s)"


async def dealer_ids(conn: Connection, codes: Iterable[str]) -> dict[str, int]:
    """Numbers of those dealers that are known."""
    rows = await (await conn.execute(DEALER_IDS, {"codes": sorted(set(codes))})).fetchall()
    return {row[0]: row[1] for row in rows}


KNOWN: Final = """
    select id, vin, model, market, tz, built_on, delivered_on, registered_at is not null as is_registered
    from vehicle where vin = any(%(vins)s)
"""


async def known_vehicles(conn: Connection, vins: Iterable[Vin]) -> dict[Vin, KnownVehicle]:
    """Those of the VINs that have a row, registered or not."""
    async with conn.cursor(row_factory=class_row(KnownVehicle)) as cur:
        await cur.execute(KNOWN, {"vins": sorted(set(vins))})
        return {vehicle.vin: vehicle for vehicle in await cur.fetchall()}


PLAN_ITEMS: Final = """
    select p.model, p.market, p.item
    from service_plan p
        join unnest(%(models)s::text[], %(markets)s::text[]) as m (model, market) using (model, market)
"""


async def plan_items(
    conn: Connection, models: Collection[tuple[str, str]]
) -> dict[tuple[str, str], frozenset[str]]:
    """Items of the service plans of some models (model, market); models without a plan are left out."""
    wanted = sorted(set(models))
    given = {"models": [model for model, _ in wanted], "markets": [market for _, market in wanted]}
    found: dict[tuple[str, str], set[str]] = {}
    for model, market, item in await (await conn.execute(PLAN_ITEMS, given)).fetchall():
        found.setdefault((model, market), set()).add(item)
    return {key: frozenset(items) for key, items in found.items()}


PUT_DEALERS: Final = """
    with given as (
        select * from unnest(
            %(code)s::text[], %(name_zh)s::text[], %(name_en)s::text[], %(province)s::text[], %(city)s::text[]
        ) as g (code, name_zh, name_en, province, city)
    )
    insert into dealer as d (code, name_zh, name_en, province, city)
    select g.code, g.name_zh, g.name_en,
        case when 'province' = any(%(given)s) or o.id is null then g.province else o.province end,
        case when 'city' = any(%(given)s) or o.id is null then g.city else o.city end
    from given g left join dealer o on o.code = g.code
    order by g.code
    on conflict (code) do update set
        name_zh = excluded.name_zh, name_en = excluded.name_en, province = excluded.province,
        city = excluded.city
    where (d.name_zh, d.name_en, d.province, d.city)
        is distinct from (excluded.name_zh, excluded.name_en, excluded.province, excluded.city)
    returning d.xmax = 0
"""


async def put_dealers(conn: Connection, dealers: Sequence[DealerRecord], given: Collection[str]) -> Stored:
    """Add or change dealers; a dealer's name changes no prediction."""
    if not dealers:
        return Stored()
    rows = await (await conn.execute(PUT_DEALERS, _columns(dealers, given))).fetchall()
    return _stored([row[0] for row in rows], of=len(dealers))


PUT_VEHICLES: Final = """
    with given as (
        select * from unnest(
            %(vin)s::text[], %(plate)s::text[], %(model)s::text[], %(market)s::text[], %(use_class)s::text[],
            %(fuel)s::text[], %(tz)s::text[], %(built_on)s::date[], %(delivered_on)s::date[],
            %(dealer_id)s::bigint[], %(owner_ref)s::text[], %(iccid)s::text[]
        ) as g (
            vin, plate, model, market, use_class, fuel, tz, built_on, delivered_on, dealer_id, owner_ref,
            iccid
        )
    ), merged as (
        select g.vin, g.model,
            case when 'plate' = any(%(given)s) then g.plate else o.plate end as plate,
            case when 'market' = any(%(given)s) or o.id is null then g.market else o.market end as market,
            case when 'use_class' = any(%(given)s) or o.id is null
                then g.use_class else o.use_class end as use_class,
            case when 'fuel' = any(%(given)s) or o.id is null then g.fuel else o.fuel end as fuel,
            case when 'tz' = any(%(given)s) or o.id is null then g.tz else o.tz end as tz,
            case when 'built_on' = any(%(given)s) then g.built_on else o.built_on end as built_on,
            case when 'delivered_on' = any(%(given)s)
                then g.delivered_on else o.delivered_on end as delivered_on,
            case when 'dealer' = any(%(given)s) then g.dealer_id else o.dealer_id end as dealer_id,
            case when 'owner_ref' = any(%(given)s) then g.owner_ref else o.owner_ref end as owner_ref,
            case when 'iccid' = any(%(given)s) then g.iccid else o.iccid end as iccid
        from given g left join vehicle o on o.vin = g.vin
    )
    insert into vehicle as v (
        vin, plate, model, market, use_class, fuel, tz, built_on, delivered_on, dealer_id, owner_ref, iccid,
        registered_at
    )
    select vin, plate, model, market, use_class, fuel, tz, built_on, delivered_on, dealer_id, owner_ref,
        iccid, now()
    from merged order by vin
    on conflict (vin) do update set
        plate = excluded.plate, model = excluded.model, market = excluded.market,
        use_class = excluded.use_class, fuel = excluded.fuel, tz = excluded.tz, built_on = excluded.built_on,
        delivered_on = excluded.delivered_on, dealer_id = excluded.dealer_id, owner_ref = excluded.owner_ref,
        iccid = excluded.iccid, registered_at = coalesce(v.registered_at, excluded.registered_at)
    where v.registered_at is null or (
            v.plate, v.model, v.market, v.use_class, v.fuel, v.tz, v.built_on, v.delivered_on, v.dealer_id,
            v.owner_ref, v.iccid
        ) is distinct from (
            excluded.plate, excluded.model, excluded.market, excluded.use_class, excluded.fuel, excluded.tz,
            excluded.built_on, excluded.delivered_on, excluded.dealer_id, excluded.owner_ref, excluded.iccid
        )
    returning v.xmax = 0, v.vin, v.id, (v.first_seen_at at time zone v.tz)::date - date '1970-01-01'
"""


async def put_vehicles(conn: Connection, vehicles: Sequence[VehicleRecord], given: Collection[str]) -> Stored:
    """Add or change vehicles; all of them are registered from now on. New and changed ones are touched."""
    if not vehicles:
        return Stored()
    before = await known_vehicles(conn, [vehicle.vin for vehicle in vehicles])
    rows = await (await conn.execute(PUT_VEHICLES, _columns(vehicles, given))).fetchall()
    registered = sum(1 for row in rows if row[1] in before and not before[row[1]].is_registered)
    marked = await _touch(conn, {row[2]: row[3] for row in rows})
    return _stored([row[0] for row in rows], of=len(vehicles), registered=registered, marked=marked)


PUT_PLANS: Final = """
    with given as (
        select * from unnest(
            %(model)s::text[], %(market)s::text[], %(item)s::text[], %(op_code)s::text[], %(name_zh)s::text[],
            %(name_en)s::text[], %(first_km)s::float8[], %(first_d)s::integer[], %(every_km)s::float8[],
            %(every_d)s::integer[], %(source)s::text[]
        ) as g (
            model, market, item, op_code, name_zh, name_en, first_km, first_d, every_km, every_d, source
        )
    )
    insert into service_plan as p (
        model, market, item, op_code, name_zh, name_en, first_km, first_d, every_km, every_d, source
    )
    select model, market, item, op_code, name_zh, name_en, first_km, first_d, every_km, every_d, source
    from given order by model, market, item
    on conflict (model, market, item) do update set
        op_code = excluded.op_code, name_zh = excluded.name_zh, name_en = excluded.name_en,
        first_km = excluded.first_km, first_d = excluded.first_d, every_km = excluded.every_km,
        every_d = excluded.every_d, source = excluded.source
    where (p.*) is distinct from (excluded.*)
    returning p.xmax = 0, p.model, p.market
"""
OF_MODELS: Final = """
    select v.id, (v.first_seen_at at time zone v.tz)::date - date '1970-01-01'
    from vehicle v
        join unnest(%(models)s::text[], %(markets)s::text[]) as m (model, market) using (model, market)
    where v.registered_at is not null
"""


async def put_plans(conn: Connection, items: Sequence[PlanRecord], given: Collection[str]) -> Stored:
    """Add or change items of service plans; the vehicles of those models are touched. None is taken away."""
    if not items:
        return Stored()
    rows = await (await conn.execute(PUT_PLANS, _columns(items, given))).fetchall()
    models = sorted({(row[1], row[2]) for row in rows})
    wanted = {"models": [model for model, _ in models], "markets": [market for _, market in models]}
    vehicles = await (await conn.execute(OF_MODELS, wanted)).fetchall()
    marked = await _touch(conn, {row[0]: row[1] for row in vehicles})
    return _stored([row[0] for row in rows], of=len(items), marked=marked)


PUT_VISITS: Final = """
    with given as (
        select * from unnest(
            %(vehicle_id)s::bigint[], %(visited_at)s::timestamptz[], %(odometer_km)s::float8[],
            %(dealer_id)s::bigint[], %(repair_order)s::text[], %(items)s::text[], %(finding)s::text[]
        ) as g (vehicle_id, visited_at, odometer_km, dealer_id, repair_order, items, finding)
    ), before as (
        select o.* from service_visit o join given g using (vehicle_id, repair_order)
    ), put as (
        insert into service_visit as s (
            vehicle_id, visited_at, odometer_km, dealer_id, repair_order, items, finding, source
        )
        select g.vehicle_id, g.visited_at,
            case when 'odometer_km' = any(%(given)s) then g.odometer_km else o.odometer_km end,
            case when 'dealer' = any(%(given)s) then g.dealer_id else o.dealer_id end,
            g.repair_order,
            case when 'items' = any(%(given)s) or o.id is null
                then string_to_array(g.items, E'\n') else o.items end,
            case when 'finding' = any(%(given)s) then g.finding else o.finding end,
            'import'
        from given g left join before o using (vehicle_id, repair_order)
        order by g.vehicle_id, g.repair_order
        on conflict (vehicle_id, repair_order) do update set
            visited_at = excluded.visited_at, odometer_km = excluded.odometer_km,
            dealer_id = excluded.dealer_id, items = excluded.items, finding = excluded.finding,
            known_at = now()
        where (s.visited_at, s.odometer_km, s.dealer_id, s.items, s.finding) is distinct from
            (excluded.visited_at, excluded.odometer_km, excluded.dealer_id, excluded.items, excluded.finding)
        returning s.xmax = 0 as is_new, s.vehicle_id, s.repair_order, s.visited_at
    )
    select p.is_new, p.vehicle_id,
        (least(p.visited_at, b.visited_at) at time zone v.tz)::date - date '1970-01-01'
    from put p join vehicle v on v.id = p.vehicle_id left join before b using (vehicle_id, repair_order)
"""


async def put_visits(conn: Connection, visits: Sequence[VisitRecord], given: Collection[str]) -> Stored:
    """Add or change visits, found again by vehicle and repair order; their vehicles are touched."""
    if not visits:
        return Stored()
    columns = _columns(visits, given) | {"items": ["\n".join(visit.items) for visit in visits]}
    rows = await (await conn.execute(PUT_VISITS, columns)).fetchall()
    earliest: dict[int, int] = {}
    for _, vehicle_id, day in rows:
        earliest[vehicle_id] = min(day, earliest.get(vehicle_id, day))
    marked = await _touch(conn, earliest)
    return _stored([row[0] for row in rows], of=len(visits), marked=marked)


async def _touch(conn: Connection, from_days: dict[int, int]) -> int:
    """Ask for an evaluation of vehicles, each from its earliest changed local day."""
    vehicles = sorted(from_days)
    await touched.mark(
        conn,
        np.array(vehicles, dtype=np.int64),
        np.array([from_days[vehicle] for vehicle in vehicles], dtype=np.int32),
    )
    return len(vehicles)


def _columns(
    records: Sequence[DealerRecord | VehicleRecord | PlanRecord | VisitRecord], given: Collection[str]
) -> dict[str, Any]:
    """One array per field, for `unnest`, and the names of the columns a file has."""
    names = [field.name for field in fields(records[0])] if records else []
    columns: dict[str, Any] = {name: [getattr(record, name) for record in records] for name in names}
    return columns | {"given": sorted(given)}


def _stored(are_new: list[bool], *, of: int, registered: int = 0, marked: int = 0) -> Stored:
    new = sum(are_new)
    return Stored(
        new=new,
        changed=len(are_new) - new,
        unchanged=of - len(are_new),
        registered=registered,
        touched=marked,
    )
