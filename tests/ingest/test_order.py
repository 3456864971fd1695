"""Messages that come late, twice, and in any order leave the same rows behind."""

import random
from collections.abc import Sequence

import pytest

from decoders.envelope import decode
from decoders.message import CanMessage
from ingest import pipeline
from ingest.delivery import Delivery
from ingest.pipeline import Line
from store.pool import Connection
from tests.ingest.senders import (
    AMBIENT,
    CRANKING,
    EXTENDED,
    ODOMETER,
    SECOND_US,
    T0_US,
    can,
    codes,
    contents,
    deliver,
    dm1_bam,
    shuffled,
    signals,
    vin,
)

CAR, TRUCK = vin(1), vin(2)
HOUR_US = 3600 * SECOND_US
NO_CODES = (0, EXTENDED | 0x18FECA00, b"\x00\xff\x00\x00\x00\x00\xff\xff")
SCR = (3216, 20, 2)
CONTROL = (980, 9, 126)
NETWORK = (609, 9, 1)


def car() -> list[Delivery]:
    """Three days of a car whose misfire comes, heals, comes back and is cleared."""
    reports = {2: ["P0301"], 5: [], 9: ["P0301", "P0420"], 14: ["P0420"], 20: []}
    found = []
    seq = 0
    for hour in range(48):
        t0_us = T0_US + hour * HOUR_US
        values: dict[str, float | Sequence[float]] = {
            ODOMETER: [1e6 + 1000.0 * hour, 1e6 + 1000.0 * hour + 400.0],
            AMBIENT: float(hour % 7),
        }
        if hour % 3 == 0:
            values[CRANKING] = [9.0 + hour % 5 / 4, 10.0]
        found.append(deliver(signals(CAR, seq, values, t0_us=t0_us)))
        seq += 1
        if hour in reports:
            found.append(deliver(codes(CAR, seq, *reports[hour], t0_us=t0_us + 7)))
            seq += 1
        if hour == 22:
            found.append(deliver(codes(CAR, seq, "P0301", status=0x50, t0_us=t0_us)))
            seq += 1
    return found


def truck() -> list[Delivery]:
    """Twelve seconds of J1939: a DM1 of several packets every second, cut into messages of 130 ms."""
    stream: list[tuple[int, int, bytes]] = []
    for second in range(12):
        at_us = second * SECOND_US
        if second < 4:
            stream += dm1_bam(at_us, CONTROL, SCR)
        elif second < 9:
            stream += dm1_bam(at_us, CONTROL, SCR, NETWORK)
        else:
            stream.append((at_us, *NO_CODES[1:]))
        stream += dm1_bam(at_us + 50_000, NETWORK, SCR, source=3)
        for step in range(5):
            km = bytes(4) + (800_000 + second).to_bytes(4, "little")
            stream.append((at_us + step * 200_000 + 11, EXTENDED | 0x18FEE000, b"\xff" * 4 + km[4:]))
    stream.sort(key=lambda frame: frame[0])
    found, seq = [], 0
    for start_us in range(0, 12 * SECOND_US, 130_000):
        part = [(at - start_us, *rest) for at, *rest in stream if start_us <= at < start_us + 130_000]
        t0_us = T0_US + start_us
        found.append(deliver(can(TRUCK, seq, part, t0_us=t0_us)))  # type: ignore[arg-type]  # star of a tuple
        seq += 1
        if seq % 7 == 0:  # sequence numbers count over all kinds
            found.append(deliver(signals(TRUCK, seq, {AMBIENT: 3.0}, t0_us=t0_us)))
            seq += 1
    return found


async def stored(conn: Connection, line: Line, deliveries: Sequence[Delivery], seed: int) -> None:
    """Store in batches of random size."""
    draw = random.Random(seed)
    rest = list(deliveries)
    while rest:
        n = draw.choice([1, 2, 5, 30])
        await pipeline.store(conn, rest[:n], line)
        rest = rest[n:]


async def emptied(conn: Connection) -> None:
    tables = (
        "message, segment, raw_frame, latest, vehicle_day, odometer_day, transport_carry, fault_report,"
        " fault_event, fault"
    )
    await conn.execute(f"truncate {tables}, touched, reject".encode())


@pytest.mark.parametrize("seed", range(4))
async def test_tripled_and_shuffled_messages_end_in_the_rows_of_an_undisturbed_run(
    conn: Connection, line: Line, seed: int
) -> None:
    clean = [*car(), *truck()]
    await pipeline.store(conn, clean, line)
    expected = await contents(conn)
    codes_of = {(row[0], row[1]["ecu"], row[1]["code"], row[1]["episode"]) for row in expected["fault"]}
    assert (CAR, "ecm", "P0301", 2) in codes_of
    assert (TRUCK, "sa-00", "SPN 609 FMI 9", 1) in codes_of
    assert (TRUCK, "sa-03", "SPN 3216 FMI 20", 1) in codes_of
    await emptied(conn)
    await stored(conn, line, shuffled(clean * 3, seed), seed)
    found = await contents(conn)
    for table, rows in expected.items():
        assert found[table] == rows, table


async def test_one_by_one_in_order_is_the_same_as_all_at_once(conn: Connection, line: Line) -> None:
    clean = truck()
    await pipeline.store(conn, clean, line)
    expected = await contents(conn)
    await emptied(conn)
    for delivery in clean:
        await pipeline.store(conn, [delivery], line)
    assert await contents(conn) == expected


async def test_a_session_cut_between_messages_is_heard_in_the_one_it_ends_in(
    conn: Connection, line: Line
) -> None:
    frames = dm1_bam(0, CONTROL, SCR, NETWORK)
    first = deliver(can(TRUCK, 0, frames[:2]))
    second = deliver(can(TRUCK, 2, frames[2:]))
    between = deliver(signals(TRUCK, 1, {AMBIENT: 1.0}))
    await pipeline.store(conn, [first], line)
    assert len((await contents(conn, "transport_carry"))["transport_carry"]) == 1
    await pipeline.store(conn, [between], line)
    await pipeline.store(conn, [second], line)
    found = await contents(conn, "fault", "fault_report")
    assert [row[1]["code"] for row in found["fault"]] == [
        "SPN 3216 FMI 20",
        "SPN 609 FMI 9",
        "SPN 980 FMI 9",
    ]
    assert [row[1]["seq"] for row in found["fault_report"]] == [2]


async def test_the_beginning_of_a_session_that_comes_late_is_still_put_together(
    conn: Connection, line: Line
) -> None:
    frames = dm1_bam(0, CONTROL, SCR, NETWORK)
    parts = [deliver(can(TRUCK, seq, [frame])) for seq, frame in enumerate(frames)]
    await pipeline.store(conn, parts[2:], line)
    await pipeline.store(conn, [parts[0]], line)
    assert (await contents(conn, "fault"))["fault"] == []
    await pipeline.store(conn, [parts[1]], line)
    assert len((await contents(conn, "fault"))["fault"]) == 3
    assert (await contents(conn, "transport_carry"))["transport_carry"] != []


async def test_a_late_report_whose_message_lets_the_newest_be_read_again_is_folded_too(
    conn: Connection, line: Line
) -> None:
    def active(at_us: int, spn: int) -> tuple[int, int, bytes]:
        return (at_us, NO_CODES[1], bytes([0x40, 0xFF, spn, 0, 1, 1, 0xFF, 0xFF]))

    head, *packets = dm1_bam(0, CONTROL, SCR, source=9)
    late = deliver(can(TRUCK, 0, [active(0, 94), head]))
    newest = deliver(can(TRUCK, 1, [active(1_000, 100), *packets], t0_us=T0_US + SECOND_US))
    await pipeline.store(conn, [late, newest], line)
    expected = await contents(conn, "fault", "fault_report")
    assert [row[1]["code"] for row in expected["fault"]][:2] == ["SPN 100 FMI 1", "SPN 94 FMI 1"]
    await emptied(conn)
    for one in (newest, late):
        await pipeline.store(conn, [one], line)
    assert await contents(conn, "fault", "fault_report") == expected


async def test_late_data_change_their_own_day_and_nothing_newer(conn: Connection, line: Line) -> None:
    new = deliver(signals(CAR, 1, {ODOMETER: 2e6, AMBIENT: 5.0}, t0_us=T0_US + 2 * 24 * HOUR_US))
    late = deliver(signals(CAR, 0, {ODOMETER: 1e6, CRANKING: 9.0}, t0_us=T0_US))
    await pipeline.store(conn, [new], line)
    before = await contents(conn, "latest", "odometer_day")
    await pipeline.store(conn, [late], line)
    after = await contents(conn, "latest", "odometer_day", "touched")
    assert after["odometer_day"][1] == before["odometer_day"][0]
    assert after["odometer_day"][0][1]["last_km"] == 1000
    assert after["latest"][0][1] == before["latest"][0][1]
    assert dict(zip(after["latest"][0][2], after["latest"][0][4], strict=True)) == {1: 2e6, 6: 5.0, 8: 9.0}
    assert str(after["touched"][0][1]) == "2025-10-09"


def test_the_trucks_messages_cut_sessions() -> None:
    """The premise of this file: without it, the tests above would show little."""
    cut = 0
    for delivery in truck():
        if delivery.topic.endswith("/can"):
            message = decode("can", delivery.body)
            assert isinstance(message, CanMessage)
            opened = int((message.can_id >> 16 & 0xFF == 0xEC).sum())
            packets = int((message.can_id >> 16 & 0xFF == 0xEB).sum())
            cut += packets > 0 and opened == 0
    assert cut > 10
