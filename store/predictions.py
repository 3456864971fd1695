"""Predictions: appended, never changed; the newest of each item is marked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from store.pool import Connection


@dataclass(frozen=True, slots=True)
class Prediction:
    """When one service item of one vehicle is due, by a model's reckoning at `as_of`."""

    vehicle_id: int
    item: str
    as_of: datetime
    model: str
    model_version: str
    status: str
    cycle: int
    is_first: bool
    p10_on: date | None
    p20_on: date | None
    p50_on: date | None
    p90_on: date | None
    binding: str | None
    due_probability: float | None
    km_left_p20: float | None
    odometer_km: float | None
    odometer_at: datetime | None
    evidence: dict[str, Any]


NEWEST: Final = """
    select vehicle_id, item, as_of, model, model_version, status, cycle, is_first,
        p10_on, p20_on, p50_on, p90_on, binding, due_probability,
        km_left_p20, odometer_km, odometer_at, evidence
    from prediction where vehicle_id = any(%(ids)s) and is_newest
"""


async def newest(conn: Connection, vehicle_ids: Sequence[int]) -> list[Prediction]:
    """The newest prediction of every item of some vehicles."""
    async with conn.cursor(row_factory=class_row(Prediction)) as cur:
        await cur.execute(NEWEST, {"ids": list(vehicle_ids)})
        return await cur.fetchall()


SUPERSEDE: Final = """
    update prediction p set is_newest = false
    from unnest(%(vehicle_ids)s::bigint[], %(items)s::text[]) as w (vehicle_id, item)
    where p.vehicle_id = w.vehicle_id and p.item = w.item and p.is_newest
"""
APPEND: Final = """
    copy prediction (
        vehicle_id, item, as_of, model, model_version, status, cycle, is_first,
        p10_on, p20_on, p50_on, p90_on, binding, due_probability,
        km_left_p20, odometer_km, odometer_at, evidence
    ) from stdin
"""


async def append(
    conn: Connection, predictions: Sequence[Prediction], dropped: Sequence[tuple[int, str]] = ()
) -> None:
    """Add predictions, the newest of their (vehicle, item) from now on; `dropped` keys have none any more."""
    keys = [*((row.vehicle_id, row.item) for row in predictions), *dropped]
    await conn.execute(
        SUPERSEDE, {"vehicle_ids": [key[0] for key in keys], "items": [key[1] for key in keys]}
    )
    async with conn.cursor() as cur, cur.copy(APPEND) as copy:
        for row in predictions:
            await copy.write_row(
                (
                    row.vehicle_id,
                    row.item,
                    row.as_of,
                    row.model,
                    row.model_version,
                    row.status,
                    row.cycle,
                    row.is_first,
                    row.p10_on,
                    row.p20_on,
                    row.p50_on,
                    row.p90_on,
                    row.binding,
                    row.due_probability,
                    row.km_left_p20,
                    row.odometer_km,
                    row.odometer_at,
                    Jsonb(row.evidence),
                )
            )
