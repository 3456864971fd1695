"""Segments: the decoded values of a message in one row, packed as `store.bodies` says."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from store import binary_copy, packed_rows, packed_sheets, shapes, unpacked
from store.bodies import Packed
from store.decimals import Habits
from store.messages import MessageKeys
from store.pool import Connection
from vehicle.day import at_of
from vehicle.frame import SignalRows
from vehicle.sheet import Sheet

COPY: Final = """
    copy segment (vehicle_id, at, boot, seq, span_ms, life, codebook_id, body)
    from stdin (format binary)
"""
STORED: Final = """
    select body from segment
    where vehicle_id = %(vehicle_id)s and boot = %(boot)s and life = %(life)s and seq = %(seq)s
      and at between %(t0)s::timestamptz - interval '1 day' and %(t0)s::timestamptz + interval '1 day'
"""

PORTION_VALUES: Final = 100_000
"""Packed at once, more or less: it bounds the memory that this takes."""

_HABITS: Final[WeakKeyDictionary[Connection, Habits]] = WeakKeyDictionary()


async def append(
    conn: Connection,
    keys: MessageKeys,
    codebook_id: Sequence[int | None],
    rows: SignalRows,
    sheets: Sequence[Sheet] = (),
) -> None:
    """Store the values of each message; `message` and `codebook_id` of all count as `keys` does.

    `sheets` are those out of frames, `rows` all others; a message has one kind. Messages without a value get
    no segment. The samples of a message must lie within a day. Needs a transaction.
    """
    habits = _HABITS.setdefault(conn, Habits())
    packed = await asyncio.to_thread(_packed, keys, codebook_id, rows, sheets, habits)
    if not packed:
        return
    pieces = [one.rows(await shapes.numbers(conn, one.shapes)) for one in packed]
    await binary_copy.write(conn, COPY, [piece.tobytes() for piece in pieces])


async def stored_signals(conn: Connection, key: tuple[int, int, int, int], t0_us: int) -> set[int]:
    """Numbers of the signals of one message (vehicle, boot, life, seq) that are stored already."""
    vehicle_id, boot, life, seq = key
    cur = await conn.execute(
        STORED,
        {"vehicle_id": vehicle_id, "boot": boot, "life": life, "seq": seq, "t0": at_of(t0_us)},
        binary=True,
    )
    found = await unpacked.read(conn, [body for (body,) in await cur.fetchall()])
    return set(np.unique(found.signal).tolist())


def _packed(
    keys: MessageKeys,
    codebook_id: Sequence[int | None],
    rows: SignalRows,
    sheets: Sequence[Sheet],
    habits: Habits,
) -> list[Packed]:
    found = [
        packed_sheets.pack(sheet.part(part), keys, codebook_id)
        for sheet in sheets
        for part in _portions(sheet.rows.message)
    ]
    for part in _portions(rows.message):
        some = SignalRows(rows.message[part], rows.t_us[part], rows.signal[part], rows.value[part])
        found.append(packed_rows.pack(some, keys, codebook_id, habits))
    return found


def _portions(message: NDArray[np.int32]) -> Iterator[slice]:
    """Whole messages with about as many values as are packed at once; `message` is each value's."""
    begin = 0
    while begin < len(message):
        last = message[min(begin + PORTION_VALUES, len(message)) - 1]
        end = int(np.searchsorted(message, last, side="right"))
        yield slice(begin, end)
        begin = end
