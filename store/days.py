"""Daily features: a batch's part merged into the stored days by rules that do not care about order."""

from datetime import datetime
from typing import Final

from store import arrays
from store.pool import Connection
from vehicle.feature_day import FeatureDays

MERGE: Final = """
    insert into vehicle_day as d (
        vehicle_id, day, starts_n, crank_min_v, rest_v, ambient_min_degc, ambient_max_degc,
        coolant_max_degc, oil_life_pct, engine_min_h, engine_max_h, samples_n, known_at
    )
    select n.*, %(known_at)s
    from unnest(
        %(vehicle_id)s, %(day)s, %(starts_n)s, %(crank_min_v)s, %(rest_v)s, %(ambient_min_degc)s,
        %(ambient_max_degc)s, %(coolant_max_degc)s, %(oil_life_pct)s, %(engine_min_h)s, %(engine_max_h)s,
        %(samples_n)s
    ) as n
    on conflict (vehicle_id, day) do update set
        starts_n = d.starts_n + excluded.starts_n,
        crank_min_v = least(d.crank_min_v, excluded.crank_min_v),
        rest_v = greatest(d.rest_v, excluded.rest_v),
        ambient_min_degc = least(d.ambient_min_degc, excluded.ambient_min_degc),
        ambient_max_degc = greatest(d.ambient_max_degc, excluded.ambient_max_degc),
        coolant_max_degc = greatest(d.coolant_max_degc, excluded.coolant_max_degc),
        oil_life_pct = least(d.oil_life_pct, excluded.oil_life_pct),
        engine_min_h = least(d.engine_min_h, excluded.engine_min_h),
        engine_max_h = greatest(d.engine_max_h, excluded.engine_max_h),
        samples_n = d.samples_n + excluded.samples_n,
        known_at = greatest(d.known_at, excluded.known_at)
"""


async def merge(conn: Connection, days: FeatureDays, *, known_at: datetime) -> None:
    """Add a batch's features to the stored days; `maintenance.daily.merge` says the same of two tables."""
    if not len(days):
        return
    floats = {
        name: arrays.float8s(getattr(days, name))
        for name in (
            "crank_min_v", "rest_v", "ambient_min_degc",
            "ambient_max_degc", "coolant_max_degc", "oil_life_pct", "engine_min_h", "engine_max_h",
        )
    }  # fmt: skip
    async with arrays.cursor(conn) as cur:
        await cur.execute(
            MERGE,
            {
                **floats,
                "vehicle_id": arrays.int8s(days.vehicle_id),
                "day": arrays.dates(days.day),
                "starts_n": arrays.int4s(days.starts_n),
                "samples_n": arrays.int8s(days.samples_n),
                "known_at": known_at,
            },
        )
