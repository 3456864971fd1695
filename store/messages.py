"""The ledger: which messages are stored, so that each is stored once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from store import arrays, ledger_ranges
from store.pool import Connection
from vehicle.day import at_of
from vehicle.errors import ConflictError

MOST_LIVES: Final = 100
"""Different bodies under one (vehicle, boot, number). Invented: who resets more often is broken."""
REFUSED: Final = -1
"""In the place of a life: the message would be one more than `MOST_LIVES`, and is not entered."""

Key = tuple[int, int, int]
"""Vehicle, boot, sequence number."""


class LedgerEntry(Struct, frozen=True, gc=False):
    """One message that asks to be stored."""

    vehicle_id: int
    boot: int
    seq: int
    kind: str
    happened_us: int
    known_us: int
    body_hash: int
    """64 bits over the body as received, signed."""
    body_bytes: int

    @property
    def key(self) -> Key:
        """What it must not share with another body."""
        return (self.vehicle_id, self.boot, self.seq)


@dataclass(frozen=True, slots=True)
class MessageKeys:
    """Names of stored messages, as columns; row k is what other arrays call message k."""

    vehicle_id: NDArray[np.int64]
    boot: NDArray[np.int64]
    life: NDArray[np.int64]
    seq: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.vehicle_id)


ADMIT: Final = """
    insert into message
        (vehicle_id, boot, seq, kind, happened_at, known_at, body_hash, body_bytes, life)
    select * from unnest(
        %(vehicle_id)s, %(boot)s, %(seq)s, %(kind)s::text[], %(happened_at)s, %(known_at)s,
        %(body_hash)s, %(body_bytes)s, %(life)s
    )
    on conflict do nothing
    returning vehicle_id, boot, seq
"""
LIVES: Final = """
    select m.vehicle_id, m.boot, m.seq, m.life, m.body_hash
    from unnest(%(vehicle_id)s, %(boot)s, %(seq)s) as k (vehicle_id, boot, seq)
    join message m using (vehicle_id, boot, seq)
"""


async def admit(
    conn: Connection, entries: Sequence[LedgerEntry], folded: Mapping[int, int | None] | None = None
) -> list[int | None]:
    """Enter messages into the ledger; per entry the life it is stored under, None for a double, or `REFUSED`.

    The same key with the same hash is a double. With another hash it comes from a T-Box whose counter was
    reset, and is stored under the next life, while there is one. Later entries see earlier ones of the same
    call. `folded` says of entries whose number the ledger has folded, by place, which life is the lowest that
    is free, or None: it is a double. Raises `ConflictError` where another process stores the same vehicles at
    the same time: try again.
    """
    if not folded:
        entered = await _insert(conn, entries, [0] * len(entries))
        if len(entered) == len(entries):  # which is how it goes, but for doubles and resets
            return [0] * len(entries)
    else:
        entered = None
    least = {place: life for place, life in (folded or {}).items() if life is not None}
    lives: list[int | None] = [
        REFUSED if least.get(n, 0) >= MOST_LIVES else None for n in range(len(entries))
    ]
    asking = [n for n, life in enumerate(lives) if life is None and (n in least or n not in (folded or {}))]
    first = {entries[place].key: place for place in reversed(asking)}
    if entered is None:
        firsts = sorted(first.values())
        entered = await _insert(conn, [entries[n] for n in firsts], [least.get(n, 0) for n in firsts])
    fresh = set(entered)
    todo = []
    for place in asking:
        entry = entries[place]
        if first[entry.key] == place and entry.key in fresh:
            lives[place] = least.get(place, 0)
        else:
            todo.append(place)
    stored = await _lives(conn, {entries[place].key for place in todo}) if todo else {}
    resets: list[LedgerEntry] = []
    reset_lives: list[int] = []
    for place in todo:
        entry, life_of = entries[place], stored[entries[place].key]
        if entry.body_hash in life_of:
            continue
        life = max(life_of.values()) + 1
        if life >= MOST_LIVES:
            lives[place] = REFUSED
            continue
        lives[place] = life_of[entry.body_hash] = life
        resets.append(entry)
        reset_lives.append(life)
    if len(await _insert(conn, resets, reset_lives)) != len(resets):
        raise ConflictError("another process stores messages of the same vehicles")
    return lives


async def life_of(conn: Connection, entry: LedgerEntry) -> int | None:
    """The life a message of this key and hash is stored under; None where it is not.

    Where the ledger has folded it, its number and time speak for it.
    """
    life = (await _lives(conn, {entry.key})).get(entry.key, {}).get(entry.body_hash)
    if life is not None:
        return life
    return await ledger_ranges.life_of(conn, *entry.key, at_of(entry.happened_us))


async def _insert(conn: Connection, entries: Sequence[LedgerEntry], life: Sequence[int]) -> list[Key]:
    """Enter what is not there yet, each under its life; returns the keys of what was entered.

    Of those that share key and life, the first.
    """
    if not entries:
        return []
    n = len(entries)
    async with arrays.cursor(conn) as cur:
        await cur.execute(
            ADMIT,
            {
                "vehicle_id": arrays.int8s(np.fromiter((e.vehicle_id for e in entries), np.int64, n)),
                "boot": arrays.int8s(np.fromiter((e.boot for e in entries), np.int64, n)),
                "seq": arrays.int8s(np.fromiter((e.seq for e in entries), np.int64, n)),
                "kind": arrays.texts([e.kind for e in entries]),
                "happened_at": arrays.timestamps(np.fromiter((e.happened_us for e in entries), np.int64, n)),
                "known_at": arrays.timestamps(np.fromiter((e.known_us for e in entries), np.int64, n)),
                "body_hash": arrays.int8s(np.fromiter((e.body_hash for e in entries), np.int64, n)),
                "body_bytes": arrays.int4s(np.fromiter((e.body_bytes for e in entries), np.int32, n)),
                "life": arrays.int2s(np.array(life, dtype=np.int16)),
            },
            binary=True,
        )
        return [(vehicle_id, boot, seq) for vehicle_id, boot, seq in await cur.fetchall()]


async def _lives(conn: Connection, keys: set[Key]) -> dict[Key, dict[int, int]]:
    """What is stored under each key: hash to life."""
    columns = np.array(sorted(keys), dtype=np.int64).T
    found: dict[Key, dict[int, int]] = {}
    async with arrays.cursor(conn) as cur:
        await cur.execute(
            LIVES,
            {
                "vehicle_id": arrays.int8s(columns[0]),
                "boot": arrays.int8s(columns[1]),
                "seq": arrays.int8s(columns[2]),
            },
        )
        for vehicle_id, boot, seq, life, body_hash in await cur.fetchall():
            found.setdefault((vehicle_id, boot, seq), {})[body_hash] = life
    return found
