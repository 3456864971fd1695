"""18: recorded traffic comes again the next day, and after the ledger was folded; a boot counter is reset."""

from typing import Final

import pytest

from ingest.delivery import Delivery
from store import ledger_ranges
from store.pool import Connection
from tests.faults.corridor import rows, stored, told_of
from tests.faults.table import Experiment
from tests.faults.traffic import Traffic
from tests.ingest.senders import AMBIENT, KNOWN_US, ODOMETER, SECOND_US, T0_US, deliver, signals, vin
from vehicle.day import at_of

DAY_US: Final = 86_400 * SECOND_US
FLEET: Final = [vin(number) for number in range(1, 21)]


def recorded(experiment: Experiment, *, known_us: int = KNOWN_US) -> list[Delivery]:
    """What twenty vehicles said, byte for byte the same each time it is asked."""
    traffic = Traffic(type(experiment.draw)(experiment.seed))
    return [
        deliver(traffic.message(), known_us=known_us) for _ in range(3000 if experiment.is_whole else 150)
    ]


@pytest.mark.experiment(18, "recorded traffic comes again the next day", quick=True)
async def test_what_was_recorded_and_comes_again_adds_no_row(
    experiment: Experiment, conn: Connection
) -> None:
    sent = recorded(experiment)
    first = await stored(conn, sent)
    assert (first.stored, first.rejected) == (len(sent), 0)
    expected = await told_of(conn, FLEET)
    again = recorded(experiment, known_us=KNOWN_US + DAY_US)
    experiment.draw.shuffle(again)
    second = await stored(conn, again)
    assert (second.stored, second.doubled) == (0, len(sent))
    assert await told_of(conn, FLEET) == expected
    folded = 0
    for pages in await ledger_ranges.slices(conn):
        folded += await ledger_ranges.fold(conn, pages, at_of(KNOWN_US + 8 * DAY_US))
    assert folded == len(sent)
    assert await rows(conn, "select count(*) from message") == [(0,)]
    expected["message"] = []
    again = recorded(experiment, known_us=KNOWN_US + 9 * DAY_US)
    experiment.draw.shuffle(again)
    second = await stored(conn, again)
    assert (second.stored, second.doubled) == (0, len(sent))
    assert await told_of(conn, FLEET) == expected
    experiment.note(f"{folded} messages the next day, and once folded: 0 new rows")


@pytest.mark.experiment(18, "a boot counter begins again", quick=True)
async def test_a_counter_that_was_reset_is_another_life_and_loses_nothing(
    experiment: Experiment, conn: Connection
) -> None:
    def boot(km: float, day: int) -> list[Delivery]:
        t0_us = T0_US + day * DAY_US
        return [
            deliver(
                signals(vin(1), seq, {ODOMETER: 1000 * km + seq, AMBIENT: km}, t0_us=t0_us + seq * SECOND_US),
                known_us=KNOWN_US + day * DAY_US,
            )
            for seq in range(20)
        ]

    first, after_reset = boot(100.0, 0), boot(140.0, 1)
    assert (await stored(conn, first)).stored == 20
    tally = await stored(conn, after_reset)
    assert (tally.stored, tally.doubled, tally.resets) == (20, 0, 20)
    again = [*first, *after_reset]
    experiment.draw.shuffle(again)
    assert (await stored(conn, again)).doubled == 40
    assert await rows(conn, "select boot, life, count(*) from message group by 1, 2 order by 2") == [
        (1, 0, 20),
        (1, 1, 20),
    ]
    for pages in await ledger_ranges.slices(conn):
        await ledger_ranges.fold(conn, pages, at_of(KNOWN_US + 30 * DAY_US))
    third = await stored(conn, boot(200.0, 40))
    assert (third.stored, third.resets) == (20, 20)
    assert (await stored(conn, again)).doubled == 40
    experiment.note("three lives of 20 messages under one boot, also after folding")
