"""Terminals over TCP: answered after the commit, in order; who misbehaves harms nobody else."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from decoders.gbt32960 import packet as packets
from decoders.gbt32960.words import AckFlag, Command, Edition
from ingest import topic
from ingest.batcher import Batcher, Limits
from ingest.committer import Committer
from ingest.gbt_gate import Gate
from ingest.gbt_limits import ListenerOptions
from ingest.gbt_listener import Listener
from ingest.metrics import Metrics
from ingest.pipeline import Line
from ingest.replay import Outcome, replay
from store import rejects
from store.pool import Connection
from tests.decoders.gbt32960 import files
from tests.ingest.broker import until
from tests.ingest.gbt_packets import (
    ICCID,
    alarming,
    login,
    logout,
    of_vehicle,
    plain,
    streamed,
    written_report,
)
from tests.ingest.gbt_terminal import Terminal, time_of
from tests.ingest.senders import SECOND_US, T0_US, contents, vin

A, B, UNKNOWN = vin(1), vin(2), vin(3)
OK, ERROR = AckFlag.OK, AckFlag.ERROR
OPTIONS = ListenerOptions("127.0.0.1", 0, login_s=20, idle_s=20, answer_s=20)


class Place:
    """A listener with a store behind it, whose commits a test may hold back."""

    def __init__(self, listener: Listener, batcher: Batcher, metrics: Metrics) -> None:
        self.listener = listener
        self.batcher = batcher
        self.metrics = metrics
        self.may_commit = asyncio.Event()
        self.may_commit.set()

    @property
    def port(self) -> int:
        return self.listener.port

    def counted(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"odocare_gbt32960_{name}", labels) or 0.0

    async def store(self, committer: Committer) -> None:
        while True:
            batch = await self.batcher.take()
            await self.may_commit.wait()
            await committer.commit(batch.deliveries)
            self.batcher.done(batch)


@asynccontextmanager
async def listening(
    database_url: str, line: Line, limits: Limits | None = None, **options: Any
) -> AsyncIterator[Place]:
    batcher, metrics = Batcher(limits or Limits(age_s=0.005)), Metrics()
    async with (
        Committer(database_url, line, metrics, asyncio.Event()) as committer,
        Gate(database_url) as gate,
        Listener(replace(OPTIONS, **options), batcher, gate, metrics) as listener,
    ):
        place = Place(listener, batcher, metrics)
        storing = asyncio.create_task(place.store(committer))
        try:
            yield place
        finally:
            storing.cancel()
            await asyncio.wait({storing})


@pytest.fixture
async def registered(conn: Connection) -> None:
    """Two vehicles with SIM cards; the third sends and is not registered."""
    for one in (A, B):
        await conn.execute(
            "insert into vehicle (vin, iccid, registered_at) values (%s, %s, now())", [one, ICCID]
        )
    await conn.execute("insert into vehicle (vin, iccid) values (%s, %s)", [UNKNOWN, ICCID])


async def reasons(conn: Connection) -> list[str]:
    rows = await (await conn.execute("select reason from reject order by id")).fetchall()
    return [row[0] for row in rows]


def damaged(packet: bytes) -> bytes:
    """With another checksum."""
    return packet[:-1] + bytes((packet[-1] ^ 1,))


async def count(conn: Connection) -> int:
    row = await (await conn.execute("select count(*) from message")).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.usefixtures("registered")
async def test_a_vehicle_logs_in_reports_beats_and_logs_out(
    conn: Connection, database_url: str, line: Line
) -> None:
    async with listening(database_url, line) as place, Terminal(place.port) as terminal:
        asked_at = time.time_ns() // 1000
        assert await terminal.ask(plain(Command.TIME_SYNC, A)) == (Command.TIME_SYNC, OK)
        await terminal.send(plain(Command.TIME_SYNC, A))
        told_us = time_of(await terminal.answer())
        assert told_us is not None
        assert -2 * SECOND_US < told_us - asked_at < 20 * SECOND_US
        assert await terminal.ask(login(A, T0_US)) == (Command.LOGIN, OK)
        assert place.counted("online") == 1
        report = written_report("2016-report", A, T0_US + SECOND_US)
        await terminal.send(report)
        answer = await terminal.answer()
        assert (answer.command, answer.flag, answer.identifier) == (Command.REPORT, OK, A)
        assert answer.body == packets.parse(report).body[:6]
        assert await count(conn) == 2
        assert await terminal.ask(plain(Command.HEARTBEAT, A)) == (Command.HEARTBEAT, OK)
        assert await terminal.ask(logout(A, T0_US + 2 * SECOND_US)) == (Command.LOGOUT, OK)
        assert place.counted("online") == 0
        assert await terminal.log_in(A, T0_US + 3 * SECOND_US) == OK
    assert await reasons(conn) == []
    assert [row[1]["command"] for row in (await contents(conn, "raw_packet"))["raw_packet"]] == [1, 2, 4, 1]


@pytest.mark.usefixtures("registered")
async def test_nothing_is_answered_before_it_is_committed(
    conn: Connection, database_url: str, line: Line
) -> None:
    async with listening(database_url, line) as place, Terminal(place.port) as terminal:
        await terminal.log_in(A, T0_US)
        place.may_commit.clear()
        await terminal.send(alarming(A, T0_US + SECOND_US), plain(Command.HEARTBEAT, A))
        answering = asyncio.create_task(terminal.answer())
        await until(lambda: place.batcher.waiting_bytes > 0, "the report to be read")
        done, _ = await asyncio.wait({answering}, timeout=0.2)
        assert not done
        assert await count(conn) == 1
        place.may_commit.set()
        assert (await answering).command == Command.REPORT
        assert (await terminal.answer()).command == Command.HEARTBEAT  # in order
        assert await count(conn) == 2


@pytest.mark.usefixtures("registered")
async def test_a_real_day_over_tcp_in_odd_pieces_is_answered_packet_by_packet(
    conn: Connection, database_url: str, line: Line
) -> None:
    stream = [of_vehicle(body, A) for body in streamed()]
    await conn.execute("update vehicle set iccid = '89860000000000000001'")
    data, draw = b"".join(stream), random.Random(5)
    async with listening(database_url, line) as place, Terminal(place.port) as terminal:
        reading = asyncio.create_task(terminal.flags(len(stream)))
        at = 0
        while at < len(data):
            size = draw.choice([1, 20, 24, 25, 300, 5000])
            await terminal.send(data[at : at + size])
            at += size
        assert await reading == [OK] * 246
        assert place.counted("answers_total", reason="ok") == 246
    assert await count(conn) == 246


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(
    ("packet", "flag", "reason"),
    [
        (login(UNKNOWN, T0_US), AckFlag.VIN_UNKNOWN, "unknown-vehicle"),
        (login(A, T0_US, "89860000000000000002"), ERROR, "wrong-terminal"),
        (alarming(A, T0_US), ERROR, "not-logged-in"),
        (logout(A, T0_US), ERROR, "not-logged-in"),
        (of_vehicle(files.read("2016-platform-login").data, A), ERROR, "unsupported-command"),
        (plain(Command.LOGIN, A, bytes(32), encryption=2), ERROR, "encrypted-rsa"),
        (plain(Command.LOGIN, A, bytes(7)), ERROR, "wrong-time"),
        (damaged(login(A, T0_US)), ERROR, "wrong-checksum"),
    ],
)
async def test_who_is_not_admitted_is_told_so_kept_and_hung_up_on(  # what pytest fills in
    conn: Connection, database_url: str, line: Line, packet: bytes, flag: AckFlag, reason: str
) -> None:
    async with listening(database_url, line) as place, Terminal(place.port) as terminal:
        # what is behind a packet with a wrong checksum tells whether it was one
        await terminal.send(packet, plain(Command.HEARTBEAT, A))
        assert (await terminal.answer()).flag == flag
        assert await terminal.is_hung_up()
        assert place.counted("refused_total", reason=reason) == 1, reason
    kept = (await rejects.newest(conn, reason=None, limit=9))[0]
    assert (kept.reason, kept.kind, kept.vehicle_id) == (reason, "gbt32960", None)
    again = await replay(conn, kept, line)
    assert (again.outcome, again.reason) == (Outcome.REFUSED, "not-admitted")
    assert await count(conn) == 0


@pytest.mark.usefixtures("registered")
async def test_a_registered_vehicle_without_a_sim_card_on_record_is_not_admitted(
    conn: Connection, database_url: str, line: Line
) -> None:
    await conn.execute("update vehicle set iccid = null")
    async with listening(database_url, line) as place, Terminal(place.port) as terminal:
        assert await terminal.log_in(A, T0_US) == ERROR
    assert await reasons(conn) == ["wrong-terminal"]


@pytest.mark.usefixtures("registered")
async def test_a_second_login_elsewhere_is_a_repeated_vin_until_the_first_falls_silent(
    conn: Connection, database_url: str, line: Line
) -> None:
    async with listening(database_url, line, fresh_s=0.3) as place, Terminal(place.port) as first:
        assert await first.log_in(A, T0_US) == OK
        async with Terminal(place.port) as second:
            assert await second.log_in(A, T0_US + SECOND_US) == AckFlag.VIN_REPEATED
            assert await second.is_hung_up()
        assert await first.log_in(A, T0_US) == OK  # the same login again, its answer was lost
        heard = asyncio.get_running_loop().time()
        await until(lambda: asyncio.get_running_loop().time() > heard + 0.4, "the first to fall silent")
        async with Terminal(place.port) as third:
            assert await third.log_in(A, T0_US + 2 * SECOND_US) == OK
            assert await first.is_hung_up()
            assert place.counted("online") == 1
            assert await third.ask(alarming(A, T0_US)) == (Command.REPORT, OK)
    assert await reasons(conn) == ["vin-repeated"]


@pytest.mark.usefixtures("registered")
async def test_what_is_refused_after_the_login_is_kept_answered_and_the_connection_lives(
    conn: Connection, database_url: str, line: Line
) -> None:
    future = time.time_ns() // 1000 + 600 * SECOND_US
    bad = {
        "encrypted-aes-128": plain(Command.REPORT, A, bytes(16), encryption=3),
        "wrong-checksum": damaged(alarming(A, T0_US)),
        "future-time": alarming(A, future),
        "vin-mismatch": alarming(B, T0_US),
        "unknown-unit": plain(Command.REPORT, A, bytes((25, 1, 1, 0, 0, 0, 0x33))),
        "unsupported-command": of_vehicle(files.read("2016-platform-login").data, A),
    }
    sm4 = files.read("2025-encrypted").data
    async with listening(database_url, line) as place, Terminal(place.port) as terminal:
        await terminal.log_in(A, T0_US)
        for body in bad.values():
            await terminal.send(body, plain(Command.HEARTBEAT, A))
            assert await terminal.flags(2) == [ERROR, OK]
        assert (await terminal.ask(of_vehicle(sm4, A)))[1] == AckFlag.WRONG_DECRYPTION
        told_structure = packets.build(
            packets.Packet(Edition.GBT_2025, 2, 0xFE, A, 1, bytes((25, 1, 1, 0, 0, 0, 0x77)))
        )
        assert (await terminal.ask(told_structure))[1] == AckFlag.WRONG_STRUCTURE
        assert await terminal.ask(alarming(A, T0_US)) == (Command.REPORT, OK)
    assert sorted(await reasons(conn)) == sorted([*bad, "encrypted-sm4", "unknown-unit"])
    assert await count(conn) == 2


@pytest.mark.usefixtures("registered")
async def test_a_login_with_a_clock_from_the_future_ends_the_connection(
    conn: Connection, database_url: str, line: Line
) -> None:
    async with listening(database_url, line) as place, Terminal(place.port) as terminal:
        assert await terminal.log_in(A, time.time_ns() // 1000 + 600 * SECOND_US) == ERROR
        assert await terminal.is_hung_up()
    assert await reasons(conn) == ["future-time"]


@pytest.mark.usefixtures("registered")
async def test_a_report_that_comes_again_is_answered_well_and_stored_once(
    conn: Connection, database_url: str, line: Line
) -> None:
    report = written_report("2016-report", A, T0_US)
    async with listening(database_url, line) as place:
        for _ in range(2):
            async with Terminal(place.port) as terminal:
                await terminal.send(login(A, T0_US), report, report, logout(A, T0_US))
                assert await terminal.flags(4) == [OK] * 4
    assert await count(conn) == 3


@pytest.mark.usefixtures("registered")
async def test_the_hostile_harm_no_neighbour(conn: Connection, database_url: str, line: Line) -> None:
    """Noise, half packets, floods without reading, empty connections: the good one is answered throughout."""
    draw = random.Random(3)
    async with listening(database_url, line, login_s=2.0, answer_s=1.0, unanswered=8) as place:
        flood = [alarming(B, T0_US + n * SECOND_US) for n in range(20_000)]

        async def noise() -> None:
            async with Terminal(place.port) as one:
                try:
                    while True:
                        await one.send(draw.randbytes(5000))
                except ConnectionError:
                    return

        async def half() -> None:
            async with Terminal(place.port) as one:
                await one.send(login(B, T0_US)[:30])
                assert await one.is_hung_up()

        async def deaf() -> None:
            async with Terminal(place.port) as one:
                await one.send(login(B, T0_US))
                try:
                    await one.send(*flood)
                    await asyncio.sleep(60)
                except ConnectionError:
                    return

        async with Terminal(place.port) as good:
            assert await good.log_in(A, T0_US) == OK
            hostile = [asyncio.create_task(one()) for one in (noise, noise, half, half, deaf)]
            for n in range(100):
                assert await good.ask(alarming(A, T0_US + n * SECOND_US)) == (Command.REPORT, OK)
            await asyncio.wait(hostile[:4], timeout=30)
            for task in hostile:
                task.cancel()
            results = await asyncio.gather(*hostile, return_exceptions=True)
            assert [type(one) for one in results[:4]] == [type(None)] * 4
        await until(lambda: place.counted("connections") == 0, "everybody to have left")
        assert place.counted("closed_total", why="garbage") == 2
        assert place.counted("closed_total", why="no login") == 2
    assert await reasons(conn) == []


@pytest.mark.usefixtures("registered")
async def test_who_never_reads_answers_is_read_no_further_and_dropped(database_url: str, line: Line) -> None:
    beats = plain(Command.HEARTBEAT, A) * 1000
    async with listening(database_url, line, answer_s=0.5, unanswered=4) as place:
        async with Terminal(place.port, receive_bytes=4096) as terminal:
            terminal.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a socket has it
            with pytest.raises(ConnectionError):
                await terminal.send(*[beats] * 400)  # 10 MB
        await until(lambda: place.counted("closed_total", why="reads no answers") == 1, "the end")


@pytest.mark.usefixtures("registered")
async def test_unanswered_packets_are_bounded_and_so_is_what_waits(database_url: str, line: Line) -> None:
    async with listening(database_url, line, unanswered=5) as place, Terminal(place.port) as terminal:
        await terminal.log_in(A, T0_US)
        place.may_commit.clear()
        reports = [alarming(A, T0_US + n * SECOND_US) for n in range(500)]
        weight = len(topic.of_packets(A)) + len(reports[0])
        sending = asyncio.create_task(terminal.send(*reports))
        await until(lambda: place.batcher.waiting_bytes >= 6 * weight, "the bound to be reached")
        await asyncio.sleep(0.1)
        assert place.batcher.waiting_bytes <= 7 * weight  # five queued, one answered, one put
        place.may_commit.set()
        assert await terminal.flags(500) == [OK] * 500
        await sending


@pytest.mark.usefixtures("registered")
async def test_too_many_connections_are_turned_away_and_idle_ones_ended(
    database_url: str, line: Line
) -> None:
    async with listening(database_url, line, connections=1, idle_s=0.3) as place:
        async with Terminal(place.port) as first:
            assert await first.log_in(A, T0_US) == OK
            async with Terminal(place.port) as second:
                assert await second.is_hung_up()
            assert await first.is_hung_up()
        await until(lambda: place.counted("closed_total", why="idle") == 1, "the end")
        assert place.counted("closed_total", why="too many") == 1
        async with Terminal(place.port) as again:
            assert await again.log_in(A, T0_US) == OK


@pytest.mark.usefixtures("registered")
async def test_strangers_are_kept_up_to_a_bound(conn: Connection, database_url: str, line: Line) -> None:
    async with listening(database_url, line, strangers_kept=2) as place:
        for n in range(4):
            async with Terminal(place.port) as terminal:
                assert await terminal.ask(alarming(A, T0_US + n * SECOND_US)) == (Command.REPORT, ERROR)
        assert place.counted("refused_total", reason="not-logged-in") == 4
    assert await reasons(conn) == ["not-logged-in"] * 2


@pytest.mark.usefixtures("registered")
async def test_at_the_end_what_was_stored_is_still_answered(
    conn: Connection, database_url: str, line: Line
) -> None:
    async with listening(database_url, line) as place, Terminal(place.port) as terminal:
        await terminal.log_in(A, T0_US)
        place.may_commit.clear()
        await terminal.send(*(alarming(A, T0_US + n * SECOND_US) for n in range(3)))
        await until(
            lambda: place.batcher.waiting_bytes >= 3 * (len(topic.of_packets(A)) + len(alarming(A, T0_US))),
            "the reports",
        )
        place.listener.stop()
        place.may_commit.set()
        assert await terminal.flags(3) == [OK] * 3
        assert await terminal.is_hung_up()
    assert await count(conn) == 4
