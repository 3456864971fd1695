"""candump: both of its forms, whatever stands between the frames, and any bytes at all."""

from itertools import pairwise
from pathlib import Path

import can
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from decoders.captures import candump
from decoders.captures.findings import REPORTED_MAX
from tests.decoders.captures.recorded import Frame, plain, recordings, rows
from vehicle.errors import DecodeError

T_US = 1_608_041_699_326_500
KONA = bytes.fromhex("10266201007E5007")
EIGHT = bytes.fromhex("1122334455667788")
TWELVE = b" ".join([b"01"] * 12)


def read(text: bytes) -> list[Frame]:
    batch, findings = candump.parse(text)
    assert findings.broken_n == 0, findings.problems
    return rows([batch])


def refusal(line: bytes) -> str:
    """The line stands in the middle of two good ones, which must not suffer."""
    good = b"(1.000000) can0 123#00\n"
    batch, findings = candump.parse(good + line + b"\n" + good)
    assert len(batch) == 2
    assert findings.broken_n == 1
    assert findings.problems[0].where == "line 2"
    return findings.problems[0].what


@pytest.mark.parametrize(
    ("line", "frame"),
    [
        (b"(1608041699.326500) can1 7BB#10266201007E5007", Frame(T_US, 0x7BB, False, 1, KONA)),
        (b"(1608041699.326500) can1 7bb#deadBEEF R", Frame(T_US, 0x7BB, False, 1, b"\xde\xad\xbe\xef")),
        (b"(1608041699.326500) vcan0 18FEF100#", Frame(T_US, 0x18FEF100, True, 0, b"")),
        (b"(1608041699.326500) can12 00000123##3" + b"5A" * 64, Frame(T_US, 0x123, True, 12, b"Z" * 64)),
        (b"(1608041699.326500) can0 123##0", Frame(T_US, 0x123, False, 0, b"")),
        (b"(1608041699.326500) can0 123#1122334455667788_F", Frame(T_US, 0x123, False, 0, EIGHT)),
        (b" (1608041699.326500)  can1  7BB   [3]  10 26 62", Frame(T_US, 0x7BB, False, 1, b"\x10\x26\x62")),
        (b" (1608041699.326500)  can1  RX - -  7BB   [1]  10   '.'", Frame(T_US, 0x7BB, False, 1, b"\x10")),
        (b" (1608041699.326500)  can1       7BB  [12]  " + TWELVE, Frame(T_US, 0x7BB, False, 1, b"\1" * 12)),
        (b" (1608041699.326500)  can1  7BB   [0] ", Frame(T_US, 0x7BB, False, 1, b"")),
        (b" (2020-12-15 14:14:59.326500)  can1  7BB   [1]  10", Frame(T_US, 0x7BB, False, 1, b"\x10")),
        (b"(0000000003.000001) can0 123#AA", Frame(3_000_001, 0x123, False, 0, b"\xaa")),
        (b"(3.5) can0 123#AA", Frame(3_500_000, 0x123, False, 0, b"\xaa")),
        (b"(1608041699.326500999) can0 123#AA", Frame(T_US, 0x123, False, 0, b"\xaa")),
    ],
)  # fmt: skip
def test_every_form_of_a_line_is_read(line: bytes, frame: Frame) -> None:
    assert read(line) == [frame]
    assert read(b"\n" + line + b"\r\n" + line + b"\n# a comment\n") == [frame, frame]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (b"(1608041699.326500) can1 7BB#1", "was expected, got (1608041699.326500) can1 7BB#1"),
        (b"(1608041699.326500) can1 7BB#1G", "was expected"),
        (b"(1608041699.326500) can1 7BB#112233445566778899", "was expected"),
        (b"(1608041699.326500) can1 800#00", "an identifier is at most 7FF, got 800"),
        (b"(1608041699.326500) can1 80000000#00", "an identifier is at most 1FFFFFFF, got 80000000"),
        (b"(1608041699.326500) can1 123#81:00:12345678#11", "CAN XL"),
        (b"(1608041699.326500)  can1  7BB   [3]  10 26", "3 bytes announced, 2 found"),
        (b"(1608041699.326500)  can1  7BB   [9]  00 00 00 00 00 00 00 00 00", "CAN FD"),
        (b"(2020-12-35 14:14:59.326500)  can1  7BB   [1]  10", "a date was expected, got 2020-12-35 14:14"),
        (b"  can0  7BB   [1]  10", "without its time"),
        (b"\xff\xfe\x00", "was expected"),
        (b"(1.000000) can0 123#" + b"A" * 2000, "a line has at most 1024 bytes, got 2020"),
    ],
)
def test_a_broken_line_is_named_and_harms_no_other(line: bytes, what: str) -> None:
    assert what in refusal(line)


def test_error_and_remote_frames_are_counted() -> None:
    text = (
        b"(1.000000) can0 123#R\n(1.000000) can0 123#R8\n(1.000000) can0 20000088#0000000000000000\n"
        b" (1.000000)  can0  123   [0]  remote request\n"
        b" (1.000000)  can0  20000004   [8]  00 04 00 00 00 00 00 00   ERRORFRAME\n\tcontroller-problem{}\n"
    )
    batch, findings = candump.parse(text)
    assert (len(batch), findings.remote_frames_n, findings.error_frames_n, findings.broken_n) == (0, 3, 2, 0)


def test_buses_without_a_number_are_counted_as_they_come() -> None:
    text = b"(1.000000) body 123#\n(1.000000) powertrain 123#\n(1.000000) body 123#\n"
    assert [frame.bus for frame in read(text)] == [0, 1, 0]


def test_only_the_first_problems_are_kept_with_their_text() -> None:
    _, findings = candump.parse(b"nonsense\n" * 100)
    assert (len(findings.problems), findings.broken_n) == (REPORTED_MAX, 100)
    assert [one.where for one in findings.problems[:3]] == ["line 1", "line 2", "line 3"]


def test_lines_of_many_shapes_are_read_one_by_one() -> None:
    lines = [b"(1.000000) bus%02d 123#%02X" % (k, k) for k in range(60)]
    assert [frame.data[0] for frame in read(b"\n".join(lines))] == list(range(60))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(recordings())
def test_what_a_tool_writes_is_what_is_read(tmp_path: Path, frames: list[Frame]) -> None:
    path = tmp_path / "a.log"
    with can.CanutilsLogWriter(path) as writer:
        for frame in frames:
            writer.on_message_received(frame.message(channel=f"can{frame.bus}"))
    assert read(path.read_bytes()) == plain(frames)


@settings(max_examples=60)
@given(recordings(), st.lists(st.integers(0, 4000), max_size=6), st.sampled_from([b"\n", b"\r\n"]))
def test_however_a_capture_is_cut_its_frames_are_the_same(
    frames: list[Frame], cuts: list[int], ending: bytes
) -> None:
    lines = [
        b"(%d.%06d) can%d %s#%s%s"
        % (
            *divmod(one.t_us, 1_000_000),
            one.bus,
            (b"%08X" if one.is_extended else b"%03X") % one.can_id,
            b"#1" if one.is_fd else b"",
            one.data.hex().encode(),
        )
        for one in frames
    ]
    text = ending.join(lines)
    reader = candump.lines()
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    found = [reader.feed(text[a:b]) for a, b in pairwise(edges)]
    assert rows([*found, reader.close()]) == plain(frames)
    assert reader.number == len(frames)


NEAR = st.lists(
    st.sampled_from(
        [b"(1.0", b"00000)", b" can0 ", b"123", b"18FEF100", b"#", b"##1", b"R", b"AB", b"\n", b"\r",
         b"  [2] ", b"\x00", b"\xff", b"remote request", b"2020-01-01 00:00:", b" 11 22"]
    ),
    max_size=40,
)  # fmt: skip


@settings(max_examples=100)
@given(st.one_of(st.binary(max_size=300), NEAR.map(b"".join)))
@example(b"(1.0)\ncan0 123#\n\n")
def test_any_bytes_give_frames_or_counted_problems(text: bytes) -> None:
    try:
        batch, findings = candump.parse(text)
    except DecodeError:
        return
    filled = sum(1 for line in text.split(b"\n") if line.strip() and not line.startswith((b"#", b"\t")))
    counted = len(batch) + findings.broken_n + findings.remote_frames_n + findings.error_frames_n
    assert counted <= filled
    rows([batch])
