"""The real truck capture, where `ODOCARE_FIXTURES` names the folder it lies in."""

import gzip
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from decoders.envelope import CanMessage, Envelope
from vehicle.vin import Vin


@dataclass(frozen=True)
class Capture:
    """A capture as one message, and what must come out of it."""

    message: CanMessage
    expected: dict[str, Any]

    def cut(self, cuts: list[int]) -> list[CanMessage]:
        """The same frames as consecutive messages, cut before these frames."""
        whole = self.message
        byte = np.concatenate([[0], np.cumsum(whole.length, dtype=np.int64)])
        parts = []
        for seq, (start, end) in enumerate(zip([0, *cuts], [*cuts, len(whole)], strict=True)):
            first_us = int(whole.dt_us[start]) if start < len(whole) else 0
            parts.append(
                CanMessage(
                    envelope=Envelope(
                        whole.envelope.vin, 1, seq, whole.envelope.t0_us + first_us, ack=True, resent=False
                    ),
                    dt_us=whole.dt_us[start:end] - np.uint32(first_us),
                    can_id=whole.can_id[start:end],
                    bus=whole.bus[start:end],
                    length=whole.length[start:end],
                    data=whole.data[byte[start] : byte[end]],
                )
            )
        return parts


@pytest.fixture(scope="session")
def truck() -> Capture:
    """127 seconds of an idling truck, J1939."""
    folder = os.environ.get("ODOCARE_FIXTURES")
    if folder is None:
        pytest.skip("no real captures: set ODOCARE_FIXTURES to the folder that has truck_j1939/")
    path = Path(folder) / "truck_j1939"
    t_us, wire_id, payloads = [], [], []
    with gzip.open(path / "truck.log.gz", "rt") as log:
        for line in log:
            at, _, frame = line.split()
            seconds, micros = at.strip("()").split(".")
            number, payload = frame.split("#")
            t_us.append(int(seconds) * 1_000_000 + int(micros))
            wire_id.append(int(number, 16) | (0x8000_0000 if len(number) == 8 else 0))
            payloads.append(bytes.fromhex(payload))
    message = CanMessage(
        envelope=Envelope(Vin("A0DH0000000000001"), 1, 0, t_us[0], ack=True, resent=False),
        dt_us=np.array([one - t_us[0] for one in t_us], np.uint32),
        can_id=np.array(wire_id, np.uint32),
        bus=np.zeros(len(t_us), np.uint8),
        length=np.array([len(one) for one in payloads], np.uint8),
        data=np.frombuffer(b"".join(payloads), np.uint8),
        codebook="j1939",
    )
    return Capture(message, json.loads((path / "expected.json").read_text()))
