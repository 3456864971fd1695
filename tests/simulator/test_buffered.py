"""Vehicles with a buffer send again what nobody acknowledges, and let go of it when somebody does."""

import asyncio
import json
from pathlib import Path

from decoders.envelope import decode
from simulator import truth
from simulator.buffered import ACK_TOPIC, BufferedSender
from simulator.outgoing import Outgoing
from simulator.publish import Publisher
from simulator.truth import TruthWriter
from tests.ingest.senders import ODOMETER, signals, vin
from tests.simulator.listener import listening

NUMBERS = range(770, 772)
"""Of vehicles that no other test sends for."""


async def acknowledge(url: str, of: int, upto: int, missing: int | None = None) -> None:
    """Say that all is there up to a number, and above it all up to the one that is missing."""
    said: dict[str, object] = {"boot": 1, "upto": upto, "missing": [] if missing is None else [missing]}
    if missing is not None:
        said |= {"gaps": [[missing, missing]], "seen": missing}
    body = json.dumps(said).encode()
    async with Publisher(url) as server:
        await server.send(Outgoing(f"tbox/v1/{vin(of)}/down/ack", body))
        await server.drain()


async def heard(vehicles: BufferedSender, n: int) -> None:
    async with asyncio.timeout(20):
        while vehicles.acknowledgements_n < n:  # noqa: ASYNC110  # the other end of a connection sets it
            await asyncio.sleep(0.01)


async def test_what_is_missing_comes_again_marked_and_what_is_stored_does_not(
    broker_url: str, tmp_path: Path
) -> None:
    mine, other = NUMBERS
    path = tmp_path / "truth"
    async with (
        listening(broker_url, f"tbox/v1/{vin(mine)}/up/signals") as ingest,
        Publisher(broker_url, listen=ACK_TOPIC) as publisher,
    ):
        with TruthWriter(path) as writer:
            vehicles = BufferedSender(publisher, truth=writer, resend_after_s=0.0)
            for seq in range(4):
                await vehicles.send(signals(vin(mine), seq, {ODOMETER: 1.0 * seq}))
            await vehicles.send(signals(vin(other), 0, {ODOMETER: 1.0}))
            await publisher.drain()
            await acknowledge(broker_url, mine, 0, missing=2)
            await heard(vehicles, 1)
            assert vehicles.held() == [(vin(mine), 1, 2), (vin(mine), 1, 3), (vin(other), 1, 0)]
            assert await vehicles.resend_due() == 3
            await ingest.until(lambda: len(ingest.bodies) == 6)
            heads = [decode("signals", body).envelope for _, body in ingest.bodies]
            assert [(one.seq, one.ack, one.resent) for one in heads] == [
                *((seq, True, False) for seq in range(4)),
                (2, True, True),
                (3, True, True),
            ]
            await acknowledge(broker_url, mine, 3)
            await acknowledge(broker_url, other, 0)
            assert await vehicles.drain(within_s=20)
            writer.end(buffered=vehicles.held(), dropped=vehicles.dropped())
    told = truth.read(path)
    assert len(told.messages) == 5, "a message is told once, however often it is sent"
    assert told.buffered == told.dropped == set()


async def test_who_is_never_answered_gives_up_in_time_and_says_what_is_held(broker_url: str) -> None:
    (mine, _) = NUMBERS
    async with Publisher(broker_url, listen=ACK_TOPIC) as publisher:
        vehicles = BufferedSender(publisher, resend_after_s=0.05)
        await vehicles.send(signals(vin(mine), 9, {ODOMETER: 1.0}))
        assert not await vehicles.drain(within_s=0.3)
        assert vehicles.held() == [(vin(mine), 1, 9)]
        assert vehicles.resent_n > 0
