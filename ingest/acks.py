"""The application's acknowledgement: what of a boot is committed, told to the vehicles that ask.

A broker's PUBACK promises nothing; this does, and so leaves only after the commit. It is sent at QoS 0: a
lost one costs a resend, which is answered as well.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from ingest import topic
from ingest.reading import Arrived
from ingest.refusal import Refusal
from store import gaps
from store.gaps import Standing
from store.pool import Connection
from store.vehicles import VehicleRef
from vehicle.vin import Vin

Publish = Callable[[str, bytes], None]
"""Sends a payload to a topic, or drops it."""


def drop(_topic: str, _payload: bytes) -> None:
    """Tell nobody: for doors without a way back."""


@dataclass(frozen=True, slots=True)
class Ack:
    """One answer."""

    topic: str
    payload: bytes


async def due(
    conn: Connection, arrived: Iterable[Arrived], refusals: Iterable[Refusal], fleet: Mapping[Vin, VehicleRef]
) -> list[Ack]:
    """The answers to a batch, one for each boot of which a message asks; in the batch's transaction.

    `refusals` are of messages that have not arrived although their envelopes can be read.
    """
    asking: dict[tuple[int, int], tuple[Vin, set[int]]] = {}
    for one in arrived:
        envelope = one.message.envelope
        if envelope.ack:
            key = (fleet[one.vin].id, envelope.boot)
            asking.setdefault(key, (one.vin, set()))[1].add(envelope.seq)
    for refused in refusals:
        vin, boot, seq = refused.vin, refused.boot, refused.seq
        if refused.asks and boot is not None and seq is not None and vin is not None and vin in fleet:
            asking.setdefault((fleet[vin].id, boot), (vin, set()))[1].add(seq)
    if not asking:
        return []
    vehicle_id, boot = np.array(sorted(asking), dtype=np.int64).T
    standing = await gaps.standing(conn, vehicle_id, boot)
    return [
        Ack(topic.down_ack(vin), payload(key[1], standing[key], brought))
        for key, (vin, brought) in asking.items()
    ]


def payload(boot: int, standing: Standing, brought: set[int]) -> bytes:
    """What docs/asyncapi.yaml calls Ack. What the batch `brought` is there, whatever the count says."""
    if standing.gaps:  # counting is certain but where a counter began again
        standing = standing.without(brought)
    body: dict[str, object] = {"boot": boot, "upto": standing.upto, "missing": standing.missing}
    if standing.gaps:
        body |= {"gaps": standing.gaps, "seen": standing.seen}
    return json.dumps(body, separators=(",", ":")).encode()
