"""Live frames say the same as the day's signals, and count no start twice."""

import numpy as np
import pytest

from decoders.can import decode
from decoders.envelope import CanMessage
from decoders.frames import join
from odocare import wiring
from simulator.tail import PetrolTail
from simulator.tbox import CRANKING, ENGINE_HOURS, ODOMETER, OIL_LIFE, REST, SPEED, STARTS, end_us
from tests.simulator.conftest import life_of

PETROL_SLOTS = [slot for slot in range(12) if life_of(slot).vehicle.model.is_petrol]


@pytest.mark.parametrize("slot", PETROL_SLOTS[:5])
def test_frames_decode_to_the_days_values(slot: int) -> None:
    life = life_of(slot)
    day = int(np.flatnonzero(life.used.starts_n)[-1])
    (message,) = PetrolTail()(life, day)
    assert isinstance(message, CanMessage)
    decoded = decode(join([message], [0]), wiring.codebooks().by_name("odo_petrol"))
    catalogue = wiring.catalogue()

    def values(path: str) -> np.ndarray:
        chosen = decoded.rows.signal == catalogue.of(path).number
        return np.asarray(decoded.rows.value[chosen])

    assert np.allclose(values(ODOMETER), life.last_m[day])
    assert list(values(OIL_LIFE)) == [life.oil_life_pct[day]]
    assert values(ENGINE_HOURS) == pytest.approx([life.engine_h[day]], rel=1e-6)
    assert set(values(STARTS)) == {life.starts_total[day]}
    assert len(values(SPEED)) == 100
    assert values(SPEED)[-1] == 0.0
    assert len(values(CRANKING)) == len(values(REST)) == 0
    assert decoded.unknown_ids == {}
    assert message.envelope.t0_us + int(message.dt_us[-1]) < end_us(life, day)


def test_trucks_send_none() -> None:
    truck = next(life_of(slot) for slot in range(60) if not life_of(slot).vehicle.model.is_petrol)
    assert list(PetrolTail()(truck, int(np.flatnonzero(truck.used.starts_n)[-1]))) == []
