"""Answers of the API: the unit stands in every field's name, nothing says more than it is asked for."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class _Out(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class DueOut(BaseModel):
    """A due window; all three are null where nothing can be said."""

    p10_on: date | None
    p50_on: date | None
    p90_on: date | None


class TriggerOut(_Out):
    """One trigger with its evidence."""

    id: UUID
    vehicle: UUID = Field(description="The vehicle's random id.")
    type: str
    feed: str
    severity: str
    state: str
    revision: int
    rule_id: str
    rule_version: str
    subject: str
    occasion: str
    job: str
    dealer: str | None
    due: DueOut
    words_zh: str
    words_en: str
    values: dict[str, Any] = Field(description="What made the rule fire: feature to value.")
    read_at: Any = Field(description="When the values were read.")
    as_of: datetime
    opened_at: datetime
    changed_at: datetime
    closed_at: datetime | None


class TriggersOut(BaseModel):
    """A page of triggers in the order of their ids."""

    triggers: list[TriggerOut]
    next: UUID | None = Field(description="Go on with this as `after`; null: that was all.")


class VehicleOut(_Out):
    """Who a vehicle is and when it was last heard of."""

    public_id: UUID
    vin: str
    plate: str | None
    model: str | None
    market: str
    use_class: str
    fuel: str
    tz: str
    built_on: date | None
    delivered_on: date | None
    owner_ref: str | None = Field(description="The CRM's own key of the owner.")
    dealer: str | None
    is_registered: bool
    first_seen_at: datetime
    seen_at: datetime | None
    odometer_km: float | None
    odometer_at: datetime | None


class DayOut(_Out):
    """One local day of a vehicle; days without data are absent."""

    day: date
    odometer_first_km: float | None
    odometer_last_km: float | None
    starts_n: int
    crank_min_v: float | None
    rest_v: float | None
    ambient_min_degc: float | None
    ambient_max_degc: float | None
    coolant_max_degc: float | None
    oil_life_pct: float | None


class DaysOut(BaseModel):
    """Days in order."""

    days: list[DayOut]


class PredictionOut(_Out):
    """The newest prediction of one service item."""

    item: str
    item_zh: str | None
    item_en: str | None
    job: str | None
    status: str = Field(description="ok, due, too_little_data or stale")
    cycle: int
    is_first: bool
    p10_on: date | None
    p20_on: date | None
    p50_on: date | None
    p90_on: date | None
    binding: str | None = Field(description="Which limit comes first: distance, time, hours or condition.")
    due_probability: float | None = Field(
        description="How sure it is that the limit is crossed already, 0–1."
    )
    km_left_p20: float | None
    odometer_km: float | None
    odometer_at: datetime | None
    as_of: datetime
    model: str
    model_version: str
    evidence: dict[str, Any]


class PredictionsOut(BaseModel):
    """Predictions, the earliest first."""

    predictions: list[PredictionOut]


class FaultOut(_Out):
    """One fault episode."""

    standard: str
    ecu: str
    code: str
    ftb: int | None
    spn: int | None
    fmi: int | None
    episode: int
    first_seen_at: datetime
    last_seen_at: datetime
    ended_at: datetime | None
    ended_why: str | None
    confirmed: bool
    occurrences: int
    mil: bool | None
    severity: str
    family: str
    meaning_zh: str
    meaning_en: str
    advice_zh: str
    advice_en: str
    freeze_frame: dict[str, Any]


class FaultsOut(BaseModel):
    """Fault episodes, those that go on first."""

    faults: list[FaultOut]


class BucketOut(_Out):
    """Values within one bucket of time, in the signal's unit."""

    at: datetime = Field(description="Start of the bucket.")
    n: int
    minimum: float
    maximum: float
    mean: float | None = Field(description="Null for states, whose mean means nothing.")
    last: float


class SeriesOut(BaseModel):
    """One signal over time; buckets without a value are absent."""

    path: str
    unit: str
    kind: str
    buckets: list[BucketOut]
