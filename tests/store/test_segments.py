"""Segments: what goes in as columns comes out of the view and of the reader value by value, bit for bit."""

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from decoders import can, sheets
from decoders.codebook import Codebook
from odocare import wiring
from store import packed_sheets, segments, signals, stored_rows
from store.pool import Connection, Pool
from store.stored_rows import Reach, Stored
from tests.decoders import databases
from tests.decoders.databases import Drawn
from tests.store.segment_rows import (
    DAY_US,
    NOTHING,
    T0_US,
    in_the_view,
    keys,
    plain_rows,
    rows_of,
    table,
    told,
    told_by,
)
from tests.strategies import Frame, batch_of, payloads
from vehicle.day import us_of
from vehicle.frame import SignalRows
from vehicle.sheet import Sheet

on_one_database = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


async def read(conn: Connection, n: int) -> Stored:
    """Everything that the messages have, `keys`' numbers in the place of the messages'."""
    found = []
    async with conn.transaction():
        for number in range(n):
            reach = Reach(number + 10, T0_US - DAY_US, T0_US + 2 * DAY_US)
            async for one in stored_rows.spanning(conn, reach):
                rows = one.rows
                message = np.full(len(rows), number, np.int32)
                found.append(Stored(SignalRows(message, rows.t_us, rows.signal, rows.value), one.source))
    names = ("message", "t_us", "signal", "value")
    rows = SignalRows(
        *(
            np.concatenate([getattr(NOTHING, name), *(getattr(one.rows, name) for one in found)])
            for name in names
        )
    )
    return Stored(rows, np.concatenate([np.zeros(0, np.int16), *(one.source for one in found)]))


@on_one_database
@given(batch=plain_rows())
async def test_every_value_is_read_back_with_its_moment(
    conn: Connection, batch: tuple[int, SignalRows]
) -> None:
    n, rows = batch
    await conn.execute("truncate segment")
    await segments.append(conn, keys(n), [None, 3, None, 4][:n], rows)
    assert await in_the_view(conn) == told(rows)
    stored = await read(conn, n)
    assert told(stored.rows, stored.source.tolist()) == told(rows)
    for k, (vehicle_id, at, span_ms, boot, life, seq, book) in enumerate(await rows_of(conn)):
        message = vehicle_id - 10
        mine = rows.t_us[rows.message == message]
        assert (us_of(at), span_ms) == (mine.min(), -(int(mine.min() - mine.max()) // 1000)), k
        assert (boot, life, seq, book) == (2**62, message % 2, message + 5, [None, 3, None, 4][message])


def sheet_of(book: Codebook, frames: Sequence[Frame], message: Sequence[int]) -> Sheet:
    """What a codebook decodes of frames whose times count from T0."""
    later = [Frame(one.wire_id, one.payload, T0_US + one.t_us, one.bus) for one in frames]
    batch = batch_of(later, np.array(message, np.int32))
    return sheets.sheet(can.decode(batch, book), batch, book, sheets.layouts_of(book.plan))


@on_one_database
@given(drawn=databases.databases() | databases.databases(has_limits=True), data=st.data())
async def test_values_of_any_frames_are_read_back_with_who_sent_them(
    conn: Connection, drawn: Drawn, data: DataObject
) -> None:
    """Multiplexed or not, short frames, no measurements, integers and floats, senders in any order."""
    ids = [databases.wire_id_of(one) for one in drawn.database.messages]
    one = st.builds(
        Frame,
        wire_id=st.builds(
            lambda wire_id, source: wire_id & ~0xFF | source if drawn.codebook.matches_pgn and wire_id >> 31
            else wire_id,
            st.sampled_from(ids),
            st.sampled_from([0, 0x17, 0xFF]),
        ),
        payload=payloads() | st.binary(min_size=8, max_size=8),
        t_us=st.sampled_from([0, 0, 1_000, 2**32 - 1]) | st.integers(0, 2**32 - 1),
    )  # fmt: skip
    frames = data.draw(st.lists(one, min_size=1, max_size=20))
    message = sorted(data.draw(st.lists(st.integers(0, 2), min_size=len(frames), max_size=len(frames))))
    sheet = sheet_of(drawn.codebook, frames, message)
    await conn.execute("truncate segment")
    await segments.append(conn, keys(3), [7, 7, None], NOTHING, [sheet])
    stored = await read(conn, 3)
    assert told(stored.rows, stored.source.tolist()) == told_by(sheet)
    assert await in_the_view(conn) == told_by(sheet)


@settings(max_examples=50, deadline=None)
@given(drawn=databases.databases() | databases.databases(has_limits=True), data=st.data())
def test_integers_on_the_bus_are_kept_as_integers_no_wider_than_they_are(
    drawn: Drawn, data: DataObject
) -> None:
    ids = [databases.wire_id_of(one) for one in drawn.database.messages]
    frames = [Frame(one, data.draw(payloads())) for one in ids for _ in range(3)]
    sheet = sheet_of(drawn.codebook, frames, [0] * len(frames))
    layouts = sheet.layouts
    if not len(sheet.rows):
        return
    for shape in packed_sheets.pack(sheet, keys(1), [None]).shapes:
        for number, coding in zip(shape.signal, shape.coding, strict=True):
            row = layouts.row[number]
            span = int(layouts.highest[row] - layouts.lowest[row]) + shape.holed
            if layouts.is_whole[row] and span < 2**32:
                assert coding.width == max(1, -(-span.bit_length() // 8))


async def test_frames_that_can_hold_very_many_things_are_packed_the_same(
    conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed_sheets, "_MOST_CELLS", 0)
    sheet = a_second_of_a_bus(3)
    await segments.append(conn, keys(3), [1] * 3, NOTHING, [sheet])
    assert await in_the_view(conn) == told_by(sheet)


async def test_values_that_no_frame_can_have_are_kept_as_they_are(conn: Connection) -> None:
    """Whoever decoded them: what is stored is what was handed in."""
    book = databases.load(databases.dbc(['BO_ 1 A: 8 X\n SG_ S : 0|8@1+ (0.1,0) [0|0] "" X\n'])).codebook
    sheet = sheet_of(book, [Frame(1, bytes([k]), k) for k in (5, 250, 255)], [0, 0, 0])
    sheet.rows.value[1:] = (-0.0, 25.5000001)
    await segments.append(conn, keys(1), [None], NOTHING, [sheet])
    stored = await read(conn, 1)
    assert told(stored.rows, stored.source.tolist()) == told_by(sheet) == await in_the_view(conn)


async def test_a_heavy_batch_is_packed_in_portions(conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "PORTION_VALUES", 700)
    sheet = a_second_of_a_bus(4)
    rows = table([(m, g, g * t, t / 2) for m in (4, 5, 9) for g in (1, 2) for t in range(300)])
    await segments.append(conn, keys(10), [2] * 10, rows, [sheet])
    assert await in_the_view(conn) == sorted([*told_by(sheet), *told(rows)])
    assert len(await rows_of(conn)) == 7


async def test_the_view_names_signals_and_senders(conn: Connection) -> None:
    catalogue = wiring.catalogue()
    await signals.sync(conn, catalogue)
    book = wiring.codebooks().by_name("j1939")
    frames = [Frame(0x98FEE000 | source, b"\xff" * 4 + bytes([8, 0, 0, 0]), source) for source in (0x17, 0)]
    await segments.append(conn, keys(1), [1], NOTHING, [sheet_of(book, frames, [0, 0])])
    cur = await conn.execute("select path, unit, value, source, at from observation order by source")
    assert [(*row, us_of(at) - T0_US) for *row, at in await cur.fetchall()] == [
        ("Vehicle.TraveledDistance", "m", 1000.0, 0, 0),
        ("Vehicle.TraveledDistance", "m", 1000.0, 0x17, 0x17),
    ]


async def test_a_message_is_one_row_and_without_values_none(conn: Connection) -> None:
    rows = table([(1, 1, 5, 1.0), (1, 1, 7, 2.0), (1, 4, 0, 3.0)])
    await segments.append(conn, keys(3), [None, 9, None], rows)
    ((vehicle_id, at, span_ms, boot, life, seq, codebook_id),) = await rows_of(conn)
    assert (vehicle_id, us_of(at), span_ms, codebook_id) == (11, T0_US, 1, 9)
    assert (boot, life, seq) == (2**62, 1, 6)
    assert await segments.stored_signals(conn, (11, 2**62, 1, 6), T0_US + 3_600_000_000) == {1, 4}
    assert await segments.stored_signals(conn, (11, 2**62, 1, 7), T0_US) == set()


async def shapes_n(conn: Connection) -> int:
    row = await (await conn.execute("select count(*) from segment_shape")).fetchone()
    assert row is not None
    return int(row[0])


async def test_messages_of_the_same_signals_share_a_shape(conn: Connection) -> None:
    rows = table([(m, g, 0, m / 10 + g) for m in range(200) for g in range(1, 11)])
    await segments.append(conn, keys(200), [None] * 200, rows)
    assert await shapes_n(conn) == 1
    await segments.append(conn, keys(200), [None] * 200, rows)
    assert await shapes_n(conn) == 1


async def test_signals_that_never_come_together_again_bring_up_no_shape_each(conn: Connection) -> None:
    """A vehicle that sends what has changed."""
    rng = np.random.default_rng(1)
    rows = table([(m, int(g), 0, 1.0) for m in range(300) for g in rng.choice(500, 4, replace=False)])
    await segments.append(conn, keys(300), [None] * 300, rows)
    assert await shapes_n(conn) <= 500
    assert await in_the_view(conn) == told(rows)


async def test_a_signal_that_turns_out_to_be_no_decimal_does_not_make_its_neighbours_wide(
    conn: Connection,
) -> None:
    rng = np.random.default_rng(2)
    for _ in range(5):
        rows = table(
            [(m, g, 0, float(rng.normal()) if g == 1 else 3.0) for m in range(50) for g in range(1, 8)]
        )
        await conn.execute("truncate segment")
        await segments.append(conn, keys(50), [None] * 50, rows)
        assert await in_the_view(conn) == told(rows)
    cur = await conn.execute("select max(octet_length(body)) from segment")
    assert await cur.fetchone() == (8 + 8 + 6,)


async def test_a_shape_that_was_rolled_back_is_not_relied_on(conn: Connection) -> None:
    rows = table([(0, 1, 0, 1.5)])
    async with conn.transaction():
        for times in (1, 2):
            async with conn.transaction(force_rollback=True):
                for _ in range(times):
                    await segments.append(conn, keys(1), [None], rows)
            assert await shapes_n(conn) == 0
    async with conn.transaction(force_rollback=True):
        await segments.append(conn, keys(1), [None], rows)
    async with conn.transaction():
        await segments.append(conn, keys(1), [None], rows)
    await segments.append(conn, keys(1), [None], rows)
    assert await in_the_view(conn) == told(rows) * 2
    assert await shapes_n(conn) == 1


async def test_processes_share_their_shapes(pool: Pool) -> None:
    rows = table([(0, 1, 0, 1.5)])
    async with pool.connection() as one, pool.connection() as other:
        for conn in (one, other, one):
            await segments.append(conn, keys(1), [None], rows)
            await conn.commit()
        assert await in_the_view(other) == sorted(told(rows) * 3)
        assert await shapes_n(one) == 1


def a_second_of_a_bus(messages: int) -> Sheet:
    """50 frames of 60 identifiers per message, twelve signals each, with random payloads."""
    rng = np.random.default_rng(3)
    lengths = (1, 1, 2, 2, 4, 4, 4, 8, 8, 8, 10, 12)
    blocks = []
    for number in range(60):
        start, lines = 0, []
        for k, bits in enumerate(rng.permutation(lengths).tolist()):
            lines.append(f' SG_ S{k} : {start}|{bits}@1+ ({(1, 0.1, 0.5)[k % 3]},{-40 * (k % 2)}) [0|0] "" X')
            start += bits
        blocks.append(f"BO_ {number} M{number}: 8 X\n" + "\n".join(lines) + "\n")
    book = databases.load(databases.dbc(blocks)).codebook
    ids = rng.integers(0, 60, messages * 50)
    data = rng.integers(0, 256, (messages * 50, 8), dtype=np.uint8)
    frames = [
        Frame(int(one), row.tobytes(), 20_000 * (k % 50))
        for k, (one, row) in enumerate(zip(ids, data, strict=True))
    ]
    return sheet_of(book, frames, np.repeat(np.arange(messages), 50).tolist())


async def bytes_of(conn: Connection) -> int:
    """Of all segments with their indexes, and of the shapes."""
    cur = await conn.execute(
        "select sum(pg_total_relation_size(format('%I.%I', chunk_schema, chunk_name)::regclass))"
        " + pg_total_relation_size('segment_shape')"
        " from timescaledb_information.chunks where hypertable_name = 'segment'"
    )
    row = await cur.fetchone()
    assert row is not None
    return int(row[0])


async def test_a_value_out_of_frames_takes_less_than_four_bytes(conn: Connection) -> None:
    sheet = a_second_of_a_bus(400)
    for _ in range(4):
        await segments.append(conn, keys(400), [1] * 400, NOTHING, [sheet])
    assert await bytes_of(conn) < 4 * 4 * len(sheet.rows)


async def test_a_value_of_a_small_message_takes_less_than_sixteen_bytes(conn: Connection) -> None:
    rng = np.random.default_rng(4)
    drawn: list[Any] = np.round(rng.normal(50, 20, (2_000, 10)), 1).tolist()
    rows = table([(m, g, 0, x) for m, row in enumerate(drawn) for g, x in enumerate(row, start=1)])
    for _ in range(10):
        await segments.append(conn, keys(2_000), [None] * 2_000, rows)
    assert await bytes_of(conn) < 16 * 10 * len(rows)


async def test_a_float_out_of_the_view_has_every_bit(conn: Connection) -> None:
    bits = [
        0,
        1,
        2**52 - 1,
        2**52,
        2**52 + 1,
        0x7FEF_FFFF_FFFF_FFFF,
        0x3FF0_0000_0000_0001,
        1000 << 52,
        999 << 52,
    ]
    both = [one | sign for one in bits for sign in (0, 1 << 63)]
    for one in both:
        (value,) = struct.unpack(">d", struct.pack(">Q", one))
        signed = one - (1 << 64) if one >> 63 else one
        row = await (await conn.execute("select segment_float(%(bits)s)", {"bits": signed})).fetchone()
        assert row is not None
        assert struct.pack(">d", row[0]) == struct.pack(">d", value)
