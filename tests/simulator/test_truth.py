"""What a truth file says is what was sent, also when the sender was killed in the middle of a line."""

from pathlib import Path

import pytest

from simulator import truth
from simulator.outgoing import outgoing
from simulator.truth import TruthError, TruthWriter
from tests.ingest.senders import ODOMETER, can, signals, vdhr, vin


def written(path: Path, *, with_bodies: bool, ends: bool = True) -> list[bytes]:
    bodies = []
    with TruthWriter(path, with_bodies=with_bodies) as writer:
        for message in (signals(vin(1), 0, {ODOMETER: 1.0}), can(vin(2), 5, [vdhr(0, 1.0), vdhr(9, 1.1)])):
            ready = outgoing(message)
            writer.sent(message, ready)
            bodies.append(ready.body)
        if ends:
            writer.end(buffered=[(vin(2), 1, 5)], dropped=[(vin(2), 1, 4)])
    return bodies


def test_a_file_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    bodies = written(tmp_path / "truth", with_bodies=True)
    found = truth.read(tmp_path / "truth")
    assert [one.key for one in found.messages] == [(vin(1), 1, 0), (vin(2), 1, 5)]
    assert [one.body for one in found.messages] == bodies
    assert [(one.kind, one.frames) for one in found.messages] == [("signals", 0), ("can", 2)]
    assert found.buffered == {(vin(2), 1, 5)}
    assert found.dropped == {(vin(2), 1, 4)}
    assert found.is_closed
    assert found.has_bodies


def test_a_sender_that_was_killed_leaves_a_file_that_can_be_read(tmp_path: Path) -> None:
    written(tmp_path / "truth", with_bodies=False, ends=False)
    text = (tmp_path / "truth").read_text()
    (tmp_path / "truth").write_text(text + text[:40])
    found = truth.read(tmp_path / "truth")
    assert len(found.messages) == 2
    assert not found.is_closed
    assert not found.has_bodies


@pytest.mark.parametrize("line", ["{", "[]", '{"vin": "V"}', '{"end": true}'])
def test_a_broken_line_is_named(tmp_path: Path, line: str) -> None:
    written(tmp_path / "truth", with_bodies=False)
    text = (tmp_path / "truth").read_text()
    (tmp_path / "truth").write_text(f"{line}\n{text}")
    with pytest.raises(TruthError, match="line 1"):
        truth.read(tmp_path / "truth")
