"""Rows of master data as a file says them, and what became of them."""

from dataclasses import dataclass, fields
from datetime import date, datetime

from vehicle.vin import Vin


@dataclass(frozen=True, slots=True)
class DealerRecord:
    """A dealer as a file says."""

    code: str
    name_zh: str
    name_en: str
    province: str
    city: str


@dataclass(frozen=True, slots=True)
class VehicleRecord:
    """A vehicle as a file says."""

    vin: Vin
    plate: str | None
    model: str
    market: str
    use_class: str
    fuel: str
    tz: str
    built_on: date | None
    delivered_on: date | None
    dealer_id: int | None
    owner_ref: str | None
    iccid: str | None = None
    """Of the SIM card it may log in with (GB/T 32960.3)."""


@dataclass(frozen=True, slots=True)
class PlanRecord:
    """One item of a model's service plan as a file says."""

    model: str
    market: str
    item: str
    op_code: str
    name_zh: str
    name_en: str
    first_km: float | None
    first_d: int | None
    every_km: float | None
    every_d: int | None
    source: str


@dataclass(frozen=True, slots=True)
class VisitRecord:
    """A workshop visit as a file says."""

    vehicle_id: int
    visited_at: datetime
    odometer_km: float | None
    dealer_id: int | None
    repair_order: str
    items: tuple[str, ...]
    """Without line breaks."""
    finding: str | None


@dataclass(frozen=True, slots=True)
class KnownVehicle:
    """What an import asks about a vehicle that is already there."""

    id: int
    vin: Vin
    model: str | None
    market: str
    tz: str
    built_on: date | None
    delivered_on: date | None
    is_registered: bool


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of the rows given."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    registered: int = 0
    """Vehicles among `changed` that sent before anybody had registered them."""
    touched: int = 0
    """Vehicles whose evaluation was asked for."""

    def __add__(self, other: "Stored") -> "Stored":
        return Stored(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))
