"""From messages as T-Boxes send them to the odometer that is shown, and that due dates rest on."""

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from decoders.message import CanMessage
from ingest import pipeline
from ingest.delivery import Delivery
from ingest.lexicon import Lexicon
from ingest.pipeline import Line
from odocare import wiring
from odocare.evaluate import Tally, evaluate_touched
from odocare.judgement import Judge
from simulator import captures
from simulator.replay import Journey, chunks
from store.pool import Connection, Pool
from store.sealed import Seal
from tests.ingest.senders import (
    EXTENDED,
    ODOMETER,
    SECOND_US,
    T0_US,
    can,
    deliver,
    shuffled,
    signals,
    vin,
)
from vehicle.odometer import J1939_VD

CAR: Final = vin(1)
DAY_US: Final = 86_400 * SECOND_US
KNOWN_US: Final = T0_US + 40 * DAY_US
AS_OF: Final = datetime(2025, 11, 20, tzinfo=UTC)
DISTANCE: Final = 0x18FEE000


@pytest.fixture(scope="module")
def line() -> Line:
    lexicon = Lexicon.of(wiring.catalogue(), wiring.codebooks(), wiring.dtc_table(), wiring.diagnostics())
    return Line(lexicon, Seal(bytes(range(32))))


async def rows(conn: Connection, query: str) -> list[tuple[Any, ...]]:
    return await (await conn.execute(query.encode())).fetchall()


async def truth(conn: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that the evaluation says of odometers."""
    return {
        "odometer": await rows(conn, "select km, at, source, shown_km, offset_km, epoch from odometer"),
        "days": await rows(
            conn,
            "select day, odometer_first_km, odometer_last_km, odometer_last_at from vehicle_day order by 1",
        ),
        "anomalies": await rows(
            conn, "select kind, happened_at, before, after, source, readings_n from anomaly order by 1, 2, 5"
        ),
    }


def vd(at_us: int, km: float, *, source: int = 0) -> tuple[int, int, bytes]:
    """Vehicle distance (PGN 65248, 0.125 km per bit)."""
    return (at_us, EXTENDED | DISTANCE | source, b"\xff" * 4 + round(km * 8).to_bytes(4, "little"))


def glitch(message: CanMessage) -> CanMessage:
    """The first readings of a message as a cluster that starts shows them: 3 km, then nothing."""
    data, mine = message.data.copy(), np.flatnonzero((message.can_id & 0x1FFFFFFF) == DISTANCE)
    starts = np.concatenate([[0], np.cumsum(message.length, dtype=np.int64)]).astype(np.int64)
    for frame, km in zip(mine[:3].tolist(), (3.0, 0.0, 0.0), strict=False):
        raw = round(km * 8).to_bytes(4, "little")
        data[starts[frame] + 4 : starts[frame] + 8] = np.frombuffer(raw, np.uint8)
    return replace(message, data=data)


def truck(*, starts_badly: bool) -> list[Delivery]:
    """The real capture as its T-Box would have sent it."""
    folder = os.environ.get("ODOCARE_FIXTURES")
    path = Path(folder or "") / "truck_j1939" / "truck.log.gz"
    if folder is None or not path.exists():
        pytest.skip("no real captures: set ODOCARE_FIXTURES")
    sent = list(chunks(captures.read(path), Journey(CAR, KNOWN_US - DAY_US, codebook="j1939")))
    if starts_badly:
        sent[0] = glitch(sent[0])
    return [deliver(message, known_us=KNOWN_US) for message in sent]


@pytest.mark.parametrize("starts_badly", [False, True])
async def test_the_real_truck_shows_its_odometer_though_nobody_registered_it(
    conn: Connection, pool: Pool, line: Line, by: Judge, *, starts_badly: bool
) -> None:
    await pipeline.store(conn, truck(starts_badly=starts_badly), line)
    assert await evaluate_touched(pool, by, as_of=AS_OF) == Tally()
    found = await truth(conn)
    assert [row[0] for row in found["odometer"]] == [13_832.875]
    assert [row[2:] for row in found["odometer"]] == [(J1939_VD, 13_832.875, 0.0, 0)]
    assert {row[1:3] for row in found["days"]} == {(13_832.875, 13_832.875)}
    told = [(row[0], *row[2:]) for row in found["anomalies"]]
    assert told == ([("odometer-start-up", 13_832.875, 3.0, "fee0-00", 3)] if starts_badly else [])
    assert await rows(conn, "select low_km from odometer_day") == [(13_832.875,)]


def history() -> list[Delivery]:
    """Ten days: glitches, two ECUs that differ by 40 km, a new cluster on the sixth day."""
    found, seq = [], 0
    for day in range(10):
        for hour in (0, 4, 8):
            t0_us = T0_US + day * DAY_US + hour * 3600 * SECOND_US
            km = 83_000.0 + 50.0 * day + 5.0 * hour
            cluster = km if day < 6 else km - 83_300.0 + 12.0
            frames = [
                vd(0, 3.0, source=0x17),
                vd(100_000, 0.0, source=0x17),
                vd(200_000, cluster, source=0x17),
                vd(700_000, cluster, source=0x17),
                vd(700_000, km - 40.0),
            ]
            found.append(deliver(can(CAR, seq, frames, t0_us=t0_us), known_us=KNOWN_US))
            seq += 1
    return found


@pytest.mark.parametrize("seed", range(3))
async def test_the_true_odometer_does_not_depend_on_how_messages_come(
    conn: Connection, pool: Pool, line: Line, by: Judge, seed: int
) -> None:
    await pipeline.store(conn, history(), line)
    await evaluate_touched(pool, by, as_of=AS_OF)
    expected = await truth(conn)
    assert [(row[0], row[2:]) for row in expected["odometer"]] == [
        (83_490.0 + 12.0 - 10.0, (J1939_VD + 0x17, 202.0, 83_290.0, 1))
    ]
    kinds = [(row[0], row[2], row[3], row[4]) for row in expected["anomalies"]]
    assert ("odometer-replaced", 83_290.0, 12.0, "fee0-17") in kinds
    assert {row[0] for row in kinds} == {"odometer-replaced", "odometer-start-up"}
    await conn.execute(
        "truncate message, segment, raw_frame, latest, vehicle_day, odometer_day, odometer, anomaly"
    )
    await conn.execute("delete from touched")
    late = shuffled(history() * 2, seed)
    for start in range(0, len(late), 7):
        await pipeline.store(conn, late[start : start + 7], line)
        if start % 21 == 0:
            await evaluate_touched(pool, by, as_of=AS_OF)
    await evaluate_touched(pool, by, as_of=AS_OF)
    assert await truth(conn) == expected


async def drive(conn: Connection, line: Line, days: Sequence[tuple[int, Sequence[float]]]) -> None:
    """One message a day with these kilometres an hour apart."""
    sent = [
        deliver(
            signals(
                CAR,
                day,
                {ODOMETER: [1000.0 * km for km in shown]},
                t0_us=T0_US + day * DAY_US,
                step_us=3600 * SECOND_US,
            ),
            known_us=KNOWN_US,
        )
        for day, shown in days
    ]
    await pipeline.store(conn, sent, line)


async def test_no_due_date_moves_with_what_is_kept_out(
    conn: Connection, pool: Pool, line: Line, by: Judge
) -> None:
    await conn.execute(
        "insert into vehicle (vin, model, use_class, built_on, delivered_on, registered_at)"
        " values (%s, 'odo-petrol', 'private', '2025-09-01', '2025-09-10', now())",
        (CAR,),
    )
    await conn.execute(
        "insert into service_plan (model, market, item, op_code, name_zh, name_en, first_km, every_km,"
        " source) values"
        " ('odo-petrol', 'CN', 'engine-oil', 'oil-change', '机油', 'Engine oil', 5000, 10000, 'test')"
    )
    await drive(conn, line, [(day, (1_000.0 + 40 * day, 1_040.0 + 40 * day)) for day in range(20)])
    await evaluate_touched(pool, by, as_of=AS_OF)
    newest = "select p10_on, p50_on, p90_on, odometer_km from prediction where is_newest"
    before = await rows(conn, newest)
    assert before[0][3] == 1_800.0
    bad = [
        (20, (0.0, 0.0)),
        (21, (200_000.0, 200_040.0)),
        (22, (200_040.0, 200_080.0)),
        (23, (16_777_215.0,)),
    ]
    await drive(conn, line, bad)
    await evaluate_touched(pool, by, as_of=AS_OF)
    assert await rows(conn, newest) == before
    found = await truth(conn)
    assert found["odometer"][0][0] == 1_800.0
    assert {row[0] for row in found["anomalies"]} >= {"odometer-fall", "odometer-leapt"}
    assert [row[1:3] for row in found["days"]][-4:] == [(1_760.0, 1_800.0)] + [(None, None)] * 3
