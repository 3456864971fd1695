"""Decoding again where several ECUs count the kilometres of a vehicle."""

from datetime import date

import pytest

import dbc
from decoders import codebook
from decoders.codebook import Codebook
from ingest.delivery import Delivery
from odocare import wiring
from store.pool import Connection
from tests.ingest.senders import EXTENDED, ODOMETER, T0_US, can, contents, deliver, signals, vin
from tests.odocare.redecoding import HOUR_US, SECOND_US, again, derived, empty, line, store
from vehicle import odometer

TRUCK = vin(1)
CLUSTER, ENGINE = 0x17, 0x00
BEFORE_MIDNIGHT_US = 7 * HOUR_US + 300 * SECOND_US
"""After T0: 23:58:20 in Shanghai."""


def heavy(*, is_right: bool) -> Codebook:
    """The shipped J1939, or one with twice the distance."""
    text = dbc.read("j1939.dbc")
    if not is_right:
        text = text.replace('32|32@1+ (0.125,0) [0|526385151.875] "km"', '32|32@1+ (0.25,0) [0|0] "km"')
    return codebook.load("j1939", {"j1939.dbc": text}, dbc.read("j1939.toml"), wiring.catalogue())


RIGHT, WRONG = heavy(is_right=True), heavy(is_right=False)


def distance(at_us: int, km: float, address: int) -> tuple[int, int, bytes]:
    return (at_us, EXTENDED | 0x18FEE000 | address, b"\xff" * 4 + int(km * 8).to_bytes(4, "little"))


def fine(at_us: int, km: float) -> tuple[int, int, bytes]:
    return (at_us, EXTENDED | 0x18FEC100, int(km * 200).to_bytes(4, "little") + b"\xff" * 4)


def haul() -> list[Delivery]:
    """Two days, a message across the midnight between them, two ECUs that count at the same moments."""
    found = []
    for seq, t0_us in enumerate((0, HOUR_US, BEFORE_MIDNIGHT_US, 8 * HOUR_US, 9 * HOUR_US)):
        frames = []
        for minute in range(5):
            km = 80_000.0 + seq * 60 + minute
            at_us = minute * 60 * SECOND_US
            frames += [distance(at_us, km, ENGINE), distance(at_us, km + 2.5, CLUSTER), fine(at_us, km)]
        found.append(deliver(can(TRUCK, seq, frames, t0_us=T0_US + t0_us, codebook="j1939")))
    found.append(deliver(signals(TRUCK, 9, {ODOMETER: 80_002_500.0}, t0_us=T0_US)))
    return found


async def days(conn: Connection) -> dict[tuple[date, int], dict[str, object]]:
    """Rows of `odometer_day` by day and source."""
    found = (await contents(conn, "odometer_day"))["odometer_day"]
    return {(date.fromisoformat(row["day"]), row["source"]): row for _, row in found}


async def test_each_ecu_s_readings_are_replaced_under_its_own_name(conn: Connection) -> None:
    await store(conn, haul(), line(RIGHT))
    expected = await derived(conn)
    sources = {source for _, source in await days(conn)}
    assert sources == {
        odometer.SIGNALS,
        odometer.J1939_VD + CLUSTER,
        odometer.J1939_VD + ENGINE,
        odometer.J1939_VDHR + ENGINE,
    }
    await empty(conn)
    await store(conn, haul(), line(WRONG))
    await again(conn, RIGHT)
    assert await derived(conn) == expected


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Europe/Berlin", "Pacific/Kiritimati"])
async def test_where_the_zone_was_put_right_no_wrong_reading_stays(conn: Connection, zone: str) -> None:
    """Days were cut at other hours when they were stored: readings stand on the day before or after."""
    sent = [
        deliver(
            can(
                TRUCK,
                seq,
                [distance(0, 80_000.0 + seq, ENGINE)],
                t0_us=T0_US + seq * 3 * HOUR_US,
                codebook="j1939",
            )
        )
        for seq in range(24)
    ]
    await store(conn, sent, line(WRONG))
    await conn.execute("update vehicle set tz = %(zone)s", {"zone": zone})
    await again(conn, RIGHT)
    found = await derived(conn)
    await empty(conn)
    await store(conn, sent, line(RIGHT))
    assert await derived(conn) == found


async def test_messages_of_the_next_day_keep_their_readings_until_it_is_their_turn(conn: Connection) -> None:
    await store(conn, haul(), line(WRONG))
    before = await days(conn)
    first, second = date(2025, 10, 9), date(2025, 10, 10)
    await again(conn, RIGHT, until=first)
    after = await days(conn)
    assert after.keys() == before.keys()
    cluster = odometer.J1939_VD + CLUSTER
    assert (before[first, cluster]["last_km"], after[first, cluster]["last_km"]) == (160_247.0, 80_123.5)
    assert after[second, cluster]["first_km"] == 80_124.5  # of the message across midnight
    assert after[second, cluster]["last_km"] == before[second, cluster]["last_km"] == 160_493.0
    assert after[first, odometer.SIGNALS] == before[first, odometer.SIGNALS]


async def test_where_frames_are_gone_the_readings_stay_those_of_who_counted_them(conn: Connection) -> None:
    await store(conn, haul(), line(WRONG))
    await conn.execute("delete from raw_frame where seq = 4")
    await again(conn, RIGHT)
    second = {source: row for (day, source), row in (await days(conn)).items() if day == date(2025, 10, 10)}
    assert odometer.UNTOLD not in second
    assert second[odometer.J1939_VD + CLUSTER]["high_km"] == 160_493.0
    assert second[odometer.J1939_VD + CLUSTER]["low_km"] == 80_124.5
    assert second[odometer.J1939_VDHR + ENGINE]["high_km"] == 80_244.0


async def test_nobody_is_said_to_have_counted_what_was_stored_before_senders_were(conn: Connection) -> None:
    await store(conn, haul(), line(WRONG))
    await conn.execute("delete from raw_frame where seq = 4")
    await conn.execute("update segment_shape set source = null")
    await again(conn, RIGHT)
    second = {source: row for (day, source), row in (await days(conn)).items() if day == date(2025, 10, 10)}
    assert second[odometer.UNTOLD]["high_km"] == 160_493.0
    assert second[odometer.J1939_VD + CLUSTER]["high_km"] == 80_186.5


async def test_a_day_from_before_sources_were_told_is_told_apart(conn: Connection) -> None:
    await store(conn, haul(), line(RIGHT))
    expected = await derived(conn)
    await empty(conn)
    await store(conn, haul(), line(WRONG))
    await conn.execute("delete from odometer_day where source <> 257 and source <> 256")
    await conn.execute("update odometer_day set source = 0 where source = 256")
    await again(conn, RIGHT)
    assert await derived(conn) == expected


async def test_readings_of_a_codebook_that_is_no_longer_there_stay(conn: Connection) -> None:
    """Nobody can decode its frames again: what is stored of them counts, whoever counted it."""
    morning, evening = (
        deliver(can(TRUCK, seq, [distance(0, km, ENGINE)], t0_us=T0_US + seq * HOUR_US, codebook="j1939"))
        for seq, km in enumerate((80_000.0, 80_100.0))
    )
    await store(conn, [morning], line(RIGHT))
    await conn.execute("update codebook set name = 'gone'")
    await store(conn, [evening], line(WRONG))
    await again(conn, RIGHT)
    found = {source: (row["first_km"], row["last_km"]) for (_, source), row in (await days(conn)).items()}
    assert found == {odometer.J1939_VD + ENGINE: (80_000.0, 80_100.0)}
