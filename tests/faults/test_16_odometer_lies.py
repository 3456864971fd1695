"""16: the odometer rolls back, jumps by 200,000 km, shows miles, or 0xFFFFFF."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from ingest.delivery import Delivery
from odocare.evaluate import evaluate_touched
from store.pool import Connection, Pool, open_pool
from tests.faults.corridor import rows, stored
from tests.faults.table import Experiment
from tests.ingest.senders import EXTENDED, ODOMETER, SECOND_US, T0_US, can, deliver, signals, vin
from tests.odocare.garage import RULES, judge_of
from vehicle.vin import Vin

DAY_US: Final = 86_400 * SECOND_US
GOOD_DAYS: Final = 60
KNOWN_US: Final = T0_US + 70 * DAY_US
AS_OF: Final = datetime(2025, 12, 11, tzinfo=UTC)
MILE_KM: Final = 1.609344
VDHR: Final = EXTENDED | 0x18FEC100


def km(day: int) -> float:
    """What the odometer shows in the morning: 50 km a day, the oil change is due at 25,000."""
    return 21_000.0 + 50.0 * day


IMPOSSIBLE: Final = "0xFFFFFF km"
"""Beyond what the catalogue lets an odometer be: counted, and stored nowhere but in its message."""
LIES: Final[Mapping[str, Sequence[tuple[float, float]]]] = {
    "rolled back": [(9_200.0 + 50 * day, 9_240.0 + 50 * day) for day in range(3)],
    "jumped by 200,000 km": [
        (200_000.0 + km(GOOD_DAYS + day), 200_040.0 + km(GOOD_DAYS + day)) for day in range(3)
    ],
    "shows miles": [
        (km(GOOD_DAYS + day) / MILE_KM, (km(GOOD_DAYS + day) + 40) / MILE_KM) for day in range(3)
    ],
    "shows kilometres as if they were miles": [
        (km(GOOD_DAYS + day) * MILE_KM, (km(GOOD_DAYS + day) + 40) * MILE_KM) for day in range(3)
    ],
    "0xFFFFFF tenths of a kilometre": [(1_677_721.5, 1_677_721.5)] * 3,
    IMPOSSIBLE: [(16_777_215.0, 16_777_215.0)] * 3,
    "0 for a day": [(0.0, 0.0)],
}
"""Kilometres that are shown in the morning and in the evening of the days behind the good ones."""
VEHICLES: Final[Mapping[str, Vin]] = {lie: vin(160 + number) for number, lie in enumerate(LIES)}


def shown(of: Vin, day: int, values: Sequence[float]) -> Delivery:
    """A day's message, an hour between two readings."""
    metres = [1000.0 * value for value in values]
    t0_us = T0_US + day * DAY_US
    return deliver(
        signals(of, day, {ODOMETER: metres}, t0_us=t0_us, step_us=3600 * SECOND_US), known_us=KNOWN_US
    )


def not_available(of: Vin) -> Delivery:
    """J1939's own words for it: all ones, and an error."""
    frames = [
        (n * 1000, VDHR, word + b"\xff" * 4) for n, word in enumerate((b"\xff" * 4, b"\x00\x00\x00\xfe"))
    ]
    t0_us = T0_US + (GOOD_DAYS + 1) * DAY_US
    return deliver(can(of, 1000, frames, t0_us=t0_us), known_us=KNOWN_US)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(database_url, most=2) as opened:
        yield opened


async def register(conn: Connection) -> None:
    await conn.execute("insert into dealer (code, name_zh, name_en) values ('D1', '一店', 'One')")
    await conn.execute(
        "insert into service_plan (model, market, item, op_code, name_zh, name_en, first_km, every_km,"
        " source) values"
        " ('odo-petrol', 'CN', 'engine-oil', 'oil-change', '机油', 'Engine oil', 25000, 10000, 'test')"
    )
    for of in VEHICLES.values():
        await conn.execute(
            "insert into vehicle (vin, model, use_class, built_on, delivered_on, dealer_id, registered_at)"
            " select %s, 'odo-petrol', 'private', '2025-09-01', '2025-09-10', id, now() from dealer",
            (of,),
        )


async def promised(conn: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Forecasts, reminders and the feed, without the moments they were written at."""
    return {
        "prediction": await rows(
            conn,
            "select v.vin, p.item, p.p10_on, p.p50_on, p.p90_on, p.odometer_km from prediction p"
            " join vehicle v on v.id = p.vehicle_id where p.is_newest order by 1, 2",
        ),
        "trigger": await rows(
            conn,
            "select id, rule_id, occasion, revision, due_p50_on from trigger"
            " where closed_at is null order by id",
        ),
        "feed": await rows(conn, "select count(*) from trigger_event"),
        "odometer": await rows(
            conn, "select v.vin, o.km from odometer o join vehicle v on v.id = o.vehicle_id order by 1"
        ),
    }


@pytest.mark.experiment(16, "the odometer lies", quick=True)
async def test_no_forecast_rests_on_a_lie_and_no_reminder_moves(
    experiment: Experiment, conn: Connection, pool: Pool
) -> None:
    by = judge_of(RULES)
    await register(conn)
    good = [shown(of, day, (km(day), km(day) + 40)) for of in VEHICLES.values() for day in range(GOOD_DAYS)]
    await stored(conn, good)
    await evaluate_touched(pool, by, as_of=AS_OF)
    before = await promised(conn)
    assert len(before["prediction"]) == len(before["trigger"]) == len(LIES)
    assert {row[1] for row in before["odometer"]} == {km(GOOD_DAYS - 1) + 40}

    lies = [
        shown(VEHICLES[lie], GOOD_DAYS + day, values)
        for lie, days in LIES.items()
        for day, values in enumerate(days)
    ]
    lies += [not_available(of) for of in VEHICLES.values()]
    experiment.draw.shuffle(lies)
    tally = await stored(conn, lies)
    assert (tally.stored, tally.rejected) == (len(lies), 0)
    await evaluate_touched(pool, by, as_of=AS_OF)
    found = await promised(conn)
    for what, expected in before.items():
        assert found[what] == expected, what
    noticed = dict(
        await rows(
            conn,
            "select v.vin, string_agg(distinct a.kind, ' ' order by a.kind) from anomaly a"
            " join vehicle v on v.id = a.vehicle_id group by 1",
        )
    )
    assert noticed.keys() == set(VEHICLES.values()) - {VEHICLES[IMPOSSIBLE]}
    assert tally.out_of_range == 2 * len(LIES[IMPOSSIBLE])
    for lie, of in VEHICLES.items():
        what = noticed.get(of, f"{tally.out_of_range} values out of range counted")
        experiment.note(f"{lie}: {what.replace('odometer-', '')}")
