"""What a batch must not store: kept with its reason, once, and counted."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ingest.delivery import Delivery, hash_of
from ingest.metrics import Tally
from ingest.refusal import Refusal
from store import rejects, vehicles
from store.pool import Connection
from store.rejects import Refused
from store.sealed import Seal
from store.vehicles import VehicleRef
from vehicle.errors import TooLargeError
from vehicle.vin import Vin


async def reject(
    conn: Connection, refusals: Sequence[Refusal], fleet: Mapping[Vin, VehicleRef], seal: Seal, tally: Tally
) -> None:
    """Keep what was refused; the same bytes again are a double."""
    missing = {one.vin for one in refusals if one.vin is not None} - fleet.keys()
    known = await vehicles.known(conn, missing) if missing else {}
    ids = {vin: vehicle.id for vin, vehicle in (*fleet.items(), *known.items())}
    refused = [one.refused(ids) for one in refusals]
    new = await rejects.append(conn, seal, refused)
    for one in refused:
        if one.key in new:
            new.discard(one.key)
            tally.reject(one.reason, whole=one.whole)
        elif one.whole:
            tally.doubled += 1


async def count_oversize(
    conn: Connection, oversize: Sequence[tuple[Delivery, str]], seal: Seal, tally: Tally
) -> None:
    """Keep what the broker refused for its size; client ids are VINs where vehicles have certificates."""
    ids = await vehicles.known(conn, {client for _, client in oversize}) if oversize else {}
    for delivery, client in oversize:
        vehicle = ids.get(Vin(client))
        one = oversize_packet(delivery, None if vehicle is None else vehicle.id)
        new = await rejects.append(conn, seal, [one])
        if not new and not delivery.is_duplicate:
            # the broker's log counts in seconds: an equal line that was not sent before is another packet
            salted = hash_of(delivery.body, delivery.known_us.to_bytes(8, "big"))
            new = await rejects.append(conn, seal, [replace(one, body_hash=salted)])
        if new:
            tally.broker_refused += 1


def oversize_packet(delivery: Delivery, vehicle_id: int | None) -> Refused:
    """The row for a packet that never came: the broker keeps neither its bytes nor their number."""
    return Refused(
        known_us=delivery.known_us,
        vehicle_id=vehicle_id,
        kind="broker",
        reason=TooLargeError.reason,
        detail="the broker refused a packet beyond its limit and disconnected the client",
        body_hash=hash_of(delivery.body),
        topic="",
        body=None,
    )
