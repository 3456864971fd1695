"""How fast frames become values, against cantools and the C code it generates: one run, one core.

Signal files and payloads are made up; every signal is mapped. Contenders run in turn, a round to warm up and
then fifteen; ratios are medians of the rounds' ratios.
"""

import math
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from bench import _generated_c
from bench._report import Check, Report
from bench._timing import Contender, in_turn, on_one_core, ratio
from bench._workloads import KINDS, Work, decoded, work
from decoders import can, envelope
from decoders.frames import join
from decoders.message import CanMessage
from odocare import kernels
from odocare.settings import Settings
from vehicle.errors import KernelError
from vehicle.frame import FrameBatch

ROUNDS: Final = 15
FRAMES: Final = 400_000
LARGE: Final = 50_000
SMALL: Final = 5_000
MESSAGE_FRAMES: Final = 50
CANTOOLS: Final = "cantools"
GENERATED: Final = "generated C"


def run(
    settings: Settings,
    *,
    frames: int = FRAMES,
    rounds: int = ROUNDS,
    others: Sequence[str] = KINDS[1:],
) -> Report:
    """All contenders; raises `KernelError` where there is no kernel to measure."""
    kernel = kernels.decoding(settings)
    if kernel is None:
        raise KernelError("there is no compiled kernel here, and it is what is measured")
    np.ones(4_000_000)  # freed at once: malloc then keeps memory, as in any process that runs for a while
    report = Report("decode")
    with on_one_core(), tempfile.TemporaryDirectory() as folder:
        mixed = work("mixed", frames, kernel)
        check_values(mixed)
        speeds = in_turn("mixed", mixed_contenders(mixed, Path(folder)), rounds, time.process_time)
        judge_mixed(speeds, report)
        for kind in others:
            judge_kind(work(kind, frames // 4, kernel), speeds, rounds, report)
    return report


def check_values(one: Work) -> None:
    """The same values as cantools, or there is nothing to compare."""
    ours = np.sort(can.decode(one.batches(500)[0], one.book).rows.value)
    theirs = [
        float(value)
        for can_id, payload in one.pairs[:500]
        for value in decoded(one.database, can_id, payload).values()
        if math.isfinite(value)  # ours gives no row for what is no number
    ]
    if not np.allclose(ours, np.sort(theirs), rtol=1e-15, atol=0.0):
        raise AssertionError(f"cantools reads other values in {one.kind} frames")


def check_columns(one: Work, generated: _generated_c.Peer) -> None:
    """The same columns from C."""
    batch = one.batches(SMALL)[0]
    _, theirs = generated.decode(batch)
    ours = np.concatenate([series.value.reshape(-1) for series in can.columns(batch, one.book)])
    if not np.allclose(ours, theirs, rtol=1e-15, atol=0.0):
        raise AssertionError("the generated C code reads other values")


def each(read: Callable[[FrameBatch], object], batches: list[FrameBatch]) -> Contender:
    """Batch after batch; what comes out is let go at once."""

    def run_all() -> None:
        for batch in batches:
            read(batch)

    return run_all, sum(len(batch) for batch in batches)


def by_cantools(one: Work) -> Contender:
    """Frame by frame; the speed does not depend on how many."""
    pairs, database = one.pairs, one.database

    def decode() -> None:
        for can_id, payload in pairs:
            database.decode_message(can_id, payload, decode_choices=False)

    return decode, len(pairs)


def mixed_contenders(one: Work, folder: Path) -> dict[str, Contender]:
    """What is timed on the frames of the main kind."""
    sizes = {n: one.batches(n) for n in (SMALL, LARGE)}
    hundred = one.messages(100, MESSAGE_FRAMES)
    bodies = [envelope.encode(message) for message in hundred]

    def one_by_one() -> None:
        for message in hundred:
            can.decode(join([message], [0]), one.book)

    def joined() -> object:
        return can.decode(join(hundred, range(100)), one.book)

    def from_bodies() -> object:
        received = [envelope.decode("can", body) for body in bodies]
        messages = [message for message in received if isinstance(message, CanMessage)]
        return can.decode(join(messages, range(100)), one.book)

    found: dict[str, Contender] = {CANTOOLS: by_cantools(one)}
    for n, batches in sizes.items():
        found[f"columns, {n} frames"] = each(lambda batch: can.columns(batch, one.book), batches)
        found[f"rows, {n} frames"] = each(lambda batch: can.decode(batch, one.book), batches)
    plain = replace(one.book, reader=None)
    found |= {
        f"rows by numpy, {SMALL} frames": each(lambda batch: can.decode(batch, plain), sizes[SMALL][:4]),
        "rows, one message of 50 frames": (lambda: repeat(one_by_one), 20 * 100 * MESSAGE_FRAMES),
        "rows, 100 messages of 50 frames joined": (lambda: repeat(joined), 20 * 100 * MESSAGE_FRAMES),
        "rows, 100 bodies of 50 frames read": (lambda: repeat(from_bodies), 20 * 100 * MESSAGE_FRAMES),
    }
    cc = _generated_c.compiler()
    if cc is None:
        return found
    generated = _generated_c.build(one, folder, cc)
    inlined = _generated_c.build(one, folder, cc, inlined=True)
    for peer in (generated, inlined):
        check_columns(one, peer)
    for n, batches in sizes.items():
        found[f"{GENERATED}, {n} frames"] = each(generated.decode, batches)
        found[f"{GENERATED} made static, {n} frames"] = each(inlined.decode, batches)
    return found


def repeat(what: Callable[[], object]) -> None:
    """Twenty times, so that a turn is long enough to be timed."""
    for _ in range(20):
        what()


def judge_mixed(speeds: dict[str, list[float]], report: Report) -> None:
    """The ratios that are asked for."""
    floors: dict[str, tuple[float, float]] = {
        f"columns, {SMALL} frames": (200, 350),
        f"columns, {LARGE} frames": (200, 350),
        f"rows, {LARGE} frames": (40, 50),
        "rows, one message of 50 frames": (10, 15),
        "rows, 100 messages of 50 frames joined": (25, 38),
    }
    for name, (floor, target) in floors.items():
        value = round(ratio(speeds[name], speeds[CANTOOLS]), 1)
        report.checks.append(Check(f"{name}, against {CANTOOLS}", value, "x", floor, target))
    for n in (SMALL, LARGE):
        peer = speeds.get(f"{GENERATED}, {n} frames")
        against = None if peer is None else round(ratio(speeds[f"columns, {n} frames"], peer), 2)
        why = "this machine has no C compiler" if peer is None else None
        report.checks.append(
            Check(f"columns, {n} frames, against {GENERATED}", against, "x", 5, left_out=why)
        )
    for name, values in speeds.items():
        report.figures[f"{name}, frames/s"] = round(statistics.median(values))


def judge_kind(one: Work, mixed: dict[str, list[float]], rounds: int, report: Report) -> None:
    """Another kind of frames: its ratios to cantools, as a part of those of the main kind."""
    check_values(one)
    batches = one.batches(SMALL)
    speeds = in_turn(
        one.kind,
        {
            CANTOOLS: by_cantools(one),
            "columns": each(lambda batch: can.columns(batch, one.book), batches),
            "rows": each(lambda batch: can.decode(batch, one.book), batches),
        },
        rounds,
        time.process_time,
    )
    for output in ("columns", "rows"):
        against = ratio(speeds[output], speeds[CANTOOLS])
        part = against / ratio(mixed[f"{output}, {SMALL} frames"], mixed[CANTOOLS])
        report.checks.append(
            Check(f"{output} of {one.kind} frames, part of mixed", round(part, 2), "x", 0.333)
        )
        report.figures[f"{output} of {one.kind} frames, x {CANTOOLS}"] = round(against, 1)
