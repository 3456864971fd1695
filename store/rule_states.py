"""What the rule engine remembers between evaluations, and which texts its rules had."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from store.pool import Connection


@dataclass(frozen=True, slots=True)
class RuleStateRow:
    """The memory of one rule on one subject of a vehicle."""

    vehicle_id: int
    rule_id: str
    subject: str
    rule_version: str
    state: dict[str, Any]


READ: Final = """
    select vehicle_id, rule_id, subject, rule_version, state
    from rule_state where vehicle_id = any(%(ids)s)
    order by vehicle_id, rule_id, subject
"""


async def of_vehicles(conn: Connection, vehicle_ids: Sequence[int]) -> list[RuleStateRow]:
    """Everything remembered of some vehicles."""
    async with conn.cursor(row_factory=class_row(RuleStateRow)) as cur:
        await cur.execute(READ, {"ids": list(vehicle_ids)})
        return await cur.fetchall()


FORGET: Final = """
    delete from rule_state r
    using unnest(%(vehicles)s::bigint[], %(rules)s::text[], %(subjects)s::text[])
        as g (vehicle_id, rule_id, subject)
    where (r.vehicle_id, r.rule_id, r.subject) = (g.vehicle_id, g.rule_id, g.subject)
"""
PUT: Final = """
    insert into rule_state (vehicle_id, rule_id, subject, rule_version, state)
    values (%(vehicle_id)s, %(rule_id)s, %(subject)s, %(rule_version)s, %(state)s)
    on conflict (vehicle_id, rule_id, subject) do update
        set rule_version = excluded.rule_version, state = excluded.state
"""


async def replace(conn: Connection, before: Sequence[RuleStateRow], after: Sequence[RuleStateRow]) -> None:
    """Store what changed from `before` (as read in this transaction) to `after`."""
    known = {_key(row): row for row in before}
    gone = known.keys() - {_key(row) for row in after}
    if gone:
        vehicles, rules, subjects = (list(column) for column in zip(*sorted(gone), strict=True))
        await conn.execute(FORGET, {"vehicles": vehicles, "rules": rules, "subjects": subjects})
    async with conn.cursor() as cur:
        await cur.executemany(
            PUT,
            [
                {
                    "vehicle_id": row.vehicle_id,
                    "rule_id": row.rule_id,
                    "subject": row.subject,
                    "rule_version": row.rule_version,
                    "state": Jsonb(row.state),
                }
                for row in after
                if known.get(_key(row)) != row
            ],
        )


def _key(row: RuleStateRow) -> tuple[int, str, str]:
    return (row.vehicle_id, row.rule_id, row.subject)


RECORD: Final = """
    insert into rule_version (rule_id, version, body) values (%(rule_id)s, %(version)s, %(body)s)
    on conflict do nothing
"""


async def record_versions(conn: Connection, bodies: Mapping[tuple[str, str], str]) -> None:
    """Keep the texts of rules by (id, version), so that a trigger's rule can be read as it was."""
    async with conn.cursor() as cur:
        await cur.executemany(
            RECORD,
            [
                {"rule_id": rule_id, "version": version, "body": body}
                for (rule_id, version), body in sorted(bodies.items())
            ],
        )
