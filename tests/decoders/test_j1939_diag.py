from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders import frames, j1939, j1939_diag
from decoders.identity import IdentityKind
from decoders.j1939 import Carry, TransportMessage
from decoders.j1939_diag import ListKind
from tests.decoders.conftest import Capture
from tests.strategies import Frame, batch_of
from vehicle.errors import DecodeError

CODE = bytes([110, 0, 0, 3])
"""SPN 110 FMI 0, three times."""


def one_frame(group: int, payload: bytes, *, source: int = 0, t_us: int = 0) -> Frame:
    return Frame(0x98000000 | group << 8 | source, payload, t_us)


def carried(group: int, data: bytes, *, source: int = 0, t_us: int = 0) -> TransportMessage:
    return TransportMessage(group, source, 0xFF, t_us, 0, data)


@pytest.mark.parametrize(
    ("group", "kind"),
    [
        (65227, ListKind.PREVIOUSLY_ACTIVE),
        (65231, ListKind.PENDING),
        (65236, ListKind.EMISSION_ACTIVE),
        (64949, ListKind.EMISSION_PREVIOUSLY_ACTIVE),
    ],
)
def test_lists_are_read_like_dm1_whatever_carried_them(group: int, kind: ListKind) -> None:
    single = one_frame(group, b"\x40\xff" + CODE + b"\xff\xff", source=0x21, t_us=9)
    longer = carried(group, b"\x04\xff" + CODE * 3, t_us=4)
    found = j1939_diag.code_lists(batch_of([single]), [longer])
    assert [(one.kind, one.ecu, one.at_us, len(one.content.readings)) for one in found] == [
        (kind, "sa-00", 4, 3),
        (kind, "sa-21", 9, 1),
    ]
    assert found[1].content.readings[0].dtc.code == "SPN 110 FMI 0"
    assert found[1].content.mil.name == "ON"


def test_an_empty_list_has_no_codes() -> None:
    (found,) = j1939_diag.code_lists(batch_of([one_frame(65227, b"\x00\xff\x00\x00\x00\x00\xff\xff")]), [])
    assert found.content.readings == ()


def test_dm1_and_short_payloads_are_no_such_list() -> None:
    drawn = [one_frame(65226, b"\x40\xff" + CODE + b"\xff\xff"), one_frame(65227, b"\x40\xff\x01")]
    assert j1939_diag.code_lists(batch_of(drawn), [carried(65227, b"\x00")]) == []


def test_a_vehicle_s_number_ends_with_a_star() -> None:
    for data in (b"A0DH0000000000001*", b"A0DH0000000000001", b"A0DH0000000000001*\xff\xff"):
        (found,) = j1939_diag.identities(batch_of([]), [carried(65260, data, source=0x31)])
        assert (found.kind, found.ecu, found.texts) == (IdentityKind.VIN, "sa-31", ("A0DH0000000000001",))


def test_a_component_tells_make_model_serial_and_unit() -> None:
    data = b"ODO*H12 DIESEL*12345678**"
    (found,) = j1939_diag.identities(batch_of([]), [carried(65259, data)])
    assert (found.kind, found.texts) == (IdentityKind.COMPONENT, ("ODO", "H12 DIESEL", "12345678", ""))


def test_software_begins_with_the_number_of_its_texts() -> None:
    (found,) = j1939_diag.identities(batch_of([]), [carried(65242, b"\x02ECM 4.1*CAL 17*more*")])
    assert (found.kind, found.texts) == (IdentityKind.SOFTWARE, ("ECM 4.1", "CAL 17"))
    (short,) = j1939_diag.identities(batch_of([one_frame(65242, b"\x01V1.2*\xff\xff")]), [])
    assert short.texts == ("V1.2",)


def test_nothing_is_said_by_nothing() -> None:
    assert j1939_diag.identities(batch_of([one_frame(65242, b"\xff" * 8), one_frame(65260, b"")]), []) == []


@given(
    group=st.sampled_from([*ListKind, 65260, 65259, 65242]),
    data=st.binary(max_size=60),
)
@settings(max_examples=100)
def test_any_payload_is_read_or_refused(group: int, data: bytes) -> None:
    with suppress(DecodeError):
        j1939_diag.code_lists(batch_of([]), [carried(group, data)])
        j1939_diag.identities(batch_of([]), [carried(group, data)])
        j1939_diag.identities(batch_of([one_frame(group, data[:8])]), [])


def test_the_truck_told_neither_lists_nor_names(truck: Capture) -> None:
    batch = frames.join([truck.message], [0])
    transported = j1939.reassemble(batch, Carry()).messages
    assert j1939_diag.code_lists(batch, transported) == []
    assert j1939_diag.identities(batch, transported) == []
