"""A message sent again from a vehicle's buffer is the same, though it says `resent` and may be compressed."""

from dataclasses import replace

import pytest
from msgspec import structs

from decoders import wire
from decoders.envelope import encode
from decoders.message import SignalsMessage
from ingest import pipeline
from ingest.delivery import Delivery
from ingest.pipeline import Line
from store.pool import Connection
from tests.ingest.senders import ODOMETER, deliver, raw, signals, vin


def again(message: SignalsMessage) -> SignalsMessage:
    return replace(message, envelope=structs.replace(message.envelope, resent=True))


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("compress", [False, True])
async def test_a_resent_message_is_a_double_and_opens_no_new_life(
    conn: Connection, line: Line, *, as_json: bool, compress: bool
) -> None:
    message = signals(vin(1), 0, {ODOMETER: 1000.0})
    first = deliver(message, as_json=as_json, compress=compress)
    tally, _ = await pipeline.store(conn, [first], line)
    assert tally.stored == 1
    resent = [
        deliver(again(message), as_json=as_json, compress=compress),
        deliver(again(message), as_json=as_json, compress=not compress),
    ]
    tally, _ = await pipeline.store(conn, resent, line)
    assert (tally.stored, tally.doubled, tally.resets) == (0, 2, 0)


async def test_another_body_under_the_same_number_still_is_a_new_life(conn: Connection, line: Line) -> None:
    first, other = signals(vin(1), 0, {ODOMETER: 1.0}), signals(vin(1), 0, {ODOMETER: 2.0})
    tally, _ = await pipeline.store(conn, [deliver(first), deliver(again(other))], line)
    assert (tally.stored, tally.resets) == (2, 1)


async def test_what_was_refused_is_not_refused_twice_when_it_is_sent_again(
    conn: Connection, line: Line
) -> None:
    first = signals(vin(2), 0, {ODOMETER: 1.0})  # under another vehicle's topic
    bodies = [encode(first), encode(again(first)), encode(again(first), compress=True)]
    tally, _ = await pipeline.store(conn, [_misdirected(body) for body in bodies], line)
    assert (tally.rejected, tally.doubled) == (1, 2)


def _misdirected(body: bytes) -> Delivery:
    return raw(vin(1), "signals", body)


@pytest.mark.parametrize("body", [b"", b"\x78\x9cnot zlib", b"{", b"\x80"])
def test_what_cannot_be_read_stays_as_it_is(body: bytes) -> None:
    assert wire.first_sent(body) == body
