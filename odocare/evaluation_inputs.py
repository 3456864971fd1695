"""What the store read of many vehicles, as the models and the rules want it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray

from maintenance import features
from maintenance.inputs import DayColumns, PlanItem, SourceDays, VehicleInput, Visit
from maintenance.odometer import Odometer, of_vehicle
from maintenance.parameters import UsageParameters
from rules.features import KEYS, conform, schema
from store.inputs import DAY_COLUMNS, CampaignRow, FaultRow, Inputs, PlanRow, VehicleRow, VisitRow
from store.odometers import COLUMNS as SHOWN_COLUMNS
from vehicle.day import local_day, us_of
from vehicle.dtc import DtcStatus
from vehicle.fault import EndedWhy, state_of
from vehicle.odometer import UNTOLD
from vehicle.prediction import DueDate

_EPOCH: Final = date(1970, 1, 1)
_MEASURED: Final = tuple(
    name for name in DAY_COLUMNS if name not in {"vehicle_id", "day"} and not name.startswith("odometer_")
)
_SHOWN: Final = tuple(name for name in SHOWN_COLUMNS if name not in {"vehicle_id", "day", "source"})
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Fleet:
    """The vehicles of one chunk, as the models read them; all four in the same order."""

    rows: list[VehicleRow]
    vehicles: list[VehicleInput]
    as_of_day: NDArray[np.int32]
    """Each vehicle's local day at `as_of`."""
    odometers: list[Odometer]
    """Cleaned once, for predictions, features and anomalies alike."""


def fleet(inputs: Inputs, as_of: datetime) -> Fleet:
    """Every vehicle with its days, visits and plan."""
    days, shown = _by_vehicle(inputs.days), _by_vehicle(inputs.shown)
    visits: dict[int, list[VisitRow]] = defaultdict(list)
    for visit in inputs.visits:
        visits[visit.vehicle_id].append(visit)
    plans: dict[tuple[str | None, str], list[PlanItem]] = defaultdict(list)
    for row in inputs.plans:
        plans[(row.model, row.market)].append(_plan_item(row))
    vehicles = [
        VehicleInput(
            vehicle_id=row.id,
            built_day=_day_number(row.built_on),
            delivered_day=_day_number(row.delivered_on),
            use_class=row.use_class,
            days=_day_columns(days.get(row.id)),
            visits=tuple(_visit(visit, ZoneInfo(row.tz)) for visit in visits[row.id]),
            plan=tuple(plans[(row.model, row.market)]),
            odometers=_sources(shown.get(row.id)),
            last_seen_us=None if row.seen_at is None else us_of(row.seen_at),
        )
        for row in inputs.vehicles
    ]
    as_of_day = [_number(local_day(as_of, ZoneInfo(row.tz))) for row in inputs.vehicles]
    odometers = [of_vehicle(one, day) for one, day in zip(vehicles, as_of_day, strict=True)]
    return Fleet(inputs.vehicles, vehicles, np.array(as_of_day, dtype=np.int32), odometers)


def _by_vehicle(days: NDArray[np.void]) -> dict[int, NDArray[np.void]]:
    """Rows are sorted by vehicle: one slice each."""
    ids, starts = np.unique(days["vehicle_id"], return_index=True)
    parts = np.split(days, starts[1:])
    return {int(vehicle): part for vehicle, part in zip(ids, parts, strict=bool(len(ids)))}


def _day_columns(rows: NDArray[np.void] | None) -> DayColumns:
    if rows is None:
        return DayColumns.build([])
    return DayColumns.build(rows["day"], **{name: rows[name] for name in _MEASURED})


def _sources(rows: NDArray[np.void] | None) -> tuple[SourceDays, ...]:
    """Rows of one vehicle are sorted by source; without any there is one source that told nothing."""
    if rows is None:
        return (SourceDays.build(UNTOLD, []),)
    numbers, starts = np.unique(rows["source"], return_index=True)
    return tuple(
        SourceDays.build(int(number), part["day"], **{name: part[name] for name in _SHOWN})
        for number, part in zip(numbers, np.split(rows, starts[1:]), strict=True)
    )


def _visit(row: VisitRow, zone: ZoneInfo) -> Visit:
    return Visit(_number(local_day(row.visited_at, zone)), row.odometer_km, frozenset(row.items))


def _plan_item(row: PlanRow) -> PlanItem:
    return PlanItem(row.item, row.op_code, row.first_km, row.first_d, row.every_km, row.every_d)


def _day_number(day: date | None) -> int | None:
    return None if day is None else _number(day)


def _number(day: date) -> int:
    return (day - _EPOCH).days


def frames(
    known: Fleet, inputs: Inputs, due: Sequence[DueDate], as_of: datetime, parameters: UsageParameters
) -> dict[str, pl.DataFrame]:
    """The feature tables that rules are evaluated on: `vehicle` over all days, the others as of now."""
    return {
        "vehicle": _vehicle_frame(known, inputs.campaigns, parameters),
        "service_item": _service_frame(known, due, as_of),
        "fault": _frame("fault", (_fault(row, as_of) for row in inputs.faults)),
        "campaign": _frame("campaign", (_campaign(row, as_of) for row in inputs.campaigns)),
    }


def _vehicle_frame(
    known: Fleet, campaigns: Sequence[CampaignRow], parameters: UsageParameters
) -> pl.DataFrame:
    """One row per vehicle and local day since its first; `at` is 00:00 of the day's date as UTC."""
    of_vehicle: dict[int, list[CampaignRow]] = defaultdict(list)
    for campaign in campaigns:
        of_vehicle[campaign.vehicle_id].append(campaign)
    parts = []
    for row, vehicle, today, odometer in zip(
        known.rows, known.vehicles, known.as_of_day.tolist(), known.odometers, strict=True
    ):
        days = features.day_range(vehicle, today)
        open_recalls_n = _open_recalls_n(of_vehicle[row.id], days, ZoneInfo(row.tz))
        columns = features.vehicle_days(
            vehicle, today, open_recalls_n=open_recalls_n, parameters=parameters, odometer=odometer
        )
        at_us = days.astype(np.int64) * (_DAY // timedelta(microseconds=1))
        keys = {
            "vehicle_id": np.full(len(days), row.id, dtype=np.int64),
            "subject": [""] * len(days),
            "occasion": [""] * len(days),
            "at": pl.Series(at_us).cast(KEYS["at"]),
        }
        parts.append(pl.DataFrame({**keys, **columns}, schema_overrides=_TEXTS))
    return conform("vehicle", pl.concat(parts) if parts else pl.DataFrame(schema=schema("vehicle")))


_TEXTS: Final = {name: dtype for name, dtype in schema("vehicle").items() if dtype == pl.String()}
"""Texts that are unknown on every day would otherwise have no type."""


def _open_recalls_n(
    campaigns: Sequence[CampaignRow], days: NDArray[np.int32], zone: ZoneInfo
) -> NDArray[np.int64]:
    """Campaigns the vehicle was open in, per day."""
    count = np.zeros(len(days), dtype=np.int64)
    for row in campaigns:
        if row.state == "open":
            count += days >= _number(row.opened_on)
        elif row.state == "remedied" and row.remedied_at is not None:
            until = _number(local_day(row.remedied_at, zone))
            count += (days >= _number(row.opened_on)) & (days < until)
    return count


def _service_frame(known: Fleet, due: Sequence[DueDate], as_of: datetime) -> pl.DataFrame:
    today = dict(zip((row.id for row in known.rows), known.as_of_day.tolist(), strict=True))
    silent_d = {
        vehicle.vehicle_id: features.days_since_seen(vehicle, today[vehicle.vehicle_id])
        for vehicle in known.vehicles
    }
    columns = features.service_items(
        due,
        [today[one.vehicle_id] for one in due],
        last_seen_age_d=[silent_d[one.vehicle_id] for one in due],
    )
    keys = {
        "vehicle_id": [one.vehicle_id for one in due],
        "subject": [one.item for one in due],
        "occasion": [str(one.cycle) for one in due],
        "at": pl.Series([as_of] * len(due), dtype=KEYS["at"]),
    }
    texts = {"subject": pl.String(), "occasion": pl.String(), "item": pl.String(), "binding": pl.String()}
    frame = pl.DataFrame(
        {**keys, **columns}, schema_overrides={"vehicle_id": pl.Int64(), "is_first": pl.Boolean(), **texts}
    )
    return conform("service_item", frame)


def _frame(table: str, rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    return conform(table, pl.DataFrame(list(rows), schema=schema(table)))


def fault_subject(row: FaultRow) -> str:
    """The name of a code of one ECU: `j1939 sa-00 SPN 980 FMI 9`, `uds engine P0301-11`."""
    failure_type = "" if row.ftb is None else f"-{row.ftb:02X}"
    return f"{row.standard} {row.ecu} {row.code}{failure_type}"


def _fault(row: FaultRow, as_of: datetime) -> dict[str, Any]:
    return {
        "vehicle_id": row.vehicle_id,
        "subject": fault_subject(row),
        "occasion": str(row.episode),
        "at": as_of.astimezone(UTC),
        "code": row.code,
        "family": row.family,
        "standard": row.standard,
        "status": _fault_status(row, as_of),
        "severity": row.severity,
        "occurrences_n": row.occurrences,
        "age_d": (as_of - row.first_seen_at) / _DAY,
        "mil": row.mil,
        "recurred": row.episode > 1,
        "p_escalate_30d": None,  # no model yet: unknown, not zero
    }


def _fault_status(row: FaultRow, as_of: datetime) -> str:
    return state_of(
        confirmed=row.confirmed,
        status=None if row.status is None else DtcStatus(row.status),
        ended_why=None if row.ended_why is None else EndedWhy(row.ended_why),
        has_ended=row.ended_at is not None and row.ended_at <= as_of,
    ).value


def _campaign(row: CampaignRow, as_of: datetime) -> dict[str, Any]:
    return {
        "vehicle_id": row.vehicle_id,
        "subject": row.campaign,
        "occasion": row.campaign,
        "at": as_of.astimezone(UTC),
        "campaign": row.campaign,
        "state": row.state,
        "do_not_drive": row.do_not_drive,
        "confirmed": None,  # no campaign names signals yet: unknown, not false
        "parts_ready": row.parts_ready,
        "notified_age_d": None if row.notified_at is None else max((as_of - row.notified_at) / _DAY, 0.0),
    }
