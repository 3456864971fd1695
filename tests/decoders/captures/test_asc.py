"""ASC: frames of both kinds among other events; what a tool wrote is what is read."""

import time
from collections.abc import Iterator
from pathlib import Path

import can
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from decoders.captures import asc
from decoders.captures.asc import UnreadableAscError
from decoders.captures.findings import Findings
from tests.decoders.captures.recorded import BASE_US, Frame, plain, recordings, rows
from vehicle.errors import DecodeError

HEAD = b"date Tue Nov 14 10:13:20.000 pm 2023\nbase hex  timestamps absolute\ninternal events logged\n"
TWELVE = bytes(range(12))


def read(text: bytes) -> tuple[list[Frame], Findings]:
    reader = asc.lines(text[:4096])
    return rows([reader.feed(text), reader.close()]), reader.findings


@pytest.mark.parametrize(
    ("line", "frame"),
    [
        (
            b"   0.008010 1  7BB             Rx   d 3 10 26 62  Length = 0 BitCount = 64 ID = 1979",
            Frame(BASE_US + 8010, 0x7BB, False, 0, b"\x10\x26\x62"),
        ),
        (b"12.5 2 18FEF100x Tx d 0", Frame(BASE_US + 12_500_000, 0x18FEF100, True, 1, b"")),
        (b"12.5 2 18FEF100x Tx d 1 AB", Frame(BASE_US + 12_500_000, 0x18FEF100, True, 1, b"\xab")),
        (
            b"0.000001 CANFD   1 Rx        123                                   1 0 9 12 "
            + TWELVE.hex(" ").encode() + b"   130000  130   303000 e0006659 46500250 4b140250 20011736",
            Frame(BASE_US + 1, 0x123, False, 0, TWELVE),
        ),
        (
            b"0.000001 CANFD 3 Tx 18FEF100x EngineData 0 0 1 1 7F 0 0",
            Frame(BASE_US + 1, 0x18FEF100, True, 2, b"\x7f"),
        ),
    ],
)  # fmt: skip
def test_every_form_of_a_line_is_read(line: bytes, frame: Frame) -> None:
    found, findings = read(
        HEAD + b"// a comment\n   0.000 Start of measurement\n" + line + b"\n 1.0 1 Statistic: D 1\n"
    )
    assert found == [frame]
    assert findings.broken_n == 0


def test_a_broken_frame_is_named_and_harms_no_other() -> None:
    found, findings = read(HEAD + b"1.0 1 123 Rx d 3 11 22\n1.0 1 12G Rx d 1 11\n1.0 1 123 Rx d 1 11\n")
    assert len(found) == 1
    assert [(one.where, one.what) for one in findings.problems] == [
        ("line 4", "3 bytes announced, 2 found"),
        ("line 5", "a frame was expected, got 1.0 1 12G Rx d 1 11"),
    ]


def test_error_and_remote_frames_are_counted() -> None:
    text = b"1.0 1 ErrorFrame\n2.0 CANFD 1 Rx ErrorFrame x\n1.0 1 123 Rx r\n1.0 1 123 Rx r 8 Length = 0\n"
    found, findings = read(HEAD + text)
    assert (found, findings.error_frames_n, findings.remote_frames_n, findings.broken_n) == ([], 2, 2, 0)


@pytest.mark.parametrize("head", [b"base dec  timestamps absolute\n", b"base hex timestamps relative\n"])
def test_kinds_that_are_not_read_are_refused(head: bytes) -> None:
    assert asc.is_head(head)
    with pytest.raises(UnreadableAscError):
        read(head)


@pytest.mark.parametrize(
    ("date", "t_us"),
    [
        (b"date Die Nov 14 22:13:20 2023", BASE_US),
        (b"date Mit M\xc3\xa4r 1 10:00:00.250 am 2023", 1_677_664_800_250_000),
        (b"date of something", 0),
        (b"date Tue Nov 14 22:13:20.20 2023", BASE_US + 20_000),  # python-can means .020
        (b"date Tue Nov 14 22:13:20.020000 2023", BASE_US + 20_000),
    ],
)
def test_dates_of_several_spellings_are_read(date: bytes, t_us: int) -> None:
    found, _ = read(date + b"\nbase hex\n0.0 1 1 Rx d 0\n")
    assert found[0].t_us == t_us


BLOCK = b"Begin Triggerblock Tue Nov 14 10:13:20.000 pm 2023\n"


@pytest.mark.parametrize(
    ("lines", "t_us"),
    [
        (b"date Sun Nov 22 04:00:00 2026\n" + BLOCK + b"  0.000000 Start of measurement\n", BASE_US),
        (b"date Sun Nov 22 04:00:00 2026\r\n" + BLOCK.replace(b"\n", b"\r\n"), BASE_US),
        (b"date Sun Nov 22 04:00:00 2026\nBegin Triggerblock one two\n", 1_795_320_000_000_000),
        (BLOCK + b"// a comment\n", BASE_US),
        (b"date Tue Nov 14 10:13:10.500 pm 2023\n" + BLOCK, BASE_US - 9_500_000),  # triggered 10 s later
    ],
)
def test_times_count_from_the_start_of_the_measurement(lines: bytes, t_us: int) -> None:
    found, findings = read(b"base hex  timestamps absolute\n" + lines + b"9.000000 1 123 Rx d 1 AB\n")
    assert findings.broken_n == 0
    assert found == [Frame(t_us + 9_000_000, 0x123, False, 0, b"\xab")]


@pytest.fixture
def zone_of_files(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A tool writes local time."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("zone_of_files")
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(recordings())
def test_what_a_tool_writes_is_what_is_read(tmp_path: Path, frames: list[Frame]) -> None:
    frames = [one for one in frames if not (one.is_fd and not one.data)]  # it reads like a remote frame
    path = tmp_path / "a.asc"
    with can.ASCWriter(path) as writer:
        for frame in frames:
            writer.on_message_received(frame.message(channel=frame.bus))
    found, findings = read(path.read_bytes())
    assert findings.broken_n == 0, findings.problems
    assert found == plain(frames)


@settings(max_examples=60)
@given(
    st.lists(
        st.sampled_from(
            [b"1.0 ", b"1 ", b"CANFD ", b"123", b"x", b" Rx ", b"d 2 ", b"11 22", b"\n", b"\xff"]
        ),
        max_size=40,
    )
)
def test_any_bytes_give_frames_or_counted_problems(parts: list[bytes]) -> None:
    try:
        read(HEAD + b"".join(parts))
    except DecodeError:
        return
