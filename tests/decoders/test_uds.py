from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders import uds, uds_dtc
from decoders.dtc import spell
from decoders.uds import Cleared, Data, Negative, Other
from decoders.uds_dtc import DtcCount, DtcDetail, DtcList, DtcRecord, KeptRecord, SubFunction
from vehicle.dtc import Dtc, DtcReport, DtcStandard, DtcStatus
from vehicle.errors import DecodeError, TruncatedPayloadError, UnknownKindError, WrongTypeError

SIZES = {0xF40D: 1, 0xF40C: 2, 0x1234: 4}
ALL = DtcStatus(0xFF)


def parse(text: str) -> uds.Answer:
    return uds.parse_response(bytes.fromhex(text), size_of=SIZES.get)


def report(payload: str, request: str | None = None) -> DtcReport:
    answer = parse(payload)
    assert isinstance(answer, DtcList | DtcDetail)
    asked = None if request is None else bytes.fromhex(request)
    return uds_dtc.report(answer, message=3, at_us=7, ecu="7e8", request=asked)


def test_codes_are_listed_with_their_status() -> None:
    assert parse("5902ff 030111 2f 000000 00 c10000 50") == DtcList(
        SubFunction.BY_STATUS,
        ALL,
        (DtcRecord(0x030111, DtcStatus(0x2F)), DtcRecord(0xC10000, DtcStatus(0x50))),
    )


def test_a_count_says_how_codes_are_to_be_read() -> None:
    assert parse("5901ff010102") == DtcCount(ALL, 1, 258)
    assert parse("5907ff000003") == DtcCount(ALL, 0, 3)


def test_severity_stands_before_the_code_where_it_was_asked_for() -> None:
    one = DtcRecord(0x030100, DtcStatus(0x08), severity=0x80, functional_unit=0x10)
    assert parse("5908ff 80 10 030100 08") == DtcList(SubFunction.BY_SEVERITY, ALL, (one,))
    assert parse("5909ff 80 10 030100 08") == DtcList(SubFunction.SEVERITY_OF_DTC, ALL, (one,))
    assert parse("5942 33 ff 7f 04 40 030100 08") == DtcList(
        SubFunction.WWH_OBD_BY_STATUS, ALL, (DtcRecord(0x030100, DtcStatus(0x08), severity=0x40),), 4
    )


def test_the_availability_mask_takes_away_what_means_nothing() -> None:
    answer = parse("590a09 030100 ff")
    assert isinstance(answer, DtcList)
    assert answer.dtcs[0].status == DtcStatus(0x09)


def test_snapshots_are_kept_as_bytes_with_their_numbers() -> None:
    assert parse("5904 030100 2f 01 02 f40d 32 f40c 1af8 02 01 f40d 33") == DtcDetail(
        SubFunction.SNAPSHOT_BY_DTC,
        0x030100,
        DtcStatus(0x2F),
        (KeptRecord(1, bytes.fromhex("02f40d32f40c1af8")), KeptRecord(2, bytes.fromhex("01f40d33"))),
    )


@pytest.mark.parametrize("body", ["02 f40d 32 9999 1af8 02 01 f40d 33", "00 f40d 32 02 01 f40d 33"])
def test_a_snapshot_of_unknown_length_holds_all_that_is_left(body: str) -> None:
    answer = parse(f"5904 030100 2f 01 {body}")
    assert isinstance(answer, DtcDetail)
    assert answer.records == (KeptRecord(1, bytes.fromhex(body)),)


def test_extended_data_are_kept_as_bytes_with_their_number() -> None:
    answer = parse("5906 030100 2f 10 0a0b0c")
    assert answer == DtcDetail(
        SubFunction.EXTENDED_DATA_BY_DTC, 0x030100, DtcStatus(0x2F), (KeptRecord(0x10, b"\x0a\x0b\x0c"),)
    )
    assert parse("5906 030100 2f") == DtcDetail(
        SubFunction.EXTENDED_DATA_BY_DTC, 0x030100, DtcStatus(0x2F), ()
    )


@pytest.mark.parametrize(
    ("payload", "name", "is_pending"),
    [
        ("7f1931", "requestOutOfRange", False),
        ("7f2278", "requestCorrectlyReceivedResponsePending", True),
        ("7f22fe", "0xFE", False),
    ],
)
def test_a_refusal_has_the_standard_s_name(payload: str, name: str, *, is_pending: bool) -> None:
    answer = parse(payload)
    assert isinstance(answer, Negative)
    assert (answer.name, answer.is_pending) == (name, is_pending)
    assert answer.service == int(payload[2:4], 16)


def test_a_clear_says_what_was_cleared_where_the_request_was_heard() -> None:
    assert uds.parse_response(b"\x54") == Cleared(None)
    assert uds.parse_response(b"\x54", request=b"\x14\xff\xff\xff") == Cleared(uds.ALL_GROUPS)
    assert uds.parse_response(b"\x54", request=b"\x19\x02\xff\xff") == Cleared(None)


def test_other_answers_are_told_apart() -> None:
    assert parse("620101aa") == Data(b"\x01\x01\xaa")
    assert parse("5003003201f4") == Other(0x10)


@pytest.mark.parametrize(
    ("payload", "error", "says"),
    [
        ("", TruncatedPayloadError, "an answer needs 1 bytes, got 0"),
        ("1902ff", WrongTypeError, "an answer has bit 6 of its service set, got 0x19"),
        ("7f19", TruncatedPayloadError, "a negative answer needs 3 bytes, got 2"),
        ("59", TruncatedPayloadError, "an answer about fault codes needs 2 bytes"),
        ("5902", TruncatedPayloadError, "sub-function 0x02 needs 1 bytes, got 0"),
        ("5902ff030100", TruncatedPayloadError, "the codes of sub-function 0x02 needs 4 bytes, got 3"),
        ("5942330102", TruncatedPayloadError, "sub-function 0x42 needs 4 bytes, got 3"),
        ("5904030100", TruncatedPayloadError, "sub-function 0x04 needs 4 bytes, got 3"),
        ("59040301002f01", TruncatedPayloadError, "a snapshot record needs 2 bytes, got 1"),
        ("59040301002f0102f40d32f40c1a", TruncatedPayloadError, "a snapshot record needs 9 bytes, got 8"),
        ("590301", UnknownKindError, "sub-function 0x03 of service 0x19 is not read here"),
    ],
)
def test_what_does_not_add_up_is_refused(payload: str, error: type[DecodeError], says: str) -> None:
    with pytest.raises(error) as refused:
        parse(payload)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("availability", "request_text", "complete"),
    [
        ("ff", "1902ff", True),
        ("ff", "19020d", True),
        ("ff", "1982ff", True),  # with the bit that suppresses the answer
        ("ff", "190208", False),  # pending ones are left out
        ("ff", "190209", False),
        ("09", "190209", True),  # this ECU has no pending
        ("09", "190208", False),
        ("08", "190208", True),  # confirmed is all it knows
        ("f2", "1902ff", False),  # it supports none of the bits that say a code is there
        ("ff", None, False),
        ("ff", "1902", False),
        ("ff", "190aff", False),
        ("ff", "2202ff", False),
    ],
)
def test_a_list_is_complete_if_every_code_that_is_there_had_to_be_in_it(
    availability: str, request_text: str | None, *, complete: bool
) -> None:
    assert report(f"5902{availability}", request_text).complete is complete


def test_all_codes_an_ecu_can_report_are_complete_whoever_asked() -> None:
    assert report("590aff03010000").complete
    assert not report("590a0003010000").complete
    for one in ("5908ff", "5909ff", "594233ff7f04", "59040301002f"):
        assert not report(one, "1902ff").complete


def test_a_report_spells_codes_with_their_failure_type() -> None:
    found = report("5902ff 030111 2f 403500 50", "1902ff")
    assert (found.message, found.at_us, found.ecu, found.standard) == (3, 7, "7e8", DtcStandard.UDS)
    assert [(one.dtc, one.status) for one in found.readings] == [
        (Dtc(DtcStandard.UDS, "7e8", "P0301", ftb=0x11), DtcStatus(0x2F)),
        (Dtc(DtcStandard.UDS, "7e8", "C0035", ftb=0x00), DtcStatus(0x50)),
    ]


def test_codes_of_j1939_are_spelled_as_such_where_the_answer_says_so() -> None:
    found = report("5942 33 ff 7f 02 40 d20f4c 08")
    assert found.standard is DtcStandard.J1939
    expected = Dtc(DtcStandard.J1939, "7e8", "SPN 135122 FMI 12", spn=0x20FD2, fmi=12)
    assert found.readings[0].dtc == expected


@given(
    codes=st.lists(st.tuples(st.integers(1, 0xFFFFFF), st.integers(0, 255)), max_size=20),
    availability=st.integers(0, 255),
)
@settings(max_examples=60)
def test_what_is_encoded_is_read(codes: list[tuple[int, int]], availability: int) -> None:
    body = b"".join(code.to_bytes(3, "big") + bytes([status]) for code, status in codes)
    answer = uds.parse_response(bytes([0x59, 0x02, availability]) + body)
    assert isinstance(answer, DtcList)
    assert [(one.code, one.status) for one in answer.dtcs] == [
        (code, status & availability) for code, status in codes
    ]
    found = uds_dtc.report(answer, message=0, at_us=0, ecu="x")
    assert [(one.dtc.code, one.dtc.ftb) for one in found.readings] == [
        (spell(code >> 8), code & 0xFF) for code, _ in codes
    ]


HEADS = [bytes.fromhex(one) for one in ("5902ff", "59040301002f0102f40d", "5942", "7f", "5906", "62f40d")]


@given(st.binary(max_size=40) | st.builds(bytes.__add__, st.sampled_from(HEADS), st.binary(max_size=20)))
@settings(max_examples=100)
def test_any_bytes_are_an_answer_or_refused(payload: bytes) -> None:
    with suppress(DecodeError):
        answer = uds.parse_response(payload, size_of=SIZES.get)
        if isinstance(answer, DtcDetail) and answer.records:
            assert all(one.data == b"" or one.data in payload for one in answer.records)
