"""The catalogue's copy in the database, for those who read it with SQL."""

from typing import Final

from store.pool import Connection
from vehicle.errors import CatalogueError
from vehicle.signal import Catalogue

WRITE: Final = """
    insert into signal as s (number, path, unit, kind)
    select * from unnest(%(number)s::smallint[], %(path)s::text[], %(unit)s::text[], %(kind)s::text[])
    on conflict (number) do update set unit = excluded.unit, kind = excluded.kind
    where (s.unit, s.kind) <> (excluded.unit, excluded.kind)
"""
CONFLICTS: Final = """
    select s.number, s.path, w.path
    from signal s join unnest(%(number)s::smallint[], %(path)s::text[]) as w (number, path) using (number)
    where s.path <> w.path order by s.number
"""


async def sync(conn: Connection, catalogue: Catalogue) -> None:
    """Write the catalogue; raises `CatalogueError` where a number would change its meaning."""
    columns = {
        "number": [signal.number for signal in catalogue.signals],
        "path": [signal.path for signal in catalogue.signals],
        "unit": [signal.unit.value for signal in catalogue.signals],
        "kind": [signal.kind.value for signal in catalogue.signals],
    }
    async with conn.transaction():
        clash = await (await conn.execute(CONFLICTS, columns)).fetchone()
        if clash is not None:
            number, stored, wanted = clash
            raise CatalogueError(
                f"signal {number} is stored as {stored}, the catalogue says {wanted}: numbers stay"
            )
        await conn.execute(WRITE, columns)
