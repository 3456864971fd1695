"""Unfinished transport sessions are found by their neighbours in sequence."""

from dataclasses import replace

from store import messages, transport
from store.messages import LedgerEntry
from store.pool import Connection
from store.transport import Chain, ChainLink

T0_US = 1_760_000_000_000_000


def entry(seq: int, kind: str = "can", boot: int = 1) -> LedgerEntry:
    return LedgerEntry(7, boot, seq, kind, T0_US + seq, T0_US, seq, 10)


def link(seq: int, carry: bytes | None = None, boot: int = 1) -> ChainLink:
    return ChainLink(7, boot, 0, seq, T0_US + seq, carry)


async def test_a_chain_is_told_with_the_message_before_and_the_one_after(conn: Connection) -> None:
    kinds = {3: "signals", 5: "dtc"}
    await messages.admit(conn, [entry(seq, kinds.get(seq, "can")) for seq in range(9)])
    await messages.admit(conn, [entry(0, boot=2)])
    await transport.keep(conn, [link(2, b"two"), link(6, b"six")])
    found = await transport.around(conn, [Chain(7, 1, 0, 4, 4), Chain(7, 2, 0, 0, 0)])
    assert found == [link(2, b"two"), link(4), link(6, b"six"), link(0, boot=2)]


async def test_a_carry_is_replaced_and_removed(conn: Connection) -> None:
    await messages.admit(conn, [entry(0), entry(1)])
    await transport.keep(conn, [link(0, b"first"), link(1, b"other")])
    await transport.keep(conn, [link(0, b"second"), link(1, None)])
    assert await transport.around(conn, [Chain(7, 1, 0, 0, 1)]) == [link(0, b"second"), link(1)]


async def test_what_is_missing_between_two_messages_is_told(conn: Connection) -> None:
    kinds = {1: "signals", 2: "dtc"}
    await messages.admit(conn, [entry(seq, kinds.get(seq, "can")) for seq in (0, 1, 2, 3, 5)])
    found = await transport.around(conn, [Chain(7, 1, 0, 3, 3)])
    assert [(one.seq, one.follows) for one in found] == [(0, True), (3, True), (5, False)]
    await messages.admit(conn, [entry(4, "signals")])
    found = await transport.around(conn, [Chain(7, 1, 0, 4, 4)])
    assert [(one.seq, one.follows) for one in found] == [(3, True), (5, True)]


async def test_starts_with_something_unfinished_are_found(conn: Connection) -> None:
    await messages.admit(conn, [entry(0), entry(0, boot=2)])
    await transport.keep(conn, [replace(link(0), isotp=b"open")])
    assert await transport.unfinished(conn, [(7, 1, 0), (7, 2, 0)]) == {(7, 1, 0)}
    assert await transport.around(conn, [Chain(7, 1, 0, 0, 0)]) == [replace(link(0), isotp=b"open")]
    await transport.keep(conn, [link(0)])
    assert await transport.unfinished(conn, [(7, 1, 0)]) == set()
    assert await transport.unfinished(conn, []) == set()


async def test_the_message_after_another_is_the_next_with_frames(conn: Connection) -> None:
    await messages.admit(conn, [entry(0), entry(1, "signals"), entry(2)])
    assert await transport.after(conn, link(0)) == link(2)
    assert await transport.after(conn, link(2)) is None
    assert await transport.around(conn, []) == []
