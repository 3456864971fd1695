"""14: bodies that are small on the wire and would be large, deep or endless once read."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from decoders import wire
from decoders.message import CanMessage
from store import rejects
from store.pool import Connection
from tests.faults.bombs import LIMIT, bombs
from tests.faults.conftest import REPOSITORY
from tests.faults.corridor import line, refused, stored
from tests.faults.table import Experiment
from tests.ingest.senders import EXTENDED, ODOMETER, can, deliver, envelope, raw, signals, vdhr, vin

CAR: Final = vin(14)
MEMORY_MB: Final = 50.0
TEMPERATURES: Final = (0x18FEEE00,)
OTHERS: Final = (0x0CF00400, 0x18FEF100, 0x18FEC100, 0x18FEF700, 0x18FEFC00)
REJECTED_S: Final = 0.1
MEASURE: Final = """
import json, sys, time
from pathlib import Path
from decoders import codebook, envelope  # what ingest holds anyway
from ingest import reading
from ingest.delivery import Delivery

def mb(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024 / 1e6

found = {}
for line in Path(sys.argv[1]).read_text().splitlines():
    name, topic, file = json.loads(line)
    delivery = Delivery(topic, Path(file).read_bytes(), 1_760_000_000_000_000)
    Path("/proc/self/clear_refs").write_text("5")  # the highest from now on
    before, times = mb("VmRSS"), []
    for _ in range(3):
        began = time.process_time()
        read = reading.read([delivery])
        times.append(time.process_time() - began)
    found[name] = {"mb": mb("VmHWM") - before, "s": min(times), "refusals": len(read.refusals)}
print(json.dumps(found))
"""


@pytest.mark.experiment(14, "bodies that are bombs", quick=True)
async def test_each_is_refused_with_the_limit_it_breaks_and_its_neighbours_are_stored(
    experiment: Experiment, conn: Connection
) -> None:
    sorts = bombs(CAR)
    assert all(len(body) <= LIMIT for _, body, _ in sorts.values()), "the broker would refuse it"
    sent = [raw(CAR, kind, body) for kind, body, _ in sorts.values()]
    good = [deliver(signals(CAR, 100 + seq, {ODOMETER: 1e6 + seq})) for seq in range(len(sent))]
    mixed = [*sent, *good]
    experiment.draw.shuffle(mixed)
    tally = await stored(conn, mixed)
    assert tally.stored == len(good)
    kept = {}
    for one in await refused(conn):
        original = await rejects.original(conn, line().seal, one.id)
        assert original is not None
        kept[original.body] = one
    for name, (_, body, reason) in sorts.items():
        assert kept[body].reason == reason, name
        assert len(kept[body].detail) > 20, f"{name}: {kept[body].detail}"
    experiment.note(f"{len(sorts)} sorts refused by name, {len(good)} neighbours stored")


@pytest.mark.experiment(14, "bodies that are bombs: what they cost", quick=False)
def test_none_takes_fifty_megabytes_or_a_tenth_of_a_second(experiment: Experiment, tmp_path: Path) -> None:
    listed = tmp_path / "bombs"
    with listed.open("w") as lines:
        for number, (name, (kind, body, _)) in enumerate(bombs(CAR).items()):
            file = tmp_path / str(number)
            file.write_bytes(body)
            lines.write(json.dumps([name, f"tbox/v1/{CAR}/up/{kind}", str(file)]) + "\n")
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(listed)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)
    assert {name: one["refusals"] for name, one in found.items()} == dict.fromkeys(bombs(CAR), 1)
    largest_mb = max(one["mb"] for one in found.values())
    slowest = max(found, key=lambda name: found[name]["s"])
    experiment.note(
        f"{len(found)} sorts: +{largest_mb:.0f} MB at most, < {MEMORY_MB:.0f}; slowest ({slowest})"
        f" {1000 * found[slowest]['s']:.0f} ms, < {1000 * REJECTED_S:.0f}"
    )
    assert largest_mb < MEMORY_MB, found
    assert found[slowest]["s"] < REJECTED_S, found


def memory_mb(name: str) -> float:
    """Of this process, as Linux counts it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024 / 1e6


def from_now_on_mb() -> float:
    """What this process holds now, which is its highest from here on."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory_mb("VmRSS")


def full_message(seq: int, *identifiers: int) -> CanMessage:
    """As many frames as one message may have, whose signals everybody knows."""
    n = wire.MAX_FRAMES
    return CanMessage(
        envelope=envelope(vin(15), seq),
        dt_us=np.arange(n, dtype=np.uint32) * 1000,
        can_id=np.resize(np.array([EXTENDED | one for one in identifiers], np.uint32), n),
        bus=np.zeros(n, np.uint8),
        length=np.full(n, 8, np.uint8),
        data=np.tile(np.arange(0x10, 0x18, dtype=np.uint8), n),
        codebook="j1939",
    )


@pytest.mark.experiment(14, "bodies at the limit, which are taken", quick=False)
async def test_what_is_taken_at_the_limit_stays_below_the_same_bound(
    experiment: Experiment, conn: Connection
) -> None:
    largest = [
        deliver(full_message(seq, *identifiers), compress=True)
        for seq, identifiers in enumerate([TEMPERATURES, (*TEMPERATURES, *OTHERS)])
    ]
    assert all(len(one.body) <= LIMIT for one in largest)
    await stored(conn, [deliver(can(vin(15), 9, [vdhr(0, 1.0)]))])  # what is made once is made now
    grown_mb = 0.0
    for one in largest:
        before = from_now_on_mb()
        tally = await stored(conn, [one])
        assert tally.values >= wire.MAX_FRAMES
        grown_mb = max(grown_mb, memory_mb("VmHWM") - before)
    experiment.note(f"{wire.MAX_FRAMES} frames: +{grown_mb:.0f} MB, < {MEMORY_MB:.0f}")
    assert grown_mb < MEMORY_MB
