"""Shapes: what the bytes of segments mean, shared between messages and numbered by the database.

A shape lists the signals of a group and how each value is coded. It never changes and is never deleted.
"""

import hashlib
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from store.pool import Connection
from vehicle.sheet import NO_SOURCE

FLOAT_BYTES: Final = 8
"""Values of this width are float64 as they are; narrower ones are integers."""
WIDEST_BYTES: Final = 6
"""Of an integer."""
MOST_KNOWN: Final = 50_000
"""Shapes that a connection remembers the numbers of."""


class Coding(NamedTuple):
    """How the values of one signal are written, big-endian.

    An unsigned integer u of `width` bytes means `(((u + base) * scale + offset) * factor + shift) / divisor`,
    each operation rounded to float64; a width of `FLOAT_BYTES` means the number itself.
    """

    width: int
    base: int = 0
    scale: float = 1.0
    offset: float = 0.0
    factor: float = 1.0
    shift: float = 0.0
    divisor: float = 1.0


PLAIN: Final = Coding(FLOAT_BYTES)

_HEAD: Final = struct.Struct(">h?h")
_CODED: Final = struct.Struct(">hhqddddd")


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """Of a group of values: signals that have the same samples."""

    source: int
    """J1939 address of the frames' sender, or `NO_SOURCE`."""
    holed: bool
    """Integers whose bits are all ones are no values; a float64 of that kind (a NaN) never is one."""
    signal: tuple[int, ...]
    """`Signal.number` of each, rising."""
    coding: tuple[Coding, ...]
    digest: bytes = field(init=False)
    """SHA-256 of all that."""

    def __post_init__(self) -> None:
        columns = zip(self.signal, self.coding, strict=True)
        content = _HEAD.pack(self.source, self.holed, len(self.signal)) + b"".join(
            _CODED.pack(number, *coding) for number, coding in columns
        )
        object.__setattr__(self, "digest", hashlib.sha256(content).digest())


FIND: Final = "select hash, id from segment_shape where hash = any(%(hashes)s)"
ADD: Final = """
    insert into segment_shape
        (hash, source, holed, signal, width, base, scale, "offset", factor, shift, divisor)
    values
        (%(hash)s, %(source)s, %(holed)s, %(signal)s, %(width)s, %(base)s, %(scale)s, %(offset)s,
         %(factor)s, %(shift)s, %(divisor)s)
    on conflict (hash) do nothing
"""
VISIBLE: Final = """
    select pg_current_xact_id()::text, array(select id from segment_shape where id = any(%(ids)s))
"""
READ: Final = """
    select id, coalesce(source, %(none)s), holed, signal, width, base, scale, "offset", factor, shift, divisor
    from segment_shape where id = any(%(ids)s)
"""


@dataclass(slots=True)
class Known:
    """The shapes that one connection has met."""

    ids: dict[bytes, int] = field(default_factory=dict)
    """By digest."""
    doubtful: dict[bytes, str] = field(default_factory=dict)
    """Those that a transaction added which may yet be rolled back, with its number."""
    by_id: dict[int, Shape] = field(default_factory=dict)
    """Those that were read."""


_KNOWN: Final[WeakKeyDictionary[Connection, Known]] = WeakKeyDictionary()
"""A connection's, so that they are of one database."""


def known(conn: Connection) -> Known:
    """What a connection has met."""
    return _KNOWN.setdefault(conn, Known())


async def numbers(conn: Connection, wanted: Sequence[Shape]) -> list[int]:
    """The number of each shape; new ones get one. Needs a transaction, with which they come or go."""
    mine = known(conn)
    if mine.doubtful:
        await _settle(conn, mine)
    new = {shape.digest: shape for shape in wanted if shape.digest not in mine.ids}
    if new:
        if len(mine.ids) + len(new) > MOST_KNOWN:
            mine.ids = {digest: mine.ids[digest] for digest in mine.doubtful}
            new = {shape.digest: shape for shape in wanted if shape.digest not in mine.ids}
        await _learn(conn, mine, new)
    return [mine.ids[shape.digest] for shape in wanted]


async def read(conn: Connection, ids: Iterable[int]) -> dict[int, Shape]:
    """Shapes by their number; all that the connection has read so far, those among them."""
    mine = known(conn)
    missing = [one for one in ids if one not in mine.by_id]
    if missing:
        cur = await conn.execute(READ, {"ids": missing, "none": NO_SOURCE})
        for number, *row in await cur.fetchall():
            mine.by_id[number] = _shape(*row)
    return mine.by_id


def _shape(source: int, holed: bool, signal: list[int], *columns: list[Any]) -> Shape:  # noqa: FBT001  # a row
    coding = tuple(Coding(*one) for one in zip(*columns, strict=True))
    return Shape(source, holed, tuple(signal), coding)


async def _learn(conn: Connection, mine: Known, new: dict[bytes, Shape]) -> None:
    """Look shapes up, and add those that are nowhere; in one order, so that writers do not wait crosswise."""
    mine.ids |= await _find(conn, new)
    absent = sorted(new.keys() - mine.ids.keys())
    if not absent:
        return
    async with conn.cursor() as cur:
        await cur.executemany(ADD, [_row(new[digest]) for digest in absent])
    row = await (await conn.execute(VISIBLE, {"ids": []})).fetchone()
    assert row is not None
    mine.ids |= await _find(conn, absent)
    added_in: str = row[0]
    mine.doubtful |= dict.fromkeys(absent, added_in)


async def _find(conn: Connection, hashes: Iterable[bytes]) -> dict[bytes, int]:
    cur = await conn.execute(FIND, {"hashes": list(hashes)})
    return dict(await cur.fetchall())


async def _settle(conn: Connection, mine: Known) -> None:
    """Keep what is there in a later transaction than the one that added it; forget what is not."""
    ids = [mine.ids[digest] for digest in mine.doubtful]
    row = await (await conn.execute(VISIBLE, {"ids": ids})).fetchone()
    assert row is not None
    here, visible = row[0], set(row[1])
    for digest, added_in in list(mine.doubtful.items()):
        if mine.ids[digest] not in visible:
            del mine.ids[digest], mine.doubtful[digest]
        elif added_in != here:
            del mine.doubtful[digest]


def _row(shape: Shape) -> dict[str, Any]:
    columns = dict(zip(Coding._fields, map(list, zip(*shape.coding, strict=True)), strict=True))
    source = None if shape.source == NO_SOURCE else shape.source
    head = {"hash": shape.digest, "source": source, "holed": shape.holed, "signal": list(shape.signal)}
    return head | columns
