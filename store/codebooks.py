"""Codebooks by their content: which signal files decoded a message."""

from collections.abc import Iterable
from typing import Final

from store.pool import Connection

FIND: Final = """
    select c.id, c.name, c.version
    from codebook c
    join unnest(%(names)s::text[], %(versions)s::text[]) as w (name, version) using (name, version)
"""
ADD: Final = """
    insert into codebook (name, version)
    select * from unnest(%(names)s::text[], %(versions)s::text[])
    on conflict (name, version) do nothing
"""


async def ids(conn: Connection, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """The number of each (name, content hash); new ones get one."""
    pairs = sorted(set(wanted))
    if not pairs:
        return {}
    columns = {"names": [name for name, _ in pairs], "versions": [version for _, version in pairs]}
    found = await _find(conn, columns)
    if len(found) < len(pairs):
        await conn.execute(ADD, columns)
        found = await _find(conn, columns)
    return found


NAMES: Final = "select id, name from codebook where id = any(%(ids)s)"


async def names(conn: Connection, numbers: Iterable[int]) -> dict[int, str]:
    """The names of codebooks by their number."""
    return dict(await (await conn.execute(NAMES, {"ids": sorted(set(numbers))})).fetchall())


async def _find(conn: Connection, columns: dict[str, list[str]]) -> dict[tuple[str, str], int]:
    rows = await (await conn.execute(FIND, columns)).fetchall()
    return {(name, version): number for number, name, version in rows}
