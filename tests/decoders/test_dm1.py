import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders import dm1
from decoders.dm1 import Lamp
from decoders.j1939 import TransportMessage
from tests.strategies import Frame, batch_of
from vehicle.dtc import DtcReading
from vehicle.errors import TruncatedPayloadError

DM1 = 0x98FECA00


def encoded(spn: int, fmi: int, count: int, *, conversion: int = 0) -> bytes:
    return bytes([spn & 0xFF, spn >> 8 & 0xFF, spn >> 16 << 5 | fmi, conversion << 7 | count])


def code(reading: DtcReading) -> tuple[str, int | None, int | None, int | None]:
    return reading.dtc.code, reading.dtc.spn, reading.dtc.fmi, reading.occurrences


def test_one_frame_is_one_report() -> None:
    payload = bytes([0x44, 0xFF]) + encoded(110, 0, 3) + b"\xff\xff"
    (report,) = dm1.reports(batch_of([Frame(DM1 | 0x21, payload, t_us=7)]), [])
    assert (report.ecu, report.at_us, report.mil, report.complete) == ("sa-21", 7, True, True)
    assert [code(reading) for reading in report.readings] == [("SPN 110 FMI 0", 110, 0, 3)]


@given(
    codes=st.lists(st.tuples(st.integers(1, 0x7FFFE), st.integers(0, 31), st.integers(0, 126)), max_size=6),
    lamps=st.tuples(*[st.sampled_from(Lamp)] * 4),
)
@settings(max_examples=60)
def test_what_is_encoded_is_read(
    codes: list[tuple[int, int, int]], lamps: tuple[Lamp, Lamp, Lamp, Lamp]
) -> None:
    mil, red, amber, protect = lamps
    first = mil << 6 | red << 4 | amber << 2 | protect
    payload = bytes([first, 0xFF]) + b"".join(encoded(*one) for one in codes or [(0, 0, 0)])
    found = dm1.parse(payload, 0)
    assert (found.mil, found.red_stop, found.amber_warning, found.protect) == lamps
    assert [(one.dtc.spn, one.dtc.fmi, one.occurrences) for one in found.readings] == codes


@pytest.mark.parametrize("filling", [bytes(4), b"\xff" * 4, encoded(0, 5, 1), encoded(0x7FFFF, 0, 0)])
def test_filling_is_no_code_and_heals_the_others(filling: bytes) -> None:
    (report,) = dm1.reports(batch_of([Frame(DM1, b"\x00\xff" + filling + b"\xff\xff")]), [])
    assert report.readings == ()
    assert report.complete
    assert report.mil is False


def test_an_old_conversion_method_keeps_its_bytes_for_nobody_knows_its_spn() -> None:
    (reading,) = dm1.parse(b"\x00\xff" + encoded(0x1234, 9, 5, conversion=1), 0).readings
    assert code(reading) == ("CM1 341209 FMI 9", None, 9, 5)


def test_a_count_of_127_is_not_available() -> None:
    (reading,) = dm1.parse(b"\x00\xff" + encoded(100, 1, 127), 0).readings
    assert reading.occurrences is None


@pytest.mark.parametrize(("lamp", "mil"), [(0x00, False), (0x40, True), (0x80, None), (0xC0, None)])
def test_the_lamp_is_on_off_or_not_told(lamp: int, *, mil: bool | None) -> None:
    (report,) = dm1.reports(batch_of([Frame(DM1, bytes([lamp, 0xFF]) + encoded(1, 1, 1))]), [])
    assert report.mil is mil


def test_reports_come_by_message_and_time_whatever_carried_them() -> None:
    payload = b"\x00\xff" + encoded(1, 1, 1)
    batch = batch_of([Frame(DM1, payload, t_us=5), Frame(DM1 | 1, payload, t_us=20)])
    long = TransportMessage(0xFECA, 2, 0xFF, 10, 0, b"\x00\xff" + encoded(2, 2, 2) * 4)
    other = TransportMessage(0xFEE3, 2, 0xFF, 11, 0, bytes(40))
    found = dm1.reports(batch, [long, other])
    assert [(one.ecu, one.at_us) for one in found] == [("sa-00", 5), ("sa-02", 10), ("sa-01", 20)]


def test_a_frame_too_short_for_a_code_says_nothing() -> None:
    assert dm1.reports(batch_of([Frame(DM1, b"\x40\xff\x01\x02\x03")]), []) == []
    with pytest.raises(TruncatedPayloadError, match="DM1 needs 6 bytes, got 5"):
        dm1.parse(b"\x40\xff\x01\x02\x03", 0)


def test_frames_of_eleven_bits_are_no_dm1() -> None:
    assert dm1.reports(batch_of([Frame(0x2CA, b"\x40\xff" + encoded(1, 1, 1))]), []) == []
