"""Import of master data: files of dealers, vehicles, service plans and visits into the store.

Good rows go in, a part of the file at a time; bad ones are reported with line, column, what was expected and
what came. With `strict` one bad row keeps the whole file out. The same file twice changes nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from psycopg import Rollback

from odocare import dtc_meanings, import_rows
from odocare.csv_file import CsvFile, Row, open_file
from odocare.import_columns import COLUMNS, Kind
from odocare.import_report import ImportReport
from odocare.import_rows import Entry
from store import dtc_meanings as dtc_codes
from store import master
from store.dtc_meanings import DtcRecord
from store.master_rows import (
    DealerRecord,
    KnownVehicle,
    PlanRecord,
    Stored,
    VehicleRecord,
    VisitRecord,
)
from store.pool import Connection
from vehicle import dtc_csv
from vehicle.day import local_day

_PART_ROWS: Final = 2_000
"""Rows per transaction: long enough for one statement to pay, short enough for ingest not to wait."""


async def load(
    conn: Connection,
    kind: Kind,
    path: Path,
    *,
    now: datetime,
    dry_run: bool = False,
    strict: bool = False,
    maker: str = "",
    on_rows: Callable[[int], None] = lambda _count: None,
    on_open: Callable[[CsvFile], None] = lambda _file: None,
) -> ImportReport:
    """Bring a file into the store; `conn` is in autocommit mode. `now` is the wall clock.

    `dry_run` does everything and takes it back; `maker` is whose fault codes a file holds. Raises
    `ImportFileError` where the file cannot be read.
    """
    columns = COLUMNS[kind]
    file = open_file(
        path,
        required=[name for name, column in columns.items() if column.is_required],
        optional=[name for name, column in columns.items() if not column.is_required],
    )
    on_open(file)
    report = ImportReport(kind=kind, file=path.name, encoding=file.encoding, dry_run=dry_run, strict=strict)
    loading = _Loading(conn, kind, file, report, now, maker)
    await master.lock(conn)
    try:
        async with AsyncExitStack() as whole:
            outer = await whole.enter_async_context(conn.transaction()) if strict else None
            for part in _parts(file.rows()):
                async with conn.transaction(force_rollback=dry_run):
                    await loading.take(part)
                on_rows(len(part))
            if outer is not None and report.refused:
                report.stored = Stored()
                raise Rollback(outer)
    finally:
        await master.unlock(conn)
    return report


def _parts(rows: Iterator[Row]) -> Iterator[list[Row]]:
    part: list[Row] = []
    for row in rows:
        part.append(row)
        if len(part) == _PART_ROWS:
            yield part
            part = []
    if part:
        yield part


class _Loading:
    """One file on its way in."""

    def __init__(
        self,
        conn: Connection,
        kind: Kind,
        file: CsvFile,
        report: ImportReport,
        now: datetime,
        maker: str,
    ) -> None:
        self._conn = conn
        self._kind = kind
        self._header = file.header
        self._report = report
        self._now = now
        self._maker = maker
        self._first_line: dict[tuple[object, ...], int] = {}
        self._told_items: set[tuple[tuple[str, str], str]] = set()

    async def take(self, rows: list[Row]) -> None:
        """Read some rows and store the good ones."""
        entries = [entry for row in rows if (entry := self._read(row)) is not None]
        self._report.rows += len(rows)
        store = {
            Kind.DEALERS: self._dealers,
            Kind.VEHICLES: self._vehicles,
            Kind.PLANS: self._plans,
            Kind.VISITS: self._visits,
            Kind.DTCS: self._dtcs,
        }[self._kind]
        self._report.stored += await store(entries)

    def _read(self, row: Row) -> Entry | None:
        entry, problems = import_rows.read(self._kind, row, self._header)
        if entry is not None:
            problems = import_rows.contradictions(self._kind, entry, self._now.date())
        if entry is None or problems:
            self._report.refuse(problems)
            return None
        key = import_rows.key(self._kind, entry)
        first_line = self._first_line.setdefault(key, entry.line)
        if first_line != entry.line:
            self._report.refuse([import_rows.twice(self._kind, entry, first_line)])
            return None
        self._report.doubt(import_rows.doubts(self._kind, entry))
        return entry

    async def _dealers(self, entries: list[Entry]) -> Stored:
        records = [DealerRecord(**entry.values) for entry in entries]
        return await master.put_dealers(self._conn, records, self._header)

    async def _plans(self, entries: list[Entry]) -> Stored:
        records = [PlanRecord(**entry.values) for entry in entries]
        return await master.put_plans(self._conn, records, self._header)

    async def _vehicles(self, entries: list[Entry]) -> Stored:
        records = [VehicleRecord(**values) for _, values in await self._with_dealer(entries)]
        return await master.put_vehicles(self._conn, records, self._header)

    async def _with_dealer(self, entries: list[Entry]) -> list[tuple[Entry, dict[str, Any]]]:
        """Values with `dealer_id` in place of the dealer's code; rows of unknown dealers are refused."""
        codes = {entry.values["dealer"] for entry in entries} - {None}
        known = await master.dealer_ids(self._conn, codes)
        found = []
        for entry in entries:
            values = dict(entry.values)
            code = values.pop("dealer")
            if code is not None and code not in known:
                self._report.refuse([entry.problem("dealer", "the code of a dealer that is there")])
                continue
            found.append((entry, values | {"dealer_id": known.get(code)}))
        return found

    async def _visits(self, entries: list[Entry]) -> Stored:
        vehicles = await master.known_vehicles(self._conn, [entry.values["vin"] for entry in entries])
        models = {(v.model, v.market) for v in vehicles.values() if v.model is not None}
        plans = await master.plan_items(self._conn, models)
        records = []
        for entry, values in await self._with_dealer(entries):
            vehicle = vehicles.get(values.pop("vin"))
            if vehicle is None:
                self._report.refuse([entry.problem("vin", "a vehicle that is registered or has sent")])
                continue
            values["visited_at"] = _in_zone(values["visited_at"], ZoneInfo(vehicle.tz))
            if problem := self._impossible(entry, values["visited_at"], vehicle):
                self._report.refuse([problem])
                continue
            model = (vehicle.model or "unknown", vehicle.market)
            self._doubt_items(entry, model, plans.get(model, frozenset()))
            records.append(VisitRecord(vehicle_id=vehicle.id, **values))
        return await master.put_visits(self._conn, records, self._header)

    async def _dtcs(self, entries: list[Entry]) -> Stored:
        """A maker's fault codes; open faults get the severity that is in force then."""
        codes = {entry.values["code"] for entry in entries}
        others = await dtc_codes.of_others(self._conn, codes, self._maker)
        records = []
        for entry in entries:
            code = entry.values["code"]
            if code in others:
                whose = f"a code that is not in the list of maker {others[code]!r}"
                self._report.refuse([entry.problem("code", whose)])
                continue
            standard = entry.values["standard"] or dtc_csv.standard_of(code)
            records.append(DtcRecord(**{**entry.values, "standard": standard}))
        stored = await dtc_codes.put(self._conn, records, self._maker, self._header)
        return stored + Stored(touched=await dtc_meanings.rate_anew(self._conn))

    def _doubt_items(self, entry: Entry, model: tuple[str, str], planned: frozenset[str]) -> None:
        """Work outside the plan is allowed, and told once per model: it may be a plan's item misspelt."""
        for item in entry.values["items"]:
            if item not in planned and (model, item) not in self._told_items:
                self._told_items.add((model, item))
                expected = f"an item of the service plan of {model[0]} ({model[1]}); others restart no cycle"
                self._report.doubt([import_rows.Problem(entry.line, "items", expected, repr(item))])

    def _impossible(self, entry: Entry, at: datetime, vehicle: KnownVehicle) -> import_rows.Problem | None:
        zone = ZoneInfo(vehicle.tz)
        on, today = local_day(at, zone), local_day(self._now, zone)
        if on > today:
            return entry.problem("visited_at", f"a day not after today, {today}")
        if vehicle.built_on is not None and on < vehicle.built_on:
            return entry.problem("visited_at", f"a day not before the vehicle was built, {vehicle.built_on}")
        return None


def _in_zone(at: datetime, zone: ZoneInfo) -> datetime:
    """A naive moment is the vehicle's local time."""
    return at.replace(tzinfo=zone) if at.tzinfo is None else at
