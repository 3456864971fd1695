"""9: two days of data come after the night's scoring; one revision tells it, and no second trigger."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from decoders.envelope import Message
from ingest import pipeline
from ingest.pipeline import Line
from odocare import wiring
from odocare.evaluate import evaluate_all, evaluate_touched
from simulator.outgoing import outgoing
from simulator.truth import TruthWriter
from store import signals as catalogue
from store.pool import Connection
from tests.faults.evaluating import evaluating
from tests.faults.reconciled import reconcile
from tests.faults.table import Experiment
from tests.ingest.senders import ODOMETER, SECOND_US, deliver, signals
from vehicle.day import us_of
from vehicle.vin import Vin

FIRST: Final = date(2026, 1, 1)
KM_A_DAY: Final = 40.0
LATE_KM_A_DAY: Final = 450.0


def driven(vin: str, first_day: int, days: int, from_km: float, km_a_day: float) -> list[Message]:
    """A message a day: the odometer in the morning and in the evening, Shanghai time."""
    messages: list[Message] = []
    for day in range(first_day, first_day + days):
        morning = datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC) + timedelta(days=day)
        km = from_km + km_a_day * (day - first_day)
        odometer_m = [1000.0 * km, 1000.0 * (km + km_a_day)]
        messages.append(
            signals(Vin(vin), day, {ODOMETER: odometer_m}, t0_us=us_of(morning), step_us=36_000 * SECOND_US)
        )
    return messages


@pytest.mark.experiment(9, "two days of data after the night", quick=True)
async def test_late_days_are_folded_in_and_told_by_one_revision(
    experiment: Experiment, conn: Connection, database_url: str, line: Line, tmp_path: Path
) -> None:
    await catalogue.sync(conn, wiring.catalogue())
    async with evaluating(conn, database_url) as (garage, pool, by):
        car = await garage.vehicle()
        vin = garage.vins[car]
        days = 90
        known = datetime(2026, 4, 20, tzinfo=UTC)
        early = driven(vin, 0, days, 0.0, KM_A_DAY)
        late = driven(vin, days, 2, days * KM_A_DAY, LATE_KM_A_DAY)
        await pipeline.store(conn, [deliver(one, known_us=us_of(known)) for one in early], line)
        night = datetime(2026, 4, 3, 3, tzinfo=UTC)
        await evaluate_all(pool, by, night)
        before = await garage.rows("select id, stage, revision from trigger")
        assert [row[2] for row in before] == [1], before
        experiment.draw.shuffle(late)
        await pipeline.store(conn, [deliver(one, known_us=us_of(known)) for one in late], line)
        assert await garage.rows("select count(*) from touched") == [(1,)]
        tally = await evaluate_touched(pool, by, as_of=night + timedelta(hours=1))
        assert (tally.opened_n, tally.revised_n, tally.withdrawn_n) == (0, 1, 0)
        after = await garage.rows("select id, stage, revision from trigger")
        assert [(row[0], row[2]) for row in after] == [(before[0][0], 2)], "the same trigger, once revised"
        kinds = await garage.rows("select kind from trigger_event order by revision")
        assert [row[0] for row in kinds] == ["opened", "revised"]
        found = await garage.rows(
            "select day - date '2026-01-01', round(odometer_last_km::numeric, 3)::float8 from vehicle_day"
            " where day >= date '2026-01-01' + 90 order by day"
        )
        assert found == [(90, days * KM_A_DAY + LATE_KM_A_DAY), (91, days * KM_A_DAY + 2 * LATE_KM_A_DAY)]
        await evaluate_all(pool, by, night + timedelta(hours=2))
        assert await garage.rows("select revision from trigger") == [(2,)], "nothing more to tell"
    with TruthWriter(tmp_path / "truth", with_bodies=True) as truth:
        for message in (*early, *late):
            truth.sent(message, outgoing(message))
        truth.end()
    await reconcile(experiment, conn, tmp_path / "truth")
    experiment.note(f"stage {before[0][1]} to {after[0][1]} days: one revision, no second trigger")
