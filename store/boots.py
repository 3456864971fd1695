"""How far each boot's sequence numbers have come, one row per vehicle and boot.

Boots below 0 are GB/T 32960's, whose packets have no sequence number: they have no row here.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from store import arrays
from store.pool import Connection

NEW: Final = -1
"""In the place of the highest number of a boot that nothing was known of."""

ADVANCE: Final = """
    insert into boot_seen as b (vehicle_id, boot, highest, known_at)
    select * from unnest(%(vehicle_id)s, %(boot)s, %(highest)s, %(known_at)s)
    on conflict (vehicle_id, boot) do update set
        was = b.highest, highest = greatest(b.highest, excluded.highest),
        known_at = greatest(b.known_at, excluded.known_at)
    returning vehicle_id, boot, life, coalesce(was, -1)
"""
RESTART: Final = """
    update boot_seen b set life = c.life, highest = c.highest
    from unnest(%(vehicle_id)s, %(boot)s, %(life)s, %(highest)s) as c (vehicle_id, boot, life, highest)
    where b.vehicle_id = c.vehicle_id and b.boot = c.boot
"""


@dataclass(frozen=True, slots=True)
class Boots:
    """Boots as columns, rising by vehicle and boot."""

    vehicle_id: NDArray[np.int64]
    boot: NDArray[np.int64]
    life: NDArray[np.int64]
    """Rises when the T-Box begins again under the same boot."""
    was: NDArray[np.int64]
    """The highest number before; `NEW` where the boot was not known."""

    def __len__(self) -> int:
        return len(self.vehicle_id)


async def advance(
    conn: Connection,
    vehicle_id: NDArray[np.int64],
    boot: NDArray[np.int64],
    highest: NDArray[np.int64],
    known_us: NDArray[np.int64],
) -> Boots:
    """Note the highest numbers of some boots; how far they were before. Their rows are locked.

    The boots rise by vehicle and boot and are different. Arrivals are microseconds since 1970 UTC.
    """
    async with arrays.cursor(conn) as cur:
        await cur.execute(
            ADVANCE,
            {
                "vehicle_id": arrays.int8s(vehicle_id),
                "boot": arrays.int8s(boot),
                "highest": arrays.int8s(highest),
                "known_at": arrays.timestamps(known_us),
            },
        )
        found = np.array(await cur.fetchall(), dtype=np.int64).reshape(-1, 4)
    found = found[np.lexsort((found[:, 1], found[:, 0]))]
    return Boots(found[:, 0], found[:, 1], found[:, 2], found[:, 3])


async def restart(
    conn: Connection,
    vehicle_id: NDArray[np.int64],
    boot: NDArray[np.int64],
    life: NDArray[np.int64],
    highest: NDArray[np.int64],
) -> None:
    """Count from 0 again where a T-Box did under the same boot."""
    async with arrays.cursor(conn) as cur:
        await cur.execute(
            RESTART,
            {
                "vehicle_id": arrays.int8s(vehicle_id),
                "boot": arrays.int8s(boot),
                "life": arrays.int2s(life),
                "highest": arrays.int8s(highest),
            },
        )
