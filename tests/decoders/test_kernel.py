import threading
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dbc
from decoders import can, kernel
from decoders.codebook import Codebook
from decoders.columns import Columns
from decoders.plan import MappedSignal, PlannedMessage, compile_plan
from odocare import wiring
from tests.decoders import compiled, databases
from tests.decoders.compiled import bits, many_frames
from tests.decoders.databases import Drawn
from tests.decoders.test_can import assert_as_cantools
from tests.strategies import Frame, batch_of
from vehicle.errors import KernelError
from vehicle.frame import FrameBatch

seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(0, 40) | st.integers(0, 400)


def assert_equal_rows(batch: FrameBatch, plain: Codebook, fast: Codebook) -> None:
    ours, theirs = can.decode(batch, fast), can.decode(batch, plain)
    for column in ("message", "t_us", "signal"):
        assert np.array_equal(getattr(ours.rows, column), getattr(theirs.rows, column)), column
        assert getattr(ours.rows, column).dtype == getattr(theirs.rows, column).dtype, column
    assert np.array_equal(bits(ours.rows.value), bits(theirs.rows.value))
    assert np.array_equal(ours.frame, theirs.frame)
    for counter in ("unknown_ids", "short_frames", "no_measurement", "out_of_range"):
        assert getattr(ours, counter) == getattr(theirs, counter), counter


def assert_equal_columns(batch: FrameBatch, plain: Codebook, fast: Codebook) -> None:
    ours, theirs = can.columns(batch, fast), can.columns(batch, plain)
    for one in fields(Columns):
        if one.name not in ("plan", "value", "value_start"):
            assert np.array_equal(getattr(ours, one.name), getattr(theirs, one.name)), one.name
    for left, right in zip(ours, theirs, strict=True):
        assert left.message == right.message
        assert np.array_equal(left.frame, right.frame)
        assert np.array_equal(left.number, right.number)
        assert left.value.shape == right.value.shape
        assert np.array_equal(bits(left.value), bits(right.value))


@pytest.mark.parametrize("has_limits", [False, True])
@given(data=st.data(), seed=seeds, n=sizes)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_kernel_equals_numpy_bit_for_bit(
    *, has_limits: bool, data: st.DataObject, seed: int, n: int
) -> None:
    drawn = data.draw(databases.databases(has_limits=has_limits))
    batch = many_frames(drawn, np.random.default_rng(seed), n)
    fast = compiled.by_kernel(drawn.codebook)
    assert_equal_rows(batch, drawn.codebook, fast)
    assert_equal_columns(batch, drawn.codebook, fast)


@pytest.mark.parametrize("name", sorted(wiring.codebooks().codebooks))
@given(seed=seeds, n=sizes)
@settings(max_examples=30, deadline=None)
def test_the_kernel_equals_numpy_on_the_shipped_codebooks(name: str, seed: int, n: int) -> None:
    plain = wiring.codebooks().by_name(name)
    batch = many_frames(databases.load(dbc.read(f"{name}.dbc")), np.random.default_rng(seed), n)
    fast = compiled.by_kernel(plain)
    assert_equal_rows(batch, plain, fast)
    assert_equal_columns(batch, plain, fast)


@given(drawn=databases.databases(), data=st.data())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_kernel_equals_cantools_on_any_signal_file(drawn: Drawn, data: st.DataObject) -> None:
    message = st.sampled_from(drawn.database.messages)
    drawn_frames = []
    for one in data.draw(st.lists(message, min_size=1, max_size=8)):
        payload = data.draw(st.binary(min_size=one.length, max_size=one.length))
        drawn_frames += [Frame(databases.wire_id_of(one), payload)] * data.draw(st.sampled_from([1, 1, 20]))
    assert_as_cantools(replace(drawn, codebook=compiled.by_kernel(drawn.codebook)), drawn_frames)


def test_a_batch_that_may_not_be_written_to_is_read() -> None:
    petrol = wiring.codebooks().by_name("odo_petrol")
    batch = batch_of([Frame(0x3E0, (123_456).to_bytes(4, "big") + bytes(4))] * 3)
    for one in fields(batch):
        getattr(batch, one.name).flags.writeable = False
    assert can.decode(batch, compiled.by_kernel(petrol)).rows.value.tolist() == [12_345_600.0] * 3


def test_a_batch_whose_columns_differ_in_length_is_refused() -> None:
    petrol = compiled.by_kernel(wiring.codebooks().by_name("odo_petrol"))
    batch = batch_of([Frame(0x3E0, bytes(8))] * 3)
    with pytest.raises(ValueError, match="one length"):
        can.decode(replace(batch, t_us=batch.t_us[:2]), petrol)
    with pytest.raises(ValueError, match="8 or 64 bytes, got 16"):
        can.decode(replace(batch, data=np.zeros((3, 16), np.uint8)), petrol)


def test_lengths_that_lie_are_not_believed() -> None:
    """A frame of 8 bytes that says it has 64: what is not there is not read."""
    signals = ' SG_ near : 0|8@1+ (1,0) [0|0] "" X\n SG_ far : 500|8@1+ (1,0) [0|0] "" X\n'
    drawn = databases.load(databases.dbc([f"BO_ 1 A: 64 X\n{signals}"]))
    batch = batch_of([Frame(1, b"\7" + bytes(7))] * 40)
    batch.length[:] = 64
    fast = compiled.by_kernel(drawn.codebook)
    assert can.decode(batch, fast).rows.signal.tolist() == [1] * 40
    (series,) = can.columns(batch, fast)
    assert np.array_equal(series.value, [[7.0] * 40, [np.nan] * 40], equal_nan=True)


def test_a_large_batch_is_counted_before_it_gets_room() -> None:
    signals = "".join(f' SG_ s{k} m{k} : 8|8@1+ (1,0) [0|0] "" X\n' for k in range(256))
    many = "".join(f' SG_ t{k} : {k}|1@1+ (1,0) [0|0] "" X\n' for k in range(64))
    text = databases.dbc(
        [f'BO_ 1 A: 8 X\n SG_ m M : 0|8@1+ (1,0) [0|0] "" X\n{signals}', f"BO_ 2 B: 8 X\n{many}"]
    )
    drawn = databases.load(text)
    n = 30_000
    rng = np.random.default_rng(3)
    batch = batch_of([Frame(1 + (k % 50 == 0), rng.bytes(8), t_us=k) for k in range(n)])
    fast = compiled.by_kernel(drawn.codebook)
    assert fast.reader is not None
    assert n * fast.reader.tables.max_values * 26 > 2**25
    assert_equal_rows(batch, drawn.codebook, fast)


def test_many_threads_read_one_codebook_at_once() -> None:
    drawn = databases.load(dbc.read("odo_petrol.dbc"))
    fast = compiled.by_kernel(drawn.codebook)
    batches = [many_frames(drawn, np.random.default_rng(seed), 2_000) for seed in range(4)]
    wanted = [can.decode(batch, drawn.codebook).rows.value for batch in batches]
    differing: list[int] = []

    def read(which: int) -> None:
        found = [can.decode(batches[which], fast).rows.value for _ in range(20)]
        differing.extend(which for one in found if not np.array_equal(one, wanted[which]))

    threads = [threading.Thread(target=read, args=(which,)) for which in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert differing == []


def test_columns_tell_which_frame_a_value_is_from() -> None:
    book = compiled.by_kernel(wiring.codebooks().by_name("j1939"))
    speed = bytes.fromhex("607d84481400f084")
    batch = batch_of([Frame(0x8CF00403, speed), Frame(0x123, b""), Frame(0x8CF00411, speed)])
    columns = can.columns(batch, book)
    (eec1,) = columns.of("EEC1")
    assert [one.message for one in columns] == ["EEC1"]
    assert (batch.can_id[eec1.frame] & 0xFF).tolist() == [0x03, 0x11], "the J1939 source addresses"
    assert eec1.value.tolist() == [[0x1448 * 0.125] * 2]
    assert columns.unknown.tolist() == [1]


def test_a_signal_with_two_sources_is_left_to_numpy() -> None:
    petrol = wiring.codebooks().by_name("odo_petrol").plan
    drawn = databases.load(databases.dbc(['BO_ 1 A: 8 X\n SG_ s : 0|8@1+ (1,0) [0|0] "" X\n']))
    assert compiled.kernel().bind(petrol) is not None
    one = drawn.codebook.plan
    signal = MappedSignal(
        databases.field(0, 8), 1.0, 0.0, 1.0, 0.0, 2**64 - 1, -1e9, 1e9, int(one.numbers[0]), None
    )
    twice = compile_plan([PlannedMessage(key, 8, (signal,)) for key in (1, 2)], by_pgn=False)
    assert compiled.kernel().bind(twice) is None


@pytest.mark.parametrize("code", [b"", b"nonsense", b"\x7fELF" + bytes(60)])
def test_what_is_no_machine_code_is_refused(code: bytes) -> None:
    with pytest.raises(KernelError):
        kernel.load(code)
