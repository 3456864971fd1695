"""The life of a fault from what an ECU answers to what a consumer is told, by the shipped rules."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from decoders.message import Message
from ingest import pipeline
from ingest.lexicon import Lexicon
from ingest.pipeline import Line
from odocare import wiring
from odocare.evaluate import evaluate_touched
from odocare.judgement import Judge
from store import signals as catalogue
from store.pool import Pool
from store.sealed import Seal
from tests.ingest.gbt_packets import alarming, published
from tests.ingest.senders import EXTENDED, T0_US, can, deliver
from tests.ingest.talks import diag
from tests.odocare.garage import Garage, judge_of
from vehicle.vin import Vin

HOUR_US = 3_600_000_000
ALL = "1902ff"


@pytest.fixture(scope="module")
def line() -> Line:
    """The shipped catalogue, codebooks and code table."""
    lexicon = Lexicon.of(wiring.catalogue(), wiring.codebooks(), wiring.dtc_table(), wiring.diagnostics())
    return Line(lexicon, Seal(bytes(32)))


@pytest.fixture(scope="module")
def shipped() -> Judge:
    return judge_of(wiring.rule_texts())


class Life:
    """One registered vehicle, and hours in which it says something."""

    def __init__(self, garage: Garage, pool: Pool, line: Line, by: Judge, of: Vin) -> None:
        self.garage, self.pool, self.line, self.by, self.vin = garage, pool, line, by, of
        self.hour = 0
        self.at_us = T0_US

    async def says(self, message: Message | bytes) -> list[tuple[str, str, str]]:
        """Store a message of this hour, evaluate, and tell open triggers: rule, subject, occasion."""
        known_us = self.at_us + 60_000_000
        if isinstance(message, bytes):
            sent = published([message], known_us=known_us)
        else:
            sent = [deliver(message, known_us=known_us)]
        tally, _ = await pipeline.store(self.garage.conn, sent, self.line)
        assert (tally.stored, tally.parts_rejected) == (1, 0)
        self.hour, self.at_us = self.hour + 1, self.at_us + HOUR_US
        as_of = datetime.fromtimestamp(known_us / 1e6, UTC) + timedelta(minutes=1)
        await evaluate_touched(self.pool, self.by, as_of=as_of)
        return sorted(one[1:] for one in await self.garage.open_triggers())

    async def answers(self, *said: tuple[str, str]) -> list[tuple[str, str, str]]:
        return await self.says(diag(self.vin, self.hour, *said, t0_us=self.at_us))

    async def sends(self, frames: Sequence[tuple[int, int, bytes]]) -> list[tuple[str, str, str]]:
        return await self.says(can(self.vin, self.hour, frames, t0_us=self.at_us))

    async def states(self) -> list[tuple[str, str]]:
        return await self.garage.rows("select rule_id || ' ' || occasion, state from trigger order by 1")


@pytest.fixture
async def life(garage: Garage, pool: Pool, line: Line, shipped: Judge) -> Life:
    await catalogue.sync(garage.conn, line.lexicon.catalogue)
    number = await garage.vehicle(delivered="2025-01-01")
    return Life(garage, pool, line, shipped, Vin(garage.vins[number]))


async def test_a_code_of_uds_from_pending_to_cleared_and_again(life: Life) -> None:
    first, second = (("fault-stop", "uds 7e8 P0524-00", ordinal) for ordinal in "12")
    assert await life.answers(("5902ff05240004", ALL)) == []  # pending
    assert await life.answers(("5902ff0524002f", ALL)) == [first]
    assert await life.answers(("5902ff05240028", ALL)) == []  # stored, its lamp is off
    assert await life.answers(("5902ff052400af", ALL)) == [first]  # there again: the same episode
    assert await life.answers(("5902ff", ALL)) == []  # healed
    assert await life.answers(("5902ff05240050", ALL)) == []  # a tester has cleared, not tested since
    assert await life.answers(("5902ff0524002f", ALL)) == [second]
    assert await life.answers(("54", "14ffffff")) == []
    assert await life.answers(("5902ff05240050", ALL)) == []
    third = ("fault-stop", "uds 7e8 P0524-00", "3")
    assert await life.answers(("5902ff0524002f", ALL)) == [third]
    assert [one for _, one in await life.states()] == ["withdrawn", "withdrawn", "new"]


async def test_lists_of_obd_pending_stored_and_permanent(life: Life) -> None:
    lit, out, none = ("410181076500", "0101"), ("410100076500", "0101"), [("4700", "07"), ("4a00", "0a")]
    first = ("fault-stop", "j2012 7e8 P0524", "1")
    assert await life.answers(out, ("4300", "03"), ("47010524", "07"), ("4a00", "0a")) == []
    assert await life.answers(lit, ("43010524", "03"), *none) == [first]
    assert await life.answers(out, ("43010524", "03"), *none) == []  # in the memory, the lamp is out
    assert await life.answers(lit, ("43010524", "03"), ("4700", "07"), ("4a010524", "0a")) == [first]
    assert await life.answers(("44", "04")) == []  # permanent
    rows = await life.garage.rows("select episode, status, ended_at is null from fault")
    assert rows == [(1, 0x100, True)]
    assert await life.answers(out, ("4300", "03"), *none) == []
    assert await life.garage.rows("select ended_why from fault") == [("healed",)]


def dm(group: int, *spns: int, lamps: int = 0x00) -> tuple[int, int, bytes]:
    body = b"".join(bytes([spn, 0, 1, 1]) for spn in spns) or bytes(4)
    return (0, EXTENDED | 0x18000000 | group << 8, (bytes([lamps, 0xFF]) + body).ljust(8, b"\xff"))


async def test_a_truck_s_active_and_previously_active_codes(life: Life) -> None:
    first, second = (("fault-stop", "j1939 sa-00 SPN 100 FMI 1", ordinal) for ordinal in "12")
    clear = (9, EXTENDED | 0x18E8FF00, bytes([0, 0xFF, 0xFF, 0xFF, 0xF9, 0xD3, 0xFE, 0x00]))
    assert await life.sends([dm(0xFECB, 100)]) == []
    assert await life.sends([dm(0xFECA, 100, lamps=0x40), dm(0xFECB)]) == [first]
    assert await life.sends([dm(0xFECA), dm(0xFECB, 100)]) == []
    assert await life.sends([dm(0xFECA, 100, lamps=0x10)]) != []
    assert await life.sends([clear]) == []
    assert (await life.sends([dm(0xFECA, 100, lamps=0x10)]))[0][:2] == second[:2]


async def test_alarms_of_gbt_repeat_change_their_level_and_heal(life: Life) -> None:
    def alarm(*flags: int, level: int) -> bytes:
        return alarming(life.vin, life.at_us, *flags, level=level)

    three, flag = ("fault-stop", "gbt32960 vehicle LEVEL 3", "1"), "gbt32960 vehicle ALARM 03"
    assert await life.says(alarm(3, level=2)) == [
        ("fault-urgent", flag, "1"),
        ("fault-urgent", "gbt32960 vehicle LEVEL 2", "1"),
    ]
    assert three in await life.says(alarm(3, level=3))
    assert three in await life.says(alarm(3, level=3))
    assert three not in await life.says(alarm(3, level=1))
    assert await life.says(alarm(level=0)) == []
    again = await life.says(alarm(3, level=3))
    assert ("fault-stop", "gbt32960 vehicle LEVEL 3", "2") in again
