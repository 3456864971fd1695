"""A small invented town: vehicles with history, predictions, triggers, faults, a recall; always the same."""

import math
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid5

from psycopg import sql
from psycopg.types.json import Jsonb

from store import feed
from store.pool import Connection

NOW: Final = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
TODAY: Final = date(2026, 11, 21)
DAY: Final = timedelta(days=1)
SPACE: Final = UUID("6f0c2a52-9c0e-4f6f-8a51-0d0ca9e00001")
DEALERS: Final = (("D01", "示范东城店", "Demo East"), ("D02", "示范西郊店", "Demo West"))
MODELS: Final = ("Odo P1", "Odo P2", "Odo Truck")
ITEMS: Final = (
    ("engine-oil", "机油及滤清器", "Engine oil and filter", 10_000.0, 365),
    ("brake-fluid", "制动液", "Brake fluid", 40_000.0, 730),
    ("air-filter", "空气滤清器", "Air filter", 20_000.0, 730),
)
OIL_RULE: Final = """
id = "service-due"
on = "service_item"
when = "due_in_p20_d <= 30"
clear = "due_in_p20_d > 45"
severity = "soon"
trigger = "service_due"
job = "oil-service"
source = "lead times 30, 14 and 3 days, demo maker"
"""
CRANK_RULE: Final = """
id = "crank-weak"
on = "vehicle"
when = "crank_rel_v < -0.8 and ambient_degc > -10"
for = "3 d"
severity = "soon"
trigger = "wear"
job = "battery-test"
source = "limit: demo vehicle, invented"
"""


@dataclass(frozen=True, slots=True)
class Town:
    """What was built, by the order of the vehicles."""

    vehicles: list[UUID]
    ids: list[int]
    triggers: list[UUID]


@dataclass(frozen=True, slots=True)
class Told:
    """What a trigger says."""

    type: str
    severity: str
    rule: str
    subject: str
    job: str
    zh: str
    en: str
    due: tuple[date, date, date]
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def feed(self) -> str:
        """Where it goes."""
        return "recall" if self.type == "recall" else "service"


def vin_of(n: int) -> str:
    """An invented VIN."""
    return f"LDEM0000000{n:06d}"


def at_noon(day: date) -> datetime:
    """Noon UTC."""
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


async def insert(conn: Connection, table: str, **columns: object) -> None:
    """One row."""
    query = sql.SQL("insert into {} ({}) values ({})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join(map(sql.Placeholder, columns)),
    )
    await conn.execute(query, columns)


async def newest_id(conn: Connection, table: str) -> int:
    """The id given last."""
    query = sql.SQL("select max(id) from {}").format(sql.Identifier(table))
    row = await (await conn.execute(query)).fetchone()
    assert row is not None
    return int(row[0])


async def build(conn: Connection, count: int = 24) -> Town:
    """Fill an empty database; the last vehicle is unregistered, all events have positions."""
    async with conn.transaction():
        await _master_data(conn)
        vehicles, ids = await _vehicles(conn, count)
        for n, vehicle_id in enumerate(ids):
            await _history(conn, n, vehicle_id)
            await _predictions(conn, n, vehicle_id)
        await _faults(conn, ids)
        await _recall(conn)
        triggers = [await _trigger(conn, n, ids[n], vehicles[n]) for n in range(min(count - 1, 16))]
        await conn.execute(
            "update trigger t set dealer_id = v.dealer_id from vehicle v where v.id = t.vehicle_id"
        )
    await feed.sequence(conn)
    return Town(vehicles, ids, triggers)


async def _master_data(conn: Connection) -> None:
    for code, zh, en in DEALERS:
        await insert(conn, "dealer", code=code, name_zh=zh, name_en=en)
    for model in MODELS:
        for item, zh, en, km, days in ITEMS:
            await insert(
                conn,
                "service_plan",
                model=model,
                market="CN",
                item=item,
                op_code=f"{item}-service",
                name_zh=zh,
                name_en=en,
                every_km=km,
                every_d=days,
                source="demo plan, invented",
            )
    for rule, body in (("service-due", OIL_RULE), ("crank-weak", CRANK_RULE)):
        await insert(conn, "rule_version", rule_id=rule, version="v1", body=body)


async def _vehicles(conn: Connection, count: int) -> tuple[list[UUID], list[int]]:
    vehicles, ids = [], []
    first_dealer = await newest_id(conn, "dealer") - len(DEALERS) + 1
    for n in range(count):
        known: dict[str, object] = {
            "plate": f"沪A·{10_000 + 137 * n}",
            "model": MODELS[n % 3],
            "delivered_on": date(2024, 3, 1) + 20 * n * DAY,
            "dealer_id": first_dealer + n % 2,
            "owner_ref": f"crm-{n}",
            "registered_at": NOW - 400 * DAY,
        }
        public_id = uuid5(SPACE, f"vehicle {n}")
        await insert(
            conn,
            "vehicle",
            public_id=public_id,
            vin=vin_of(n),
            first_seen_at=NOW - 90 * DAY,
            **(known if n < count - 1 else {}),
        )
        vehicles.append(public_id)
        ids.append(await newest_id(conn, "vehicle"))
    return vehicles, ids


def odometer_km(n: int, day: int) -> float:
    """Odometer of vehicle n, so many days after its first one: steady, with seasons and weekends."""
    rate = 22 + 5 * (n % 7)
    return 9_000 + 2_500 * n + rate * (day + 6 * math.sin(day / 29)) + (day % 7) * 2


def days_of(n: int) -> int:
    """How many days of history vehicle n has."""
    return 540 if n < 6 else 120


async def _history(conn: Connection, n: int, vehicle_id: int) -> None:
    length = days_of(n)
    silent_d = 60 if n == 4 else 0
    rows = []
    for day in range(length - silent_d + 1):
        if 200 <= day < 236 or (n == 0 and 400 <= day < 408):
            continue  # a garage without a mobile network
        on = TODAY - (length - day) * DAY
        at, km = min(at_noon(on), NOW), odometer_km(n, day)
        rows.append((vehicle_id, on, km - 20, at, km, at, at))
    async with conn.cursor() as cur:
        await cur.executemany(
            "insert into vehicle_day (vehicle_id, day, odometer_first_km, odometer_first_at,"
            " odometer_last_km, odometer_last_at, starts_n, rest_v, samples_n, known_at)"
            " values (%s, %s, %s, %s, %s, %s, 3, 12.4, 100, %s)",
            rows,
        )
    (*_, km, at, _) = rows[-1]
    await insert(
        conn, "odometer", vehicle_id=vehicle_id, km=km, at=at, source=1, shown_km=km, km_per_shown=1.0,
        offset_km=0.0, epoch=0,
    )  # fmt: skip
    seen = NOW - timedelta(days=silent_d, minutes=7 + 90 * n)
    await insert(
        conn, "latest", vehicle_id=vehicle_id, seen_at=seen, known_at=seen, signal=[], at=[], value=[]
    )
    if n < 10:
        await insert(
            conn,
            "service_visit",
            vehicle_id=vehicle_id,
            visited_at=NOW - (240 + n) * DAY,
            odometer_km=odometer_km(n, length - 240 - n),
            repair_order=f"RO-{n:04d}",
            items=["engine-oil", "air-filter"],
            source="import",
        )


def oil_window(n: int) -> tuple[date, date, date]:
    """P10, P50 and P90 of the next oil service: the later the vehicle, the later and wider."""
    likely, wide_d = TODAY + (4 * n - 4) * DAY, 6 + 3 * n
    return likely - wide_d // 2 * DAY, likely, likely + wide_d * DAY


async def _predictions(conn: Connection, n: int, vehicle_id: int) -> None:
    km = odometer_km(n, days_of(n))
    limit_on = TODAY + 95 * DAY
    brake = (TODAY + 50 * DAY, TODAY + min(70 + n, 95) * DAY, limit_on)
    for item, (p10, p50, p90), binding, left_km in (
        ("engine-oil", oil_window(n), "distance", 100.0 + 40 * n),
        ("brake-fluid", brake, "time", None),
    ):
        evidence = {
            "limit_km": None if left_km is None else round(km + left_km * 1.1 + 200, 1),
            "limit_on": limit_on.isoformat(),
            "km_per_day": 22.0 + 5 * (n % 7),
            "use_class": "commuter",
        }
        await insert(
            conn,
            "prediction",
            vehicle_id=vehicle_id,
            item=item,
            as_of=NOW,
            model="usage",
            model_version="1",
            status="stale" if n == 4 else "ok",
            cycle=1,
            is_first=n == 9,
            p10_on=p10,
            p20_on=p10 + DAY,
            p50_on=p50,
            p90_on=p90,
            binding=binding,
            due_probability=0.1,
            km_left_p20=left_km,
            odometer_km=km,
            odometer_at=NOW - timedelta(hours=3),
            evidence=Jsonb(evidence),
        )


async def _faults(conn: Connection, ids: list[int]) -> None:
    for vehicle, standard, code, numbers, severity, count, mil, ended in (
        (0, "j1939", "SPN 980 FMI 9", (980, 9), "soon", 3, True, None),
        (0, "j1939", "SPN 609 FMI 12", (609, 12), "urgent", 12, False, None),
        (1, "j2012", "P0301", (None, None), "urgent", 5, True, None),
        (1, "j2012", "P0420", (None, None), "soon", 1, False, NOW - 30 * DAY),
        (2, "j2012", "P1234", (None, None), "info", 1, None, None),
    ):
        await insert(
            conn,
            "fault",
            vehicle_id=ids[vehicle],
            standard=standard,
            ecu="sa-00" if standard == "j1939" else "engine",
            code=code,
            spn=numbers[0],
            fmi=numbers[1],
            episode=1,
            first_seen_at=NOW - 40 * DAY,
            last_seen_at=NOW - timedelta(hours=5),
            ended_at=ended,
            ended_why="healed" if ended else None,
            confirmed=True,
            occurrences=count,
            mil=mil,
            severity=severity,
            known_at=NOW,
        )


async def _recall(conn: Connection) -> None:
    await insert(
        conn,
        "campaign",
        id="R-2026-07",
        title_zh="制动主缸密封圈更换",
        title_en="Brake master cylinder seal",
        remedy_zh="免费更换密封圈，约 1.5 小时",
        remedy_en="Free replacement of the seal, about 1.5 hours",
        do_not_drive=True,
        opened_on=date(2026, 11, 2),
        source="demo campaign, invented",
    )
    for n in (0, 5, 8):
        await insert(conn, "campaign_vehicle", campaign_id="R-2026-07", vin=vin_of(n))


def _told(n: int) -> Told:
    match n % 8:
        case 0:
            opened = date(2026, 11, 2)
            return Told(
                "recall",
                "stop",
                "recall-open",
                "R-2026-07",
                "recall-remedy",
                "召回未处理，修复前请勿行驶",
                "Open recall: do not drive before the remedy",
                (opened, opened, opened),
                {"state": "open", "do_not_drive": True},
            )
        case 1:
            return Told(
                "fault",
                "urgent",
                "fault-urgent",
                "engine:P0301",
                "fault-diagnosis",
                "1 缸失火，已报告 5 次",
                "Misfire on cylinder 1, reported 5 times",
                (TODAY - DAY, TODAY + DAY, TODAY + 2 * DAY),
                {"code": "P0301", "occurrences_n": 5, "age_d": 2.0},
            )
        case 2:
            return Told(
                "wear",
                "soon",
                "crank-weak",
                "",
                "battery-test",
                "起动电压比本车基线低 0.92 V，蓄电池可能老化，建议检测",
                "Cranking voltage 0.92 V below this car's own baseline: the battery may be worn, test it",
                (TODAY - 3 * DAY, TODAY + 4 * DAY, TODAY + 11 * DAY),
                {"crank_rel_v": -0.923, "ambient_degc": 6.0},
            )
        case 3:
            return Told(
                "service_overdue",
                "urgent",
                "service-overdue",
                "air-filter",
                "air-filter-service",
                "按里程已超期约 12 天，仍在行驶",
                "Overdue by distance for about 12 days, still driving",
                (TODAY - 20 * DAY, TODAY - 12 * DAY, TODAY - 4 * DAY),
                {"overdue_d": 12.0, "due_in_p50_d": -12.0},
            )
    left_d = 4 * n - 4
    return Told(
        "service_due",
        "soon" if n % 2 else "info",
        "service-due",
        "engine-oil",
        "engine-oil-service",
        f"预计 {left_d} 天后到期，按里程先到",
        f"Expected due in {left_d} days, by distance",
        oil_window(n),
        {"due_in_p20_d": float(left_d - 3), "due_in_p50_d": float(left_d), "binding": "distance"},
    )


async def _trigger(conn: Connection, n: int, vehicle_id: int, vehicle: UUID) -> UUID:
    told, trigger = _told(n), uuid5(SPACE, f"trigger {n}")
    state, revision = ("booked", 2) if n == 6 else ("new", 1)
    await insert(
        conn,
        "finding",
        vehicle_id=vehicle_id,
        rule_id=told.rule,
        rule_version="v1",
        subject=told.subject,
        occasion="1",
        opened_at=NOW - 2 * DAY,
        as_of=NOW,
        values=Jsonb(told.values),
        read_at=Jsonb({"row": (NOW - timedelta(hours=9)).isoformat()}),
    )
    await insert(
        conn,
        "trigger",
        id=trigger,
        finding_id=await newest_id(conn, "finding"),
        vehicle_id=vehicle_id,
        type=told.type,
        feed=told.feed,
        rule_id=told.rule,
        rule_version="v1",
        subject=told.subject,
        occasion="1",
        job=told.job,
        severity=told.severity,
        state=state,
        revision=revision,
        due_p10_on=told.due[0],
        due_p50_on=told.due[1],
        due_p90_on=told.due[2],
        words_zh=told.zh,
        words_en=told.en,
        evidence=Jsonb({"values": told.values}),
        as_of=NOW,
        opened_at=NOW - 2 * DAY,
    )
    await add_event(conn, trigger, vehicle, told.feed, "opened", 1)
    if revision == 2:
        await add_event(conn, trigger, vehicle, told.feed, "state", 2, state=state)
    return trigger


async def add_event(
    conn: Connection,
    trigger: UUID,
    vehicle: UUID,
    of: str,
    kind: str,
    revision: int,
    *,
    state: str = "new",
    at: datetime = NOW - 2 * DAY,
) -> None:
    """One event of a trigger, not yet in the feed."""
    row = await (await conn.execute("select type from trigger where id = %s", (trigger,))).fetchone()
    assert row is not None
    payload = {
        "specversion": "1.0",
        "id": f"{trigger}.{revision}",
        "source": f"//odocare.local/feeds/{of}",
        "type": f"odocare.trigger.{kind}",
        "subject": str(trigger),
        "time": at.isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": {
            "trigger_id": str(trigger),
            "revision": revision,
            "state": state,
            "type": row[0],
            "vehicle": {"id": str(vehicle)},
        },
    }
    await insert(
        conn,
        "trigger_event",
        trigger_id=trigger,
        feed=of,
        kind=kind,
        revision=revision,
        happened_at=at,
        payload=Jsonb(payload),
    )
