import asyncio
import os
import uuid
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders.captures.findings import Findings
from decoders.envelope import CanMessage, decode, encode
from decoders.frames import join
from odocare import wiring
from simulator import capture as recorded_drive
from simulator import captures
from simulator.captures import Capture
from simulator.publish import Publisher
from simulator.replay import CHUNK_FRAMES, CHUNK_US, Journey, chunks, replay
from simulator.sending import send_all
from tests.simulator.listener import listening
from vehicle.vin import Vin, with_check_digit

VIN = with_check_digit(Vin("A0DH00000RA000001"))
ENDS_AT_US = 1_790_000_000_000_000


@st.composite
def recordings(draw: st.DrawFn) -> Capture:
    """Bursts and pauses."""
    n = draw(st.integers(1, 1500))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    pause_us = rng.choice([0, 50, 2_000, 300_000, 5_000_000], n, p=[0.2, 0.4, 0.3, 0.09, 0.01])
    length = rng.integers(0, 9, n).astype(np.uint8)
    return Capture(
        t_us=np.cumsum(pause_us).astype(np.int64) + draw(st.integers(0, 2**50)),
        can_id=rng.integers(0, 0x800, n).astype(np.uint32),
        bus=rng.integers(0, 3, n).astype(np.uint8),
        length=length,
        data=rng.integers(0, 256, int(length.sum())).astype(np.uint8),
        findings=Findings(),
    )


@settings(max_examples=50, deadline=None)
@given(recordings())
def test_chunks_hold_every_frame_once_in_order_and_are_small(capture: Capture) -> None:
    sent = list(chunks(capture, Journey(VIN, ENDS_AT_US, boot=7, codebook="j1939")))
    assert [message.envelope.seq for message in sent] == list(range(len(sent)))
    assert {(message.envelope.boot, message.codebook) for message in sent} == {(7, "j1939")}
    for message in sent:
        assert 0 < len(message) <= CHUNK_FRAMES
        assert message.dt_us[0] == 0
        assert int(message.dt_us[-1]) < CHUNK_US
        assert decode("can", encode(message)) == message
    times = np.concatenate([message.envelope.t0_us + message.dt_us.astype(np.int64) for message in sent])
    assert np.array_equal(np.diff(times), np.diff(capture.t_us))
    assert times[-1] == ENDS_AT_US
    for column in ("can_id", "bus", "length", "data"):
        joined = np.concatenate([getattr(message, column) for message in sent])
        assert np.array_equal(joined, getattr(capture, column)), column


def a_capture(tmp_path: Path, *seconds: float) -> Capture:
    path = tmp_path / "small.log"
    path.write_text("".join(f"({1_700_000_000 + at:.6f}) can0 123#0102\n" for at in seconds))
    return captures.read(path)


def test_the_boot_is_the_second_in_which_the_moved_capture_begins(tmp_path: Path) -> None:
    capture = a_capture(tmp_path, 0.0, 0.5, 99.25)
    sent = list(chunks(capture, Journey(VIN, 2_000_000_000_000_000)))
    assert {message.envelope.boot for message in sent} == {1_999_999_900}


async def test_real_time_is_kept_and_divided_by_the_speed(tmp_path: Path, broker_url: str) -> None:
    capture = a_capture(tmp_path, 0.0, 0.2, 1.5, 3.0)
    loop = asyncio.get_running_loop()
    async with Publisher(broker_url) as publisher:
        begun_s = loop.time()
        sent = await replay(capture, Journey(VIN, ENDS_AT_US), publisher, speed=10.0)
        took_s = loop.time() - begun_s
        begun_s = loop.time()
        await replay(capture, Journey(VIN, ENDS_AT_US), publisher, speed=0.0)
        fast_s = loop.time() - begun_s
    assert (sent.messages, sent.frames) == (3, 4)
    assert 0.3 <= took_s < 2.0
    assert fast_s < 0.25


@pytest.fixture
def truck() -> Path:
    folder = os.environ.get("ODOCARE_FIXTURES")
    path = Path(folder or "") / "truck_j1939" / "truck.log.gz"
    if folder is None or not path.exists():
        pytest.skip("no real captures: set ODOCARE_FIXTURES")
    return path


async def test_the_real_truck_arrives_whole(truck: Path, broker_url: str) -> None:
    vin = Vin(uuid.uuid4().hex[:17].upper().translate(str.maketrans("IOQ", "123")))
    capture = captures.read(truck)
    told: list[int] = []
    async with listening(broker_url, f"tbox/v1/{vin}/up/can") as listener:
        async with Publisher(broker_url) as publisher:
            journey = Journey(vin, ENDS_AT_US, codebook="j1939")
            sent = await replay(capture, journey, publisher, speed=0.0, on_frames=told.append)
        await listener.until(lambda: len(listener.bodies) == sent.messages)
    came = [decode("can", body) for _, body in listener.bodies]
    assert sum(len(message) for message in came if isinstance(message, CanMessage)) == 57_849
    assert sent.frames == sum(told) == len(capture) == 57_849
    assert capture.findings.broken_n == 0


def test_the_real_truck_decodes_to_its_odometer_and_engine_speed(truck: Path) -> None:
    sent = list(chunks(captures.read(truck), Journey(VIN, ENDS_AT_US)))
    assert _odometer_km(sent) == 13_832.875


def _odometer_km(sent: list[CanMessage]) -> float:
    from decoders.can import decode as decode_frames

    rows = decode_frames(join(sent, range(len(sent))), wiring.codebooks().by_name("j1939")).rows
    odometer = wiring.catalogue().of("Vehicle.TraveledDistance").number
    return float(rows.value[rows.signal == odometer][-1]) / 1000.0


def test_the_recorded_drive_decodes_to_what_was_written(tmp_path: Path) -> None:
    from decoders import dm1
    from decoders.j1939 import Carry, reassemble

    drive = recorded_drive.record(3)
    path = tmp_path / "drive.log.gz"
    assert recorded_drive.write(drive, path) == len(drive.frames)
    sent = list(chunks(captures.read(path), Journey(VIN, ENDS_AT_US)))
    batch = join(sent, range(len(sent)))
    assert len(batch) == len(drive.frames)
    assert _odometer_km(sent) == drive.odometer_km
    transported = reassemble(batch, Carry())
    reports = dm1.reports(batch, transported.messages)
    assert len(reports) == recorded_drive.DURATION_S - 1
    for report in reports:
        assert (report.ecu, report.complete, report.mil) == ("sa-00", True, True)
        assert [(r.dtc.spn, r.dtc.fmi, r.occurrences) for r in report.readings] == [
            (code.dtc.spn, code.dtc.fmi, code.occurrences) for code in drive.codes
        ]


def test_a_recorded_drive_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    one, other, third = tmp_path / "1.log", tmp_path / "2.log", tmp_path / "3.log"
    recorded_drive.write(recorded_drive.record(1), one)
    recorded_drive.write(recorded_drive.record(1), other)
    recorded_drive.write(recorded_drive.record(2), third)
    assert one.read_bytes() == other.read_bytes() != third.read_bytes()


async def test_send_all_counts_what_it_sent(tmp_path: Path, broker_url: str) -> None:
    sent = list(chunks(a_capture(tmp_path, *np.arange(0.0, 5.0, 0.01)), Journey(VIN, ENDS_AT_US)))
    told: list[int] = []
    async with Publisher(broker_url) as publisher:
        total = await send_all(sent, publisher, told.append)
    assert told == list(range(1, len(sent) + 1))
    assert total.frames == 500
    assert total.delivery is not None
    assert total.bytes == total.delivery.bytes == sum(len(encode(message)) for message in sent)
