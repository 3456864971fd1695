"""Setting aside what this version stumbles over, so that it harms no other message."""

import asyncio
from dataclasses import replace

from ingest import acks, numbering, pipeline, reading, rejecting, topic
from ingest.acks import Ack
from ingest.delivery import Delivery
from ingest.metrics import Tally
from ingest.pipeline import Line
from ingest.reading import Arrived
from ingest.refusal import Refusal
from store import vehicles
from store.pool import Connection
from store.vehicles import VehicleRef
from vehicle.vin import Vin


async def park(conn: Connection, delivery: Delivery, error: Exception, line: Line) -> Tally:
    """Keep a message whose storing failed with `error`; a later version may replay it.

    Where its envelope can be read and its vehicle is known, its number counts and is acknowledged: who gets
    no answer sends it again.
    """
    detail = f"it could not be stored: {type(error).__name__}"
    tally = Tally(received=1)
    refusal = Refusal(delivery, topic.kind_of(delivery.topic), "unexpected", detail)
    arrived = await asyncio.to_thread(_readable, delivery)
    fleet: dict[Vin, VehicleRef] = {}
    told: list[Ack] = []
    if arrived is not None:
        envelope = arrived.message.envelope
        refusal = replace(refusal, vin=arrived.vin, boot=envelope.boot, seq=envelope.seq)
    async with conn.transaction():
        if arrived is not None and (fleet := await vehicles.known(conn, {arrived.vin})):
            numbers = await numbering.begin(conn, [], [refusal], fleet)
            if numbers:
                await numbering.finish(conn, numbers, [], tally)
            told = await acks.due(conn, [arrived], [], fleet)
        await rejecting.reject(conn, [refusal], fleet, line.seal, tally)
    for ack in told:
        line.publish(ack.topic, ack.payload)
    pipeline.tell([delivery], [refusal])
    return tally


def _readable(delivery: Delivery) -> Arrived | None:
    try:
        return next(iter(reading.read([delivery]).arrived), None)
    except Exception:  # noqa: BLE001  # whatever it is that this version stumbles over
        return None
