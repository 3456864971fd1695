"""The real truck: what its README promises must come out of it, however it is cut into messages."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from decoders import can, dm1, envelope, frames, j1939
from decoders.dm1 import Lamp
from decoders.j1939 import Carry, TransportMessage
from odocare import wiring
from tests.decoders.conftest import Capture
from vehicle.frame import SignalRows

LAMPS = {"off": Lamp.OFF, "on": Lamp.ON, "not available": Lamp.NOT_AVAILABLE}


def values(rows: SignalRows, path: str) -> list[float]:
    number = wiring.catalogue().of(path).number
    found: list[float] = rows.value[rows.signal == number].tolist()
    return found


def test_the_truck_decodes_as_its_expected_file_says(truck: Capture) -> None:
    batch = frames.join([truck.message], [0])
    assert len(batch) == truck.expected["n_frames"]
    rows = can.decode(batch, wiring.codebooks().by_name("j1939")).rows
    distance_m = truck.expected["total_vehicle_distance_km"]["value"] * 1000.0
    assert set(values(rows, "Vehicle.TraveledDistance")) == {distance_m} == {13_832_875.0}
    rpm = np.array(values(rows, "Vehicle.Powertrain.CombustionEngine.Speed"))
    expected = truck.expected["engine_speed_rpm"]
    assert (len(rpm), rpm.min(), rpm.max()) == (expected["n"], expected["min"], expected["max"])
    assert round(rpm.mean(), 3) == expected["mean"]


def test_the_truck_s_faults_are_those_of_its_expected_file(truck: Capture) -> None:
    batch = frames.join([truck.message], [0])
    transported = j1939.reassemble(batch, Carry())
    expected = truck.expected["dm1"]
    payloads = [one for one in transported.messages if one.pgn == expected["pgn"]]
    assert len(payloads) == expected["messages"]
    assert not transported.lost
    for payload in payloads:
        found = dm1.parse(payload.data, payload.source_address)
        assert payload.source_address == expected["source_address"]
        assert found.mil == LAMPS[expected["mil"]]
        assert found.red_stop == LAMPS[expected["red_stop"]]
        assert found.amber_warning == LAMPS[expected["amber"]]
        assert found.protect == LAMPS[expected["protect"]]
    reports = dm1.reports(batch, transported.messages)
    assert len(reports) == expected["messages"]
    for report in reports:
        assert (report.ecu, report.mil, report.complete) == ("sa-00", True, True)
        assert [
            {"spn": one.dtc.spn, "fmi": one.dtc.fmi, "oc": one.occurrences} for one in report.readings
        ] == expected["dtcs"]


@given(data=st.data())
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_truck_cut_into_messages_of_any_size_means_the_same(truck: Capture, data: st.DataObject) -> None:
    n = len(truck.message)
    cuts = sorted(data.draw(st.lists(st.integers(0, n), max_size=300)))
    parts = [
        envelope.decode("can", envelope.encode(part)) if len(part) < 15_000 else part
        for part in truck.cut(cuts)
    ]
    messages = [part for part in parts if isinstance(part, envelope.CanMessage)]
    batch = frames.join(messages, range(len(messages)))
    whole = frames.join([truck.message], [0])
    book = wiring.codebooks().by_name("j1939")
    assert sorted_values(can.decode(batch, book).rows) == sorted_values(can.decode(whole, book).rows)
    carry = Carry()
    found: list[TransportMessage] = []
    for index in range(len(messages)):
        heard = j1939.reassemble(frames.take(batch, batch.message == index), Carry.load(carry.dump()))
        carry = heard.carry
        found += heard.messages
        assert not heard.lost
    expected = j1939.reassemble(whole, Carry())
    assert [(one.t_us, one.pgn, one.data) for one in found] == [
        (one.t_us, one.pgn, one.data) for one in expected.messages
    ]


def sorted_values(rows: SignalRows) -> list[tuple[int, int, float]]:
    return sorted(zip(rows.signal.tolist(), rows.t_us.tolist(), rows.value.tolist(), strict=True))
