"""A small fleet with a history, and rules that are short enough to be read beside the tests."""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from maintenance.parameters import UsageParameters
from odocare.judgement import Judge
from rules import book
from store.pool import Connection

RULES = {
    "oil-due.toml": """
id = "oil-due"
on = "service_item"
when = "due_in_p20_d <= 30"
severity = "info"
trigger = "service_due"
job = "oil-change"
source = "invented, for tests"
lead_d = [30, 14, 3]
[say]
zh = "{item}约 {due_in_p50_d} 天后到期"
en = "{item} due in about {due_in_p50_d} days"
[[test]]
title = "it opens a month ahead"
rows = [{day = 0, due_in_p20_d = 30}]
opens_on_day = 0
[[test]]
title = "not earlier"
rows = [{day = 0, due_in_p20_d = 31}]
never_opens = true
""",
    "fault-stop.toml": """
id = "fault-stop"
on = "fault"
when = "status = 'active' and severity = 'stop'"
severity = "stop"
trigger = "fault"
job = "diagnosis"
source = "invented, for tests"
[say]
zh = "{code}：请勿继续行驶"
en = "{code}: do not drive on"
[[test]]
title = "a code of severity stop opens it"
rows = [{day = 0, status = "active", severity = "stop"}]
opens_on_day = 0
[[test]]
title = "a milder one does not"
rows = [{day = 0, status = "active", severity = "urgent"}]
never_opens = true
""",
    "recall-open.toml": """
id = "recall-open"
on = "campaign"
when = "state = 'open'"
severity = "urgent"
trigger = "recall"
job = "recall-remedy"
source = "invented, for tests"
[say]
zh = "召回：{campaign}"
en = "Recall: {campaign}"
[[test]]
title = "an open campaign opens it"
rows = [{day = 0, state = "open"}]
opens_on_day = 0
[[test]]
title = "a remedied vehicle does not"
rows = [{day = 0, state = "remedied"}]
never_opens = true
""",
    "crank-weak.toml": """
id = "crank-weak"
on = "vehicle"
when = "rest_v < 11.9"
for = "3 d"
severity = "soon"
trigger = "wear"
job = "battery-test"
source = "invented, for tests"
[say]
zh = "静置电压 {rest_v} V"
en = "Rest voltage {rest_v} V"
[[test]]
title = "three weak days open it"
rows = [{day = 0, rest_v = 11.5}, {day = 1, rest_v = 11.5}, {day = 3, rest_v = 11.5}]
opens_on_day = 3
[[test]]
title = "a good battery does not"
rows = [{day = 0, rest_v = 12.5}, {day = 5, rest_v = 12.5}]
never_opens = true
""",
}
SITE = "test.example"


def judge_of(texts: dict[str, str]) -> Judge:
    """A judge by some rule files, all of which must be in order."""
    rules = book.load(texts)
    assert rules.problems == (), rules.problems
    bodies = {(rule.id, rule.version): texts[f"{rule.id}.toml"] for rule in rules.rules}
    return Judge(SITE, rules, bodies, UsageParameters(), {"zh": {}, "en": {}})


@dataclass
class Garage:
    """Puts vehicles and what happened to them into the database, as ingest and the imports would."""

    conn: Connection
    vins: dict[int, str] = field(default_factory=dict)

    async def plan(self) -> None:
        """A dealer, and an oil change every 10,000 km or year, the first after 5,000 km."""
        await self.conn.execute(
            "insert into dealer (code, name_zh, name_en) values ('D1', '一店', 'One')"
            " on conflict (code) do nothing"
        )
        await self.conn.execute(
            "insert into service_plan (model, market, item, op_code, name_zh, name_en,"
            " first_km, every_km, every_d, source) values ('odo-petrol', 'CN', 'engine-oil', 'oil-change',"
            " '机油', 'Engine oil', 5000, 10000, 365, 'test')"
        )

    async def vehicle(
        self, number: int = 1, *, registered: bool = True, delivered: str = "2026-01-01"
    ) -> int:
        """One vehicle; returns its internal number."""
        vin = f"LDEMA1B25PH{number:06}"
        row = await (
            await self.conn.execute(
                "insert into vehicle"
                " (vin, model, use_class, built_on, delivered_on, dealer_id, registered_at)"
                " select %s, 'odo-petrol', 'private', %s, %s, d.id, case when %s then now() end from dealer d"
                " returning id",
                (vin, delivered, delivered, registered),
            )
        ).fetchone()
        assert row is not None
        self.vins[int(row[0])] = vin
        await self.touch(int(row[0]))
        return int(row[0])

    async def drive(
        self,
        vehicle: int,
        first: str,
        days: int,
        *,
        from_km: float = 0.0,
        km_per_d: float = 40.0,
        rest_v: float | None = 12.6,
    ) -> None:
        """So many days of equal driving."""
        start = date.fromisoformat(first)
        rows = []
        for step in range(days):
            at = datetime.combine(start + timedelta(days=step), datetime.min.time(), UTC)
            km = from_km + km_per_d * step
            rows.append((vehicle, at.date(), km, at, km + km_per_d, at + timedelta(hours=10), rest_v, at))
        async with self.conn.cursor() as cur:
            await cur.executemany(
                "insert into vehicle_day (vehicle_id, day, rest_v, known_at, starts_n)"
                " values (%s, %s, %s, %s, 2)"
                " on conflict (vehicle_id, day) do update set rest_v = excluded.rest_v",
                [(*one[:2], *one[6:]) for one in rows],
            )
            await cur.executemany(
                "insert into odometer_day (vehicle_id, day, source, first_km, first_at, low_km, low_at,"
                " last_km, last_at, high_km, high_at, readings_n, known_at)"
                " values (%s, %s, 1, %s, %s, %s, %s, %s, %s, %s, %s, 2, %s)"
                " on conflict (vehicle_id, day, source) do nothing",
                [(one[0], one[1], *one[2:4], *one[2:4], *one[4:6], *one[4:6], one[7]) for one in rows],
            )
        await self.touch(vehicle)

    async def fault(
        self, vehicle: int, code: str, at: str, *, severity: str = "stop", ended: str | None = None
    ) -> None:
        """One episode of a code, or its end."""
        await self.conn.execute(
            "insert into fault (vehicle_id, standard, ecu, code, episode, first_seen_at, last_seen_at,"
            " confirmed, severity, known_at, ended_at, ended_why)"
            " values (%(v)s, 'j2012', 'engine', %(code)s, 1, %(at)s, %(at)s, true, %(severity)s, now(),"
            " %(ended)s,"
            " case when %(ended)s::timestamptz is not null then 'healed' end)"
            " on conflict (vehicle_id, ecu, standard, code, ftb, episode) do update"
            " set ended_at = excluded.ended_at, ended_why = excluded.ended_why",
            {"v": vehicle, "code": code, "at": at, "severity": severity, "ended": ended},
        )
        await self.touch(vehicle)

    async def touch(self, vehicle: int) -> None:
        await self.conn.execute(
            "insert into touched (vehicle_id, from_day) values (%s, '2026-01-01') on conflict (vehicle_id)"
            " do update set touched_at = clock_timestamp()",
            (vehicle,),
        )

    async def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return await (await self.conn.execute(query.encode(), parameters or None)).fetchall()

    async def until_blocked(self, many: int = 1) -> None:
        """Wait until so many connections to this database wait for a lock."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            ((waiting,),) = await self.rows(
                "select count(distinct l.pid) from pg_locks l join pg_stat_activity a on a.pid = l.pid"
                " where not l.granted and a.datname = current_database()"
            )
            if waiting >= many:
                return
            await asyncio.sleep(0.02)
        raise TimeoutError(f"{many} connections should have waited for a lock")

    async def open_triggers(self) -> set[tuple[UUID, str, str, str]]:
        """What is open now."""
        found = await self.rows(
            "select id, rule_id, subject, occasion from trigger where closed_at is null order by id"
        )
        return {(row[0], row[1], row[2], row[3]) for row in found}
