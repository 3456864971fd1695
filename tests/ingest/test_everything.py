"""All kinds of messages together: in any order, doubled, in any batches, they end in the same rows."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pytest

from ingest import pipeline
from ingest.committer import Committer
from ingest.delivery import Delivery
from ingest.metrics import Metrics, Tally
from ingest.pipeline import Line
from store import signals as catalogue
from store.pool import Connection
from tests.ingest.gbt_packets import alarming, login, logout, of_vehicle, published, written_report
from tests.ingest.senders import (
    AMBIENT,
    CRANKING,
    EXTENDED,
    KNOWN_US,
    LATITUDE,
    ODOMETER,
    SECOND_US,
    T0_US,
    can,
    codes,
    contents,
    deliver,
    dm1_bam,
    raw,
    signals,
    vdhr,
    vin,
)
from tests.ingest.talks import diag, frames_message, kona_line, talk
from vehicle.vin import Vin

CAR, SILENT, BUS, TRUCK, TWIN = (vin(number) for number in range(1, 6))
HOUR_US: Final = 3600 * SECOND_US
BATTERY: Final = "620101fff7e7ff64" + "00" * 54
SCR, CONTROL, NETWORK = (3216, 20, 2), (980, 9, 126), (609, 9, 1)
VEHICLES: Final = [(CAR, "Kona", True), (SILENT, "Kona", False), (BUS, None, True), (TRUCK, None, True)]
"""VIN, model, whether positions may be kept; the twin is not registered."""
TABLES: Final = (
    "message, segment, raw_frame, raw_packet, raw_answer, latest, vehicle_day, odometer_day, transport_carry,"
    " fault_report, fault_event, fault, identity, anomaly, touched, reject"
)
Values = dict[str, float | Sequence[float]]
MORE: Final = {
    "raw_answer": "select v.vin, r.at, r.boot, r.life, r.seq, c.name, r.answers from raw_answer r"
    " join vehicle v on v.id = r.vehicle_id join codebook c on c.id = r.codebook_id order by 1, 3, 4, 5",
    "identity": "select v.vin, to_jsonb(i) - 'vehicle_id' - 'known_at' - 'id' from identity i"
    " join vehicle v on v.id = i.vehicle_id order by 1, i.ecu, i.kind, i.value, i.day",
    "anomaly": "select v.vin, a.kind, a.happened_at, a.reason from anomaly a"
    " join vehicle v on v.id = a.vehicle_id order by 1, 2, 3, 4",
    "isotp": "select v.vin, t.boot, t.life, t.seq, t.isotp from transport_carry t"
    " join vehicle v on v.id = t.vehicle_id order by 1, 2, 3, 4",
}


async def everything(conn: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """What all tables say."""
    found = await contents(conn)
    return found | {name: await (await conn.execute(sql.encode())).fetchall() for name, sql in MORE.items()}


def mixed(of: Vin) -> Iterator[Delivery]:
    """A car's day: values, codes, answers, conversations cut between messages, packets, broken ones."""
    frames = talk(
        *[(0x7EC, BATTERY), (0x7E0, "1902ff"), (0x7E8, "5902ff0301002f0420002f"), (0x7EC, BATTERY)] * 2,
        (0x7E0, "14ffffff"), (0x7E8, "54"), (0x7EC, BATTERY), (0x7E0, "1902ff"), (0x7E8, "5902ff0301002f"),
    )  # fmt: skip
    said = [
        ("43010301", "03"), ("470203010420", "07"), ("4a010301", "0a"), ("44", "04"), ("4300", "03"),
        ("4700", "07"), ("4a00", "0a"), ("5902ff0301000c", "1902ff"), ("54", "14ffffff"),
        ("5902ff03010050", "1902ff"), ("5902ff0301002f", "1902ff"), ("410d32", "010d"), ("7f2231", "22ffee"),
        ("62f190" + str(vin(77)).encode().hex(), "22f190"), ("5902", "1902ff"),
    ]  # fmt: skip
    seq = 0
    for place in range(0, len(frames), 3):
        yield deliver(frames_message(of, seq, frames[place : place + 3]))
        seq += 1
        if place % 12 == 0:
            values: Values = {
                ODOMETER: [1e6 + place, 1e6 + place + 40],
                LATITUDE: 31.2,
                CRANKING: [9.0, 10.0],
            }
            yield deliver(signals(of, seq, values, t0_us=T0_US + place * SECOND_US))
            seq += 1
    for hour, one in enumerate(said):
        t0_us = T0_US + (hour + 1) * HOUR_US
        yield deliver(diag(of, seq, one, said[hour - 1], t0_us=t0_us))
        frozen = {LATITUDE: 31.2, AMBIENT: float(hour)}
        names = ["P0420"] * (hour % 3 > 0) + ["P0301"] * (hour % 2)
        yield deliver(codes(of, seq + 1, *names, t0_us=t0_us, freeze_frame=frozen))
        seq += 2
    yield deliver(signals(of, seq, {"Vehicle.Nowhere": 1.0, LATITUDE: 31.3, AMBIENT: 4.0}, t0_us=T0_US))
    yield deliver(signals(of, seq + 1, {AMBIENT: 4.0}, t0_us=KNOWN_US + HOUR_US))  # from the future
    yield deliver(signals(of, 0, {ODOMETER: 2e6, AMBIENT: 8.0}, boot=2, t0_us=T0_US + 30 * HOUR_US))
    yield raw(of, "can", b"\x81\xa1")
    yield from packets(of)


def packets(of: Vin) -> Iterator[Delivery]:
    """Logins, reports with positions and alarms, one again as re-issued, one broken."""
    bodies = [login(of, T0_US), written_report("2016-report", of, T0_US + SECOND_US)]
    bodies += [written_report("2016-sentinels", of, T0_US + SECOND_US), logout(of, T0_US + 99 * SECOND_US)]
    flags = [(), (3,), (3,), (3, 4), (), (3,), (3,), (4,)]
    for place, mine in enumerate(flags):
        bodies.append(alarming(of, T0_US + (2 + place) * SECOND_US, *mine, level=place % 4))
    bodies.append(alarming(of, T0_US + 3 * SECOND_US, 3, level=1, reissued=True))
    bodies.append(alarming(of, T0_US + 8 * SECOND_US, 7, level=1, reissued=True))
    broken = bodies[1][:-1] + bytes((bodies[1][-1] ^ 1,))
    yield from published(bodies, known_us=KNOWN_US)
    yield raw(of, "gbt32960", broken)
    yield raw(of, "gbt32960", of_vehicle(bodies[1], vin(88)))


def truck(of: Vin, *, source: int) -> Iterator[Delivery]:
    """Lists of J1939 that need transport, cut anywhere, an acknowledged clear, a counter of distance."""
    stream: list[tuple[int, int, bytes]] = []
    clear = (EXTENDED | 0x18E8FF00 | source, bytes([0, 0xFF, 0xFF, 0xFF, 0xF9, 0xD3, 0xFE, 0x00]))
    for second in range(8):
        at_us = second * SECOND_US
        stream += dm1_bam(at_us, *([SCR, CONTROL, NETWORK][: 2 + second % 2]), source=source)
        stream += dm1_bam(at_us + 50_000, NETWORK, SCR, source=3)
        before = bytes([0, 0xFF, 100, 0, 3, 1, 0xFF, 0xFF])
        stream.append((at_us + 7, EXTENDED | 0x18FECB00 | source, before))
        stream.append(vdhr(at_us + 9, 80_000 + second / 10))
        if second == 5:
            stream.append((at_us + 600_000, *clear))
    stream.sort(key=lambda frame: frame[0])
    seq = 0
    for place in range(0, len(stream), 5):
        part = stream[place : place + 5]
        start = part[0][0]
        yield deliver(can(of, seq, [(at - start, *rest) for at, *rest in part], t0_us=T0_US + start))  # type: ignore[misc]  # star of a tuple
        seq += 1
        if seq % 4 == 0:
            yield deliver(signals(of, seq, {AMBIENT: float(seq)}, t0_us=T0_US + start))
            seq += 1


def fleet() -> list[Delivery]:
    """Five vehicles; two trucks whose ECUs have the same addresses."""
    return [*mixed(CAR), *mixed(SILENT), *packets(BUS), *truck(TRUCK, source=0), *truck(TWIN, source=0)]


async def stored(conn: Connection, line: Line, sent: Sequence[Delivery], draw: random.Random) -> Tally:
    """Store in batches of random size."""
    tally, rest = Tally(), list(sent)
    while rest:
        n = draw.choice([1, 2, 7, 40, 500])
        tally.add((await pipeline.store(conn, rest[:n], line))[0])
        rest = rest[n:]
    return tally


@pytest.fixture(autouse=True)
async def _vehicles(conn: Connection, line: Line) -> None:
    await catalogue.sync(conn, line.lexicon.catalogue)
    for one, model, located in VEHICLES:
        await conn.execute(
            "insert into vehicle (vin, model, location_allowed, registered_at) values (%s, %s, %s, now())",
            [one, model, located],
        )
    await conn.execute("insert into vehicle (vin) values (%s)", [TWIN])


@pytest.mark.parametrize("seed", range(3))
async def test_messages_of_all_kinds_in_any_order_end_in_the_same_rows(
    conn: Connection, line: Line, seed: int
) -> None:
    mine, draw = kona_line(line), random.Random(seed)
    clean = fleet()
    tally, _ = await pipeline.store(conn, clean, mine)
    assert tally.received == tally.stored + tally.doubled + tally.rejected
    expected = await everything(conn)
    assert all(expected[table] for table in expected if table != "vehicle"), expected.keys()
    await conn.execute(f"truncate {TABLES}".encode())
    late = [*clean, *draw.sample(clean, len(clean) // 2)]
    draw.shuffle(late)
    await stored(conn, mine, late, draw)
    found = await everything(conn)
    for table, rows in expected.items():
        assert found[table] == rows, table


async def test_two_that_store_the_same_vehicles_at_once_end_in_the_same_rows(
    conn: Connection, database_url: str, line: Line
) -> None:
    mine, draw = kona_line(line), random.Random(7)
    clean = fleet()
    await pipeline.store(conn, clean, mine)
    expected = await everything(conn)
    await conn.execute(f"truncate {TABLES}".encode())
    late = [*clean, *draw.sample(clean, len(clean) // 3)]
    draw.shuffle(late)

    async def store(part: list[Delivery], size: int) -> None:
        async with Committer(database_url, mine, Metrics(), asyncio.Event()) as committer:
            for start in range(0, len(part), size):
                await committer.commit(part[start : start + size])

    await asyncio.gather(store(late[::2], 5), store(late[1::2], 13))
    found = await everything(conn)
    for table, rows in expected.items():
        assert found[table] == rows, table
