"""TRC: all versions; what a tool wrote is what is read."""

from pathlib import Path

import can
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from decoders.captures import trc
from decoders.captures.findings import Findings
from decoders.captures.trc import UnreadableTrcError
from tests.decoders.captures.recorded import BASE_US, Frame, plain, recordings, rows
from vehicle.errors import DecodeError

START = b";$STARTTIME=45244.925925925926\n"
T_US = BASE_US + 1_059_900
HEADS = {
    "1.0": b";   Message Number\n",
    "1.1": b";$FILEVERSION=1.1\n" + START,
    "1.3": b";$FILEVERSION=1.3\r\n" + START,
    "2.0": b";$FILEVERSION=2.0\n" + START + b";$COLUMNS=N,O,T,I,d,l,D\n",
    "2.1": b";$FILEVERSION=2.1\n" + START + b";$COLUMNS=N,O,T,B,I,d,R,L,D\n",
}


def read(text: bytes) -> tuple[list[Frame], Findings]:
    reader = trc.lines(text[:4096])
    return rows([reader.feed(text), reader.close()]), reader.findings


@pytest.mark.parametrize(
    ("version", "line", "frame"),
    [
        ("1.0", b"     1)      1841 0001 3 00 01 02 ", Frame(1_841_000, 1, False, 0, b"\0\1\2")),
        ("1.1", b"     1)   1059.9  Rx   0300  2  00 0A ", Frame(T_US, 0x300, False, 0, b"\0\n")),
        ("1.1", b"     9)      1059.9  Tx     18FEF100  0", Frame(T_US, 0x18FEF100, True, 0, b"")),
        ("1.3", b"   1)   1059.903 2  Rx   0300 -  1    7F", Frame(T_US + 3, 0x300, False, 1, b"\x7f")),
        ("2.0", b"   1   1059.900 DT   0300 Rx 2  00 0A ", Frame(T_US, 0x300, False, 0, b"\0\n")),
        (
            "2.1", b"      1         0.012 FB  1      0300 Rx -  9    " + bytes(12).hex(" ").encode(),
            Frame(BASE_US + 12, 0x300, False, 0, bytes(12)),
        ),
    ],
)  # fmt: skip
def test_every_version_is_read(version: str, line: bytes, frame: Frame) -> None:
    found, findings = read(HEADS[version] + line + b"\n" + line)
    assert found == [frame, frame]
    assert findings.broken_n == 0


def test_what_is_no_data_frame_is_counted_or_passed_over() -> None:
    text = (
        b"  1)  1.0  Rx  0300  2  RTR\n  2)  2.0  Error  0300  4  00 00 00 00\n"
        b"  3)  3.0  Warng  FFFFFFFF  4  00 00 00 00 BUSLIGHT\n"
        b"  4)  4.0  Rx  0300  2  00\n  5)  5.0  Rx  0300  1  00\nnonsense\n"
    )
    found, findings = read(HEADS["1.1"] + text)
    assert len(found) == 1
    assert (findings.remote_frames_n, findings.error_frames_n) == (1, 1)
    assert [(one.where, one.what) for one in findings.problems] == [
        ("line 6", "2 bytes announced, 1 found"),
        ("line 8", "a frame was expected, got nonsense"),
    ]


@pytest.mark.parametrize(
    "head", [b";$FILEVERSION=3.0\n", b";$FILEVERSION=2.1\n", b";$FILEVERSION=2.1\n;$COLUMNS=X,D\n"]
)
def test_other_versions_are_refused(head: bytes) -> None:
    with pytest.raises(UnreadableTrcError):
        trc.lines(head)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(recordings(with_fd=False))
def test_what_a_tool_writes_is_what_is_read(tmp_path: Path, frames: list[Frame]) -> None:
    path = tmp_path / "a.trc"
    with can.TRCWriter(path) as writer:
        for frame in frames:
            writer.on_message_received(frame.message(channel=frame.bus))
    found, findings = read(path.read_bytes())
    assert findings.broken_n == 0, findings.problems
    start = found[0].t_us
    bare = [(one.t_us - frames[0].t_us, one.can_id, one.is_extended, one.data) for one in plain(frames)]
    assert [(one.t_us - start, one.can_id, one.is_extended, one.data) for one in found] == bare


@settings(max_examples=60)
@given(
    st.lists(
        st.sampled_from([b"1) ", b"1.0 ", b"Rx ", b"0300 ", b"2 ", b"00 11", b"RTR", b"\n", b";", b"\xff"]),
        max_size=40,
    )
)
def test_any_bytes_give_frames_or_counted_problems(parts: list[bytes]) -> None:
    try:
        read(HEADS["1.1"] + b"".join(parts))
    except DecodeError:
        return
