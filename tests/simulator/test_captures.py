"""Captures of every format: what a tool wrote is what is read; what is broken is named and left out."""

import gzip
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import can
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from decoders.captures.findings import REPORTED_MAX
from decoders.envelope import EXTENDED
from simulator.captures import Capture, CaptureError, read

BASE_S = 1_700_000_000.0

WRITERS: dict[str, Callable[[Path], Any]] = {
    ".log": lambda path: can.CanutilsLogWriter(path),
    ".asc": lambda path: can.ASCWriter(path),
    ".blf": lambda path: can.BLFWriter(path),
    ".trc": lambda path: can.TRCWriter(path),
}


@st.composite
def frames(draw: st.DrawFn) -> list[can.Message]:
    """Data frames of a classic bus, a millisecond or more apart."""
    t_ms, found = 0, []
    for _ in range(draw(st.integers(1, 12))):
        t_ms += draw(st.integers(1, 5000))
        extended = draw(st.booleans())
        data = draw(st.binary(max_size=8))
        found.append(
            can.Message(
                timestamp=BASE_S + t_ms / 1000.0,
                arbitration_id=draw(st.integers(0, 0x1FFFFFFF if extended else 0x7FF)),
                is_extended_id=extended,
                channel=0,
                dlc=len(data),
                data=data,
            )
        )
    return found


def rows(capture: Capture) -> list[tuple[int, int, bytes]]:
    """Time since the first frame, identifier as on the wire, payload."""
    ends = np.cumsum(capture.length, dtype=np.int64)
    return [
        (int(t_us - capture.t_us[0]), int(can_id), capture.data[end - length : end].tobytes())
        for t_us, can_id, length, end in zip(capture.t_us, capture.can_id, capture.length, ends, strict=True)
    ]


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("packed", ["", ".gz"], ids=["plain", "gz"])
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written=frames())
def test_what_python_can_wrote_is_read_back(
    tmp_path: Path, suffix: str, packed: str, written: list[can.Message]
) -> None:
    path = tmp_path / f"capture{suffix}"
    with WRITERS[suffix](path) as writer:
        for frame in written:
            writer.on_message_received(frame)
    if packed:
        plain, path = path, path.with_name(path.name + ".gz")
        path.write_bytes(gzip.compress(plain.read_bytes()))
    expected = [
        (
            round((frame.timestamp - written[0].timestamp) * 1e6),
            frame.arbitration_id | (EXTENDED if frame.is_extended_id else 0),
            bytes(frame.data),
        )
        for frame in written
    ]
    capture = read(path)
    assert [row[1:] for row in rows(capture)] == [row[1:] for row in expected]
    assert np.allclose([row[0] for row in rows(capture)], [row[0] for row in expected], atol=1.0)
    assert capture.findings.broken_n == 0


def candump(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "broken.log"
    path.write_bytes("\n".join(lines).encode("latin-1"))
    return path


GOOD = "(1700000000.000000) can0 123#0102"


def test_a_broken_line_is_named_and_its_neighbours_are_read(tmp_path: Path) -> None:
    path = candump(
        tmp_path,
        GOOD,
        "(1700000000.1) can0 12Z#0102",
        "nonsense",
        "",
        "(1700000000.2) can0 123#010",
        "(1700000000.3) can0 123#010203040506070809",
        "(xx) can0 123#01",
        "(1700000000.4) can0 18FEE000#0102 R",
        "(nan) can0 123#01",
        "(1700000000.5) can0 9FF#01",
        "\xff\xfe\x00 can0",
        "(1700000001.6) can1 7DF#AA",
    )
    capture = read(path)
    assert [problem.where for problem in capture.findings.problems] == [
        f"line {number}" for number in (2, 3, 5, 6, 7, 9, 10, 11)
    ]
    assert rows(capture) == [
        (0, 0x123, b"\x01\x02"),
        (400_000, 0x18FEE000 | EXTENDED, b"\x01\x02"),
        (1_600_000, 0x7DF, b"\xaa"),
    ]
    assert list(capture.bus) == [0, 0, 1]
    assert capture.findings.broken_n == 8


def test_error_and_remote_frames_are_counted_and_left_out(tmp_path: Path) -> None:
    path = candump(
        tmp_path, GOOD, "(1700000000.1) can0 20000080#0000000000000000", "(1700000000.2) can0 123#R"
    )
    findings = read(path).findings
    assert (findings.error_frames_n, findings.remote_frames_n, findings.broken_n) == (1, 1, 0)


def test_frames_of_can_fd_keep_their_64_bytes(tmp_path: Path) -> None:
    payload = bytes(range(64))
    path = candump(tmp_path, f"(1700000000.0) can0 123##1{payload.hex()}", GOOD)
    capture = read(path)
    assert rows(capture)[0][2] == payload
    assert list(capture.length) == [64, 2]


def test_frames_out_of_order_are_put_in_order_of_time(tmp_path: Path) -> None:
    path = candump(
        tmp_path,
        "(1700000002.0) can0 002#0202",
        "(1700000001.0) can0 001#01",
        "(1700000003.0) can0 003#",
        "(1700000001.0) can0 004#040404",
    )
    assert rows(read(path)) == [
        (0, 1, b"\x01"),
        (0, 4, b"\x04\x04\x04"),
        (1_000_000, 2, b"\x02\x02"),
        (2_000_000, 3, b""),
    ]


def test_a_broken_line_in_asc_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "capture.asc"
    path.write_text(
        "date Sam Nov 21 12:00:00.000 2026\n"
        "base hex  timestamps absolute\n"
        "internal events logged\n"
        "   0.100000 1  123             Rx   d 2 01 02\n"
        "   0.200000 1  XYZ             Rx   d 2 01 02\n"
        "   0.250000 1  124             Rx   d 2 01\n"
        "   0.300000 1  125             Rx   d 1 AA\n"
        "   0.400000 1  18FEE000x       Rx   d 1 BB\n"
    )
    capture = read(path)
    assert [problem.where for problem in capture.findings.problems] == ["line 5", "line 6"]
    assert [row[1:] for row in rows(capture)] == [
        (0x123, b"\x01\x02"),
        (0x125, b"\xaa"),
        (0x18FEE000 | EXTENDED, b"\xbb"),
    ]


def test_a_broken_line_in_trc_is_named_and_nothing_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "capture.trc"
    path.write_text(
        ";$FILEVERSION=2.1\n;$STARTTIME=45000.5\n;$COLUMNS=N,O,T,B,I,d,R,L,D\n"
        "      1         1.000 DT  1     0123 Rx -  2    01 02\n"
        "      2         2.000 DT  1     01\n"
        "      3         x.000 DT  1     0123 Rx -  2    01 02\n"
        "      4         4.000 DT  1     0124 Rx -  1    AA\n"
    )
    with caplog.at_level(logging.WARNING):
        capture = read(path)
    assert [problem.where for problem in capture.findings.problems] == ["line 5", "line 6"]
    assert [row[1:] for row in rows(capture)] == [(0x123, b"\x01\x02"), (0x124, b"\xaa")]
    assert caplog.records == []


@pytest.mark.parametrize("packed", ["", ".gz"], ids=["plain", "gz"])
def test_a_blf_that_ends_early_is_read_as_far_as_it_goes(tmp_path: Path, packed: str) -> None:
    path = tmp_path / "capture.blf"
    with can.BLFWriter(path, max_container_size=2000) as writer:
        for number in range(200):
            writer.on_message_received(
                can.Message(timestamp=BASE_S + number, arbitration_id=number, is_extended_id=False, data=b"x")
            )
    body = path.read_bytes()
    if packed:
        path = tmp_path / "capture.blf.gz"
        path.write_bytes(gzip.compress(body)[:-200])
    else:
        path.write_bytes(body[: len(body) * 3 // 4])
    capture = read(path)
    assert 0 < len(capture) < 200
    assert capture.findings.broken_n == 1
    assert capture.findings.problems[0].where == f"after frame {len(capture)}"


def test_a_gz_that_ends_early_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    lines = "".join(f"({1700000000 + k}.{k:06d}) can0 {k % 2048:03X}#{k:08X}\n" for k in range(5000))
    path = tmp_path / "capture.log.gz"
    path.write_bytes(gzip.compress(lines.encode())[:-3000])
    capture = read(path)
    assert 0 < len(capture) < 5000
    assert capture.findings.broken_n >= 1


@pytest.mark.parametrize("name", ["capture.mf4", "capture", "capture.txt.gz", "capture.gz"])
def test_an_unknown_format_names_the_known_ones(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(CaptureError, match=r"\.log.*\.asc.*\.blf.*\.trc.*\.gz"):
        read(tmp_path / name)


@pytest.mark.parametrize("suffix", [*WRITERS, ".log.gz", ".blf.gz"])
@pytest.mark.parametrize("body", [b"", b"\x00\x01\x02", b"hello\nworld\n"])
def test_a_file_without_a_frame_is_refused(tmp_path: Path, suffix: str, body: bytes) -> None:
    path = tmp_path / f"empty{suffix}"
    path.write_bytes(body)
    with pytest.raises(CaptureError, match="holds no data frame"):
        read(path)


def test_only_the_first_problems_are_kept(tmp_path: Path) -> None:
    findings = read(candump(tmp_path, *["junk"] * 100, GOOD)).findings
    assert (len(findings.problems), findings.broken_n) == (REPORTED_MAX, 100)


def test_the_first_seconds_of_a_capture_are_a_capture(tmp_path: Path) -> None:
    path = candump(tmp_path, *(f"({1700000000 + k}.5) can0 123#{k:04X}" for k in range(10)))
    whole = read(path)
    assert rows(whole.first(3.0)) == rows(whole)[:4]
    assert rows(whole.first(100.0)) == rows(whole)
    assert len(whole.first(0.001)) == 1
