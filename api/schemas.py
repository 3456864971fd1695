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


class AnomalyOut(_Out):
    """One decision about odometer readings."""

    kind: str
    at: datetime
    until_at: datetime | None = Field(description="Last reading it is about; null: only the one.")
    source: str
    before_km: float | None = Field(description="The reading it was held against.")
    after_km: float | None = Field(description="The reading as shown.")
    readings_n: int = Field(description="Readings that do not count because of it.")
    needs_a_person: bool = Field(description="They stay out until a workshop's own reading confirms them.")
    words_zh: str
    words_en: str
    reason: str


class OdometerOut(BaseModel):
    """Where a vehicle stands: `km = shown_km * km_per_shown + offset_km`; null: no reading counts yet."""

    km: float | None = Field(description="True kilometres since new.")
    at: datetime | None
    source: str | None = Field(description="Who told it: signals, can, gbt32960, fee0-17, written …")
    shown_km: float | None = Field(description="As the source showed it.")
    km_per_shown: float | None
    offset_km: float | None
    epoch: int | None = Field(description="Rises with every exchange, rollover and unit switch.")
    anomalies: list[AnomalyOut] = Field(description="The newest 200, the newest first.")


class IdentityOut(_Out):
    """What one ECU says of itself."""

    ecu: str
    kind: str = Field(description="vin, component, part-number, serial, supplier, hardware, software, …")
    value: str
    since: datetime
    until: datetime = Field(description="When it was told last.")
    before: str | None = Field(description="The value it replaced.")


class IdentitiesOut(BaseModel):
    """What the ECUs of a vehicle say of themselves now."""

    identities: list[IdentityOut]


class DayOut(_Out):
    """One local day of a vehicle; days without data are absent."""

    day: date
    odometer_first_km: float | None = Field(description="True kilometres since new, cleaned.")
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
    state: str = Field(description="pending, active, stored, permanent, healed or cleared.")
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


class RejectOut(_Out):
    """A message, or a part of one, that was not accepted."""

    id: int
    known_at: datetime = Field(description="When it arrived.")
    vehicle: UUID | None = Field(description="The vehicle's id; null where nobody has heard of it.")
    kind: str
    reason: str
    detail: str = Field(description="What was expected and what came; no VIN, no position.")
    boot: int | None
    seq: int | None
    body_bytes: int | None = Field(description="Null where the broker kept them.")
    whole: bool = Field(description="False: the rest of the message is stored.")
    replayed_at: datetime | None


class RejectsOut(BaseModel):
    """A page of refusals, newest first."""

    rejects: list[RejectOut]
    counts: dict[str, int] = Field(description="By reason, over all pages.")
    next: int | None = Field(description="Go on with this as `before`; null: that was all.")


class GapOut(_Out):
    """A run of sequence numbers of one boot that were passed over."""

    id: int
    vehicle: UUID | None = Field(description="The vehicle's id.")
    boot: int
    life: int = Field(description="0, rising when the T-Box began again under the same boot.")
    first_seq: int
    last_seq: int
    messages: int
    seen_at: datetime = Field(description="Arrival of the message that passed them over.")
    closed_at: datetime | None = Field(description="Arrival of what was missing; null: it is missing still.")


class GapTotalsOut(_Out):
    """Over all pages."""

    vehicles: int
    gaps: int
    missing: int = Field(description="Messages that have not come.")
    late: int = Field(description="Messages that have come.")


class GapsOut(BaseModel):
    """A page of gaps, newest first."""

    gaps: list[GapOut]
    totals: GapTotalsOut
    next: int | None = Field(description="Go on with this as `before`; null: that was all.")


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
