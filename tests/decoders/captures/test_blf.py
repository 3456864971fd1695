"""BLF: every object that holds a frame, whatever stands between; python-can is the judge."""

from itertools import pairwise
from pathlib import Path

import can
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from decoders.captures import blf
from decoders.captures.blf import NotBlfError
from tests.decoders.captures import blf_file as written
from tests.decoders.captures.blf_file import DAY_US, a_file, can_message, container
from tests.decoders.captures.recorded import Frame, recordings, rows
from vehicle.errors import DecodeError


def read(content: bytes) -> list[Frame]:
    batch, findings = blf.parse(content)
    assert findings.broken_n == 0, findings.problems
    return rows([batch])


@pytest.mark.parametrize(
    ("an_object", "frame"),
    [
        (can_message(1_500, 1, 0x7BB, b"\1\2\3"), Frame(DAY_US + 2, 0x7BB, False, 0, b"\1\2\3")),
        (
            can_message(10**9, 3, 0x98FEF100, bytes(range(8)), kind=86),
            Frame(DAY_US + 1_000_000, 0x18FEF100, True, 2, bytes(range(8))),
        ),
        (written.can_fd_message(0, 2, 0x123, b"Z" * 48), Frame(DAY_US, 0x123, False, 1, b"Z" * 48)),
        (written.can_fd_message_64(0, 2, 0x123, b"Z" * 5), Frame(DAY_US, 0x123, False, 1, b"Z" * 5)),
        (
            written.can_fd_message_64(0, 2, 0x123, b"Z" * 12, there=9),
            Frame(DAY_US, 0x123, False, 1, b"Z" * 9 + bytes(3)),
        ),
        (
            written.an_object(1, 7, can_message(0, 1, 0x123, b"\5")[32:], version=2, units=1),
            Frame(DAY_US + 70, 0x123, False, 0, b"\5"),
        ),
    ],
)
def test_every_object_with_a_frame_is_read(an_object: bytes, frame: Frame) -> None:
    assert read(a_file(container(an_object))) == [frame]
    other = written.an_object(65, 0, b"some other object")
    mixed = container(an_object + other, is_packed=False), other, container(other + an_object)
    assert read(a_file(*mixed)) == [frame, frame]


def test_an_object_may_go_on_in_the_next_container() -> None:
    objects = b"".join(can_message(k * 1000, 1, k, b"LOBJ" * 2) for k in range(50))
    cut = [objects[start : start + 37] for start in range(0, len(objects), 37)]
    assert [frame.can_id for frame in read(a_file(*map(container, cut)))] == list(range(50))


def test_without_a_start_the_time_is_counted_from_zero() -> None:
    assert read(a_file(container(can_message(2_000, 1, 1, b"")), start=(0,) * 8))[0].t_us == 2


def test_error_and_remote_frames_are_counted() -> None:
    objects = (
        can_message(0, 1, 1, b"", flags=0x80)
        + written.an_object(73, 0, bytes(32))
        + can_message(0, 1, 2, b"")
    )
    batch, findings = blf.parse(a_file(container(objects)))
    assert (len(batch), findings.remote_frames_n, findings.error_frames_n) == (1, 1, 1)


def test_a_file_that_is_cut_off_is_read_as_far_as_it_goes() -> None:
    parts = [
        container(b"".join(can_message(0, 1, k, b"") for k in range(start, start + 9))) for start in (0, 9)
    ]
    content = a_file(*parts)[:-20]
    batch, findings = blf.parse(content)
    assert 9 <= len(batch) < 18
    assert findings.cut_off is not None
    assert f"the file ends at byte {len(content)}, {len(content) + 20} bytes announced" in findings.cut_off


def test_a_broken_container_harms_no_other() -> None:
    parts = [
        container(b"".join(can_message(0, 1, k, b"") for k in range(start, start + 9)))
        for start in (0, 9, 18)
    ]
    parts[1] = parts[1][:50] + bytes(20) + parts[1][70:]
    batch, findings = blf.parse(a_file(*parts))
    assert batch.can_id.tolist() == [*range(9), *range(18, 27)]
    assert findings.broken_n == 1
    assert findings.problems[0].where == f"byte {144 + len(parts[0])}"


def test_what_is_no_object_is_reported_and_passed() -> None:
    objects = can_message(0, 1, 1, b"") + bytes(40) + can_message(0, 1, 2, b"")
    batch, findings = blf.parse(a_file(container(objects)))
    assert batch.can_id.tolist() == [1, 2]
    assert [one.what for one in findings.problems] == ["an object was expected at its byte 48"]


@pytest.mark.parametrize("content", [b"", b"LOG", b"(1.0) can0 123#", b"LOGG" + bytes(200)])
def test_another_file_is_refused(content: bytes) -> None:
    with pytest.raises(NotBlfError):
        blf.parse(content)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(recordings(), st.sampled_from([-1, 0]), st.sampled_from([150, 131_072]))
def test_what_a_tool_writes_is_what_it_reads(
    tmp_path: Path, frames: list[Frame], level: int, container_bytes: int
) -> None:
    path = tmp_path / "a.blf"
    with can.BLFWriter(path, compression_level=level, max_container_size=container_bytes) as writer:
        for frame in frames:
            writer.on_message_received(frame.message(channel=frame.bus))
    with can.BLFReader(path) as reader:
        expected = [
            Frame(
                round(one.timestamp * 1e6),
                one.arbitration_id,
                one.is_extended_id,
                int(str(one.channel)),
                bytes(one.data),
            )
            for one in reader
        ]
    found = read(path.read_bytes())
    for one, other in zip(found, expected, strict=True):
        assert abs(one.t_us - other.t_us) <= 1  # seconds as a float are not exact
        assert (one.can_id, one.is_extended, one.bus, one.data) == (
            other.can_id, other.is_extended, other.bus, other.data,
        )  # fmt: skip


OBJECTS = st.one_of(
    st.builds(
        can_message,
        st.integers(0, 10**12),
        st.integers(0, 9),
        st.integers(0, 2**32 - 1),
        st.binary(max_size=8),
    ),
    st.builds(written.can_fd_message, st.just(5), st.just(1), st.just(7), st.binary(max_size=64)),
    st.builds(written.can_fd_message_64, st.just(5), st.just(1), st.just(7), st.binary(max_size=64)),
    st.builds(
        written.an_object, st.sampled_from([1, 3, 65, 73, 86, 100, 101]), st.just(0), st.binary(max_size=50)
    ),
)


@settings(max_examples=60)
@given(st.lists(OBJECTS, max_size=12), st.lists(st.integers(0, 2000), max_size=5), st.integers(20, 3000))
def test_however_a_file_is_cut_its_frames_are_the_same(
    objects: list[bytes], cuts: list[int], size: int
) -> None:
    stream = b"".join(objects)
    content = a_file(*(container(stream[k : k + size]) for k in range(0, len(stream), size)))
    reader = blf.Blf()
    edges = [0, *sorted(min(cut, len(content)) for cut in cuts), len(content)]
    found = [reader.feed(content[a:b]) for a, b in pairwise(edges)]
    assert rows([*found, reader.close()]) == rows([blf.parse(content)[0]])
    assert reader.findings.cut_off is None


@settings(max_examples=100)
@given(
    st.lists(OBJECTS, max_size=5),
    st.binary(max_size=60),
    st.integers(0, 400),
    st.sampled_from(["stream", "file"]),
)
def test_any_bytes_give_frames_or_counted_problems(
    objects: list[bytes], noise: bytes, at: int, where: str
) -> None:
    stream = b"".join(objects)
    if where == "stream":
        stream = stream[:at] + noise + stream[at + len(noise) :]
    content = a_file(container(stream))
    if where == "file":
        content = content[:at] + noise + content[at + len(noise) :]
    try:
        batch, _ = blf.parse(content)
    except DecodeError:
        return
    rows([batch])
