"""Findings: the episodes of rules, with the values that made them fire."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from store.pool import Connection


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One episode of one rule on one subject of a vehicle; its key is the first four and names a trigger."""

    vehicle_id: int
    rule_id: str
    subject: str
    occasion: str
    rule_version: str
    opened_at: datetime
    closed_at: datetime | None
    values: dict[str, Any]
    read_at: dict[str, Any]
    """When each value was read, ISO 8601; `row` stands for those that are not named."""

    @property
    def key(self) -> "FindingKey":
        """What makes it the same finding from one evaluation to the next."""
        return (self.vehicle_id, self.rule_id, self.subject, self.occasion)

    @property
    def content(self) -> tuple[object, ...]:
        """What a later evaluation may find changed; the times of reading alone are no change."""
        return (self.rule_version, self.opened_at, self.closed_at, self.values)


FindingKey = tuple[int, str, str, str]
"""Vehicle, rule, subject, occasion."""

OF_VEHICLES: Final = """
    select vehicle_id, rule_id, subject, occasion, rule_version, opened_at, closed_at, values, read_at
    from finding where vehicle_id = any(%(ids)s)
"""


async def of_vehicles(conn: Connection, vehicle_ids: Sequence[int]) -> list[FindingRow]:
    """All findings of some vehicles, closed ones too: the history of a vehicle is folded again each time."""
    async with conn.cursor(row_factory=class_row(FindingRow)) as cur:
        await cur.execute(OF_VEHICLES, {"ids": list(vehicle_ids)})
        return await cur.fetchall()


PUT: Final = """
    insert into finding (
        vehicle_id, rule_id, rule_version, subject, occasion, opened_at, closed_at, as_of, values, read_at
    ) values (
        %(vehicle_id)s, %(rule_id)s, %(rule_version)s, %(subject)s, %(occasion)s, %(opened_at)s,
        %(closed_at)s, %(as_of)s, %(values)s, %(read_at)s
    )
    on conflict (vehicle_id, rule_id, subject, occasion) do update set
        rule_version = excluded.rule_version, opened_at = excluded.opened_at, closed_at = excluded.closed_at,
        as_of = excluded.as_of, values = excluded.values, read_at = excluded.read_at
"""


async def put(conn: Connection, findings: Sequence[FindingRow], *, as_of: datetime) -> None:
    """Store findings; a known one is brought up to date."""
    async with conn.cursor() as cur:
        await cur.executemany(
            PUT,
            [
                {
                    "vehicle_id": row.vehicle_id,
                    "rule_id": row.rule_id,
                    "rule_version": row.rule_version,
                    "subject": row.subject,
                    "occasion": row.occasion,
                    "opened_at": row.opened_at,
                    "closed_at": row.closed_at,
                    "as_of": as_of,
                    "values": Jsonb(row.values),
                    "read_at": Jsonb(row.read_at),
                }
                for row in findings
            ],
        )


CLOSE: Final = """
    update finding f set closed_at = greatest(%(as_of)s, f.opened_at), as_of = %(as_of)s
    from unnest(%(vehicles)s::bigint[], %(rules)s::text[], %(subjects)s::text[], %(occasions)s::text[])
        as g (vehicle_id, rule_id, subject, occasion)
    where (f.vehicle_id, f.rule_id, f.subject, f.occasion) = (g.vehicle_id, g.rule_id, g.subject, g.occasion)
        and f.closed_at is null
"""


async def close(conn: Connection, keys: Sequence[FindingKey], *, as_of: datetime) -> None:
    """Close findings whose subject, occasion or rule is no more."""
    if not keys:
        return
    vehicles, rules, subjects, occasions = (list(column) for column in zip(*keys, strict=True))
    await conn.execute(
        CLOSE,
        {"vehicles": vehicles, "rules": rules, "subjects": subjects, "occasions": occasions, "as_of": as_of},
    )
