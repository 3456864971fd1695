"""Segments: the decoded values of a message in one row of arrays."""

import struct
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from store import arrays, binary_copy
from store.messages import MessageKeys
from store.pool import Connection
from vehicle.day import at_of
from vehicle.frame import SignalRows

COPY: Final = """
    copy segment (vehicle_id, at, until, boot, life, seq, codebook_id, signal, samples, dt_us, value)
    from stdin (format binary)
"""
_FIELDS: Final = 11
_INT2: Final = 6
_INT4: Final = 8
_INT8: Final = 12
"""Bytes of an array element with its length."""
_HEAD: Final = struct.Struct(">hiqiqiqiqihiq")
"""Number of fields; vehicle, first and last moment, boot, life, seq, each behind its length."""

STORED_SIGNALS: Final = """
    select signal from segment
    where vehicle_id = %(vehicle_id)s and boot = %(boot)s and life = %(life)s and seq = %(seq)s
      and at between %(t0)s::timestamptz - interval '1 day' and %(t0)s::timestamptz + interval '1 day'
"""


async def append(
    conn: Connection, keys: MessageKeys, codebook_id: Sequence[int | None], rows: SignalRows
) -> None:
    """Store the rows of each message; `rows.message` and `codebook_id` count as `keys` does.

    Messages without a row get no segment. The samples of a message must lie within a day.
    """
    if len(rows):
        await binary_copy.write(conn, COPY, _rows(keys, codebook_id, rows))


async def stored_signals(conn: Connection, key: tuple[int, int, int, int], t0_us: int) -> set[int]:
    """Numbers of the signals of one message (vehicle, boot, life, seq) that are stored already."""
    vehicle_id, boot, life, seq = key
    cur = await conn.execute(
        STORED_SIGNALS,
        {"vehicle_id": vehicle_id, "boot": boot, "life": life, "seq": seq, "t0": at_of(t0_us)},
    )
    return {number for (signals,) in await cur.fetchall() for number in signals}


def _rows(keys: MessageKeys, codebook_id: Sequence[int | None], rows: SignalRows) -> Iterator[bytes]:
    """One COPY row per message; everything per value is done for the whole batch at once."""
    message_at = np.flatnonzero(np.diff(rows.message, prepend=-1))
    message = rows.message[message_at]
    first_us = np.minimum.reduceat(rows.t_us, message_at)
    last_us = np.maximum.reduceat(rows.t_us, message_at)
    sizes = np.diff(message_at, append=len(rows))
    run_at = _run_starts(rows)
    runs = np.diff(np.searchsorted(run_at, message_at), append=len(run_at))
    signal = arrays.elements(rows.signal[run_at], ">i2")
    samples = arrays.elements(np.diff(run_at, append=len(rows)), ">i4")
    dt_us = arrays.elements(rows.t_us - np.repeat(first_us, sizes), ">i8")
    value = arrays.elements(rows.value, ">f8")
    run = at = 0
    columns = (keys.vehicle_id[message], first_us, last_us, keys.boot[message], keys.life[message])
    heads = zip(*(column.tolist() for column in (*columns, keys.seq[message])), strict=True)
    counts = zip(message.tolist(), runs.tolist(), sizes.tolist(), strict=True)
    for (vehicle_id, first, last, boot, life, seq), (number, r, n) in zip(heads, counts, strict=True):
        since, until = first - arrays.EPOCH_US, last - arrays.EPOCH_US
        yield b"".join(
            (
                _HEAD.pack(_FIELDS, 8, vehicle_id, 8, since, 8, until, 8, boot, 2, life, 8, seq),
                binary_copy.int4(codebook_id[number]),
                binary_copy.array(arrays.INT2_OID, r, _INT2, signal, run),
                binary_copy.array(arrays.INT4_OID, r, _INT4, samples, run),
                binary_copy.array(arrays.INT8_OID, n, _INT8, dt_us, at),
                binary_copy.array(arrays.FLOAT8_OID, n, _INT8, value, at),
            )
        )
        run += r
        at += n


def _run_starts(rows: SignalRows) -> NDArray[Any]:
    """Where a new signal of a message begins."""
    new = np.diff(rows.message, prepend=-1) != 0
    return np.flatnonzero(new | (np.diff(rows.signal, prepend=rows.signal[:1] - 1) != 0))
