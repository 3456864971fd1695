"""Reports of both editions: what golden packets say, what is refused, what comes back."""

import re
from pathlib import Path

import pytest

from decoders.gbt32960 import messages, packet, report, units_2016, units_2025
from decoders.gbt32960.layout import Record, layout
from decoders.gbt32960.packet import Packet
from decoders.gbt32960.report import Entry, Extension, Report
from decoders.gbt32960.shanghai_bus import SHANGHAI_BUS
from decoders.gbt32960.words import AckFlag, Command, Edition, Encryption
from tests.decoders.gbt32960 import files
from vehicle.errors import (
    EncryptedError,
    TruncatedPayloadError,
    UnknownCommandError,
    UnknownUnitError,
    WrongLengthError,
    WrongTimeError,
    WrongTypeError,
)

AT_US = 1_795_233_906_000_000
TIME = bytes((26, 11, 21, 12, 5, 6))
VIN = "L0DEV1234N0000001"


def of(body: bytes, edition: Edition = Edition.GBT_2016, command: int = Command.REPORT) -> Packet:
    return Packet(edition, command, AckFlag.COMMAND, VIN, Encryption.NONE, body)


@pytest.mark.parametrize("name", files.reports())
def test_a_golden_report_says_what_its_file_says(name: str) -> None:
    golden = files.read(name)
    one = report.decode(packet.parse(golden.data))
    assert one.at_us == golden.at_us
    assert one.edition.year == int(name[:4])
    assert one.is_reissued == (packet.parse(golden.data).command == Command.REISSUE)
    wanted = golden.says["entry"]
    assert [(entry.number, entry.name) for entry in one.entries] == [
        (entry["number"], entry["name"]) for entry in wanted
    ]
    for entry, says in zip(one.entries, wanted, strict=True):
        assert files.spelled(entry.record) == files.written(says), entry.name
    counts = (golden.says.get("no_measurement", 0), golden.says.get("out_of_range", 0))
    assert one.missing_n() == counts


@pytest.mark.parametrize("name", files.reports())
def test_a_golden_report_comes_back_byte_for_byte(name: str) -> None:
    one = packet.parse(files.read(name).data)
    assert report.encode(report.decode(one)) == one.body


@pytest.mark.parametrize(
    ("edition", "name"), [(Edition.GBT_2016, "2016-report"), (Edition.GBT_2025, "2025-report")]
)
def test_the_golden_reports_have_every_unit_of_their_edition(edition: Edition, name: str) -> None:
    one = report.decode(packet.parse(files.read(name).data))
    assert report.UNITS[edition].keys() <= {entry.number for entry in one.entries}


def test_the_same_number_means_other_data_in_the_other_edition() -> None:
    names_2016 = {number: unit.name for number, unit in units_2016.UNITS.items()}
    names_2025 = {number: unit.name for number, unit in units_2025.UNITS.items()}
    differing = {
        number for number in names_2016.keys() & names_2025.keys() if names_2016[number] != names_2025[number]
    }
    assert differing == {6, 7, 8}


def test_every_table_says_where_it_is_from() -> None:
    for units in report.UNITS.values():
        for unit in units.values():
            assert unit.table
            assert unit.source
            assert unit.source.startswith("[U] ") != ("fixtures" in unit.source), unit.name
    assert all(unit.source.startswith("[U] ") for unit in units_2025.UNITS.values())


def test_the_description_has_every_unit_under_its_numbers() -> None:
    text = (Path(__file__).parents[3] / "docs/gbt32960.md").read_text(encoding="utf-8")
    for unit in units_2016.UNITS.values():
        assert re.search(rf"^\| {unit.number:02X} \| [^|]*\| `{unit.name}` ", text, re.MULTILINE), unit.name
    for unit in units_2025.UNITS.values():
        assert re.search(rf"^\|[^|]*\| {unit.number:02X} \| `{unit.name}` ", text, re.MULTILINE), unit.name


def test_the_units_of_an_extension_come_back() -> None:
    body = TIME + bytes((0x81,)) + bytes.fromhex("0112 0265 0300dc 04272b") * 10
    one = report.decode(of(body), SHANGHAI_BUS)
    (entry,) = one.entries
    assert (entry.name, len(entry.record.groups["seconds"])) == ("bus_ten_seconds", 10)
    assert entry.record.groups["seconds"][9].number("current_a") == 2.7
    assert report.encode(one, SHANGHAI_BUS) == body


def test_an_extension_s_unit_of_another_length_is_refused() -> None:
    with pytest.raises(WrongLengthError, match="bus_state at byte 7 has 48 bytes, its length says 16"):
        report.decode(of(TIME + bytes.fromhex("80 0010") + bytes(16)), SHANGHAI_BUS)
    with pytest.raises(WrongTypeError, match="a byte of an extension is always 02, got 03"):
        report.decode(of(TIME + bytes((0x81,)) + bytes.fromhex("0112 0365 0300dc 04272b") * 10), SHANGHAI_BUS)


def test_a_report_without_units_is_a_moment() -> None:
    assert report.decode(of(TIME)).entries == ()


def test_the_last_of_equal_units_counts_and_all_are_kept() -> None:
    one = report.decode(of(TIME + bytes.fromhex("04 01 0708 0000 04 02 0000 0000")))
    assert [record.word("state") for record in one.all("engine")] == ["on", "off"]
    last = one.last("engine")
    assert last is not None
    assert last.word("state") == "off"
    assert one.last("motors") is None


@pytest.mark.parametrize(
    ("edition", "units", "says"),
    [
        (Edition.GBT_2016, "04 01 07", "engine at byte 7 needs 5 bytes, got 2"),
        (Edition.GBT_2016, "04", "engine at byte 7 needs 5 bytes, got 0"),
        (Edition.GBT_2016, "02", "motors, the number of motors, at byte 7 needs 1 bytes, got 0"),
        (
            Edition.GBT_2016,
            "02 02 01 01 55 5e92 52f2 5c 8b10 28d2",
            "motors at byte 20 needs 12 bytes, got 0",
        ),
        (
            Edition.GBT_2016,
            "09 01 01 0005 01 02",
            "temperatures, 5 probe_degc, at byte 11 needs 5 bytes, got 2",
        ),
        (Edition.GBT_2016, "80 00", "custom, the number of data, at byte 7 needs 2 bytes, got 1"),
        (Edition.GBT_2016, "80 0003 01", "custom, data, at byte 9 needs 3 bytes, got 1"),
        (Edition.GBT_2025, "ff 01 0002 aa", "signature, r, at byte 10 needs 2 bytes, got 1"),
        (
            Edition.GBT_2025,
            "07 01 01 0f96 704e 0002 1036",
            "cell_voltages, 2 cell_v, at byte 15 needs 4 bytes, got 2",
        ),
    ],
)
def test_a_report_that_ends_within_a_unit_is_refused(edition: Edition, units: str, says: str) -> None:
    with pytest.raises(TruncatedPayloadError) as refused:
        report.decode(of(TIME + bytes.fromhex(units), edition))
    assert str(refused.value) == says


@pytest.mark.parametrize(
    ("edition", "number"),
    [
        (Edition.GBT_2016, 0x0A),
        (Edition.GBT_2016, 0x30),
        (Edition.GBT_2016, 0xFF),
        (Edition.GBT_2025, 0x00),
        (Edition.GBT_2025, 0x09),
        (Edition.GBT_2025, 0x33),
    ],
)
def test_a_unit_of_unknown_length_is_refused(edition: Edition, number: int) -> None:
    with pytest.raises(UnknownUnitError, match=f"got {number:02X} at byte 6"):
        report.decode(of(TIME + bytes((number, 1, 2, 3)), edition))


def test_nothing_may_stand_behind_a_signature() -> None:
    body = TIME + bytes.fromhex("ff 01 0000 0000 04 0384")
    with pytest.raises(WrongLengthError, match="a signature is the last unit, 3 bytes stand behind it"):
        report.decode(of(body, Edition.GBT_2025))


def test_a_report_of_a_day_that_does_not_exist_is_refused() -> None:
    with pytest.raises(WrongTimeError, match="got 26-13-21 12:5:6"):
        report.decode(of(bytes((26, 13, 21, 12, 5, 6))))


def test_an_encrypted_report_is_refused_by_name() -> None:
    golden = files.read("2025-encrypted")
    one = packet.parse(golden.data)
    for read in (report.decode, messages.decode, packet.ledger_key):
        with pytest.raises(EncryptedError, match="got 0x05, SM4, 16 bytes") as refused:
            read(one)
        assert refused.value.reason == golden.says["reason"]


@pytest.mark.parametrize(
    ("command", "flag"), [(Command.LOGIN, AckFlag.COMMAND), (Command.REPORT, AckFlag.OK)]
)
def test_only_reports_are_read_as_reports(command: Command, flag: AckFlag) -> None:
    with pytest.raises(UnknownCommandError, match="reports are commands 02 and 03"):
        report.decode(Packet(Edition.GBT_2016, command, flag, VIN, Encryption.NONE, TIME))


def test_an_extension_is_of_custom_units() -> None:
    with pytest.raises(WrongTypeError, match="custom units are 0x80 to 0xFE, mine has 0x01"):
        Extension("mine", {1: units_2016.VEHICLE})


def test_a_unit_that_its_edition_does_not_have_is_not_written() -> None:
    one = Report(Edition.GBT_2016, AT_US, (Entry(0x30, "fuel_cell_stacks", Record()),))
    with pytest.raises(UnknownUnitError, match="2016 has no unit 30"):
        report.encode(one)


def test_a_packet_without_positions_is_the_same_but_for_them() -> None:
    for name in files.reports():
        one = packet.parse(files.read(name).data)
        bare = report.without_position(one)
        again = packet.parse(packet.build(bare))
        assert report.decode(again).entries == tuple(
            entry for entry in report.decode(one).entries if entry.name != "position"
        )
        assert again.vin == one.vin


def test_a_layout_joins_neighbouring_fields() -> None:
    assert len(units_2016.VEHICLE.layout.parts) == 1
    assert len(units_2025.SUPERCAPACITOR.layout.parts) == 3
    assert layout().parts == ()
