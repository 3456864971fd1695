"""`/v1/vehicles/{id}`: a vehicle by its random id, never by its VIN."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Final, TypeVar
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from api import odometer_notes
from api.auth import Reader
from api.context import Conn, Shared
from api.meaning import meaning_of
from api.problems import Problem
from api.schemas import (
    AnomalyOut,
    BucketOut,
    DayOut,
    DaysOut,
    FaultOut,
    FaultsOut,
    IdentitiesOut,
    IdentityOut,
    OdometerOut,
    PredictionOut,
    PredictionsOut,
    SeriesOut,
    VehicleOut,
)
from store import anomalies, audit, identities, odometers, series
from store import vehicle_page as vehicles
from store.vehicle_page import Card
from vehicle.errors import NotFoundError
from vehicle.odometer import name as source_name
from vehicle.signal import Signal, SignalKind

router = APIRouter(prefix="/v1/vehicles/{vehicle_id}", tags=["vehicles"])

_LONGEST_D: Final = 3 * 366
_POINTS: Final = 500
Moment = TypeVar("Moment", date, datetime)


async def found(_caller: Reader, vehicle_id: UUID, conn: Conn) -> Card:
    """The vehicle of the address, for who may read. Raises `NotFoundError`."""
    card = await vehicles.card(conn, vehicle_id)
    if card is None:
        raise NotFoundError("vehicle", vehicle_id)
    return card


Found = Annotated[Card, Depends(found)]


async def _note_read(card: Card, conn: Conn, caller: Reader, shared: Shared) -> None:
    """Every customer record read is audited."""
    await audit.append(
        conn,
        at=shared.options.now(),
        actor=caller.name,
        action="vehicle.read",
        purpose="api",
        subject=card.public_id,
    )


@router.get("")
async def one(card: Found, conn: Conn, caller: Reader, shared: Shared) -> VehicleOut:
    """Who it is. This reads a customer's record, so it is audited."""
    await _note_read(card, conn, caller, shared)
    return VehicleOut.model_validate(card)


@router.get("/odometer")
async def odometer(card: Found, conn: Conn) -> OdometerOut:
    """Where it stands, how that was told, and what was noticed about its readings."""
    noticed = odometer_notes.notes(await anomalies.newest(conn, card.vehicle_id))
    found = [AnomalyOut.model_validate(one) for one in noticed]
    stands = await odometers.standing(conn, card.vehicle_id)
    return OdometerOut(
        km=None if stands is None else stands.km,
        at=None if stands is None else stands.at,
        source=None if stands is None else source_name(stands.source),
        shown_km=None if stands is None else stands.shown_km,
        km_per_shown=None if stands is None else stands.km_per_shown,
        offset_km=None if stands is None else stands.offset_km,
        epoch=None if stands is None else stands.epoch,
        anomalies=found,
    )


@router.get("/predictions")
async def predictions(card: Found, conn: Conn) -> PredictionsOut:
    """The newest prediction of each service item."""
    rows = await vehicles.forecasts(conn, card.vehicle_id)
    return PredictionsOut(predictions=[PredictionOut.model_validate(row) for row in rows])


@router.get("/faults")
async def faults(card: Found, conn: Conn, shared: Shared) -> FaultsOut:
    """Fault episodes with what the codes mean."""
    out = []
    for fault in await vehicles.faults(conn, card.vehicle_id):
        meaning = meaning_of(shared.options.dtc, fault)
        fields = {name: getattr(fault, name, None) for name in FaultOut.model_fields}
        fields |= {
            "meaning_zh": meaning.zh,
            "meaning_en": meaning.en,
            "advice_zh": meaning.advice_zh,
            "advice_en": meaning.advice_en,
        }
        out.append(FaultOut.model_validate(fields))
    return FaultsOut(faults=out)


@router.get("/identities")
async def ecu_identities(card: Found, conn: Conn, caller: Reader, shared: Shared) -> IdentitiesOut:
    """Numbers and versions that the ECUs tell of themselves, newest of each; audited, for the VIN is one."""
    await _note_read(card, conn, caller, shared)
    rows = await identities.newest(conn, card.vehicle_id)
    return IdentitiesOut(identities=[IdentityOut.model_validate(row) for row in rows])


@router.get("/days")
async def days(
    card: Found,
    conn: Conn,
    shared: Shared,
    since: Annotated[
        date | None, Query(description="First local day; absent: a year before `until`.")
    ] = None,
    until: Annotated[date | None, Query(description="Last local day; absent: today.")] = None,
) -> DaysOut:
    """Daily features; at most three years at once."""
    last = until or shared.options.now().date() + timedelta(days=1)
    first = since or _before(last, timedelta(days=366))
    if not timedelta(0) <= last - first <= timedelta(days=_LONGEST_D):
        raise Problem(
            422, "span", f"since must not be after until, nor more than {_LONGEST_D} days before it"
        )
    rows = await vehicles.days(conn, card.vehicle_id, since=first, until=last)
    return DaysOut(days=[DayOut.model_validate(row) for row in rows])


def _signal(shared: Shared, path: str) -> Signal:
    signal = shared.options.catalogue.by_path.get(path)
    if signal is None or signal.is_position:  # positions are no business of this address
        raise Problem(422, "unknown-signal", "path names no signal of the catalogue")
    return signal


def _aware(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _before(end: Moment, span: timedelta) -> Moment:
    try:
        return end - span
    except OverflowError:
        raise Problem(422, "span", f"until has {span.days} days before it") from None


@router.get("/signals")
async def signals(
    card: Found,
    conn: Conn,
    shared: Shared,
    path: Annotated[str, Query(max_length=200, description="VSS path of the signal.")],
    since: Annotated[datetime | None, Query(description="Absent: a day before `until`.")] = None,
    until: Annotated[datetime | None, Query(description="Absent: now. Without zone: UTC.")] = None,
    points: Annotated[int, Query(ge=1, le=series.MOST_POINTS, description="Buckets at most.")] = _POINTS,
) -> SeriesOut:
    """One signal, down-sampled to minimum, maximum, mean and last per bucket; at most 92 days at once."""
    signal = _signal(shared, path)
    end = _aware(until or shared.options.now())
    start = _aware(since or _before(end, timedelta(days=1)))
    if not timedelta(0) < end - start <= series.LONGEST:
        raise Problem(422, "span", f"since must be before until, by at most {series.LONGEST.days} days")
    found_buckets = await series.buckets(conn, card.vehicle_id, signal, since=start, until=end, points=points)
    has_mean = signal.kind is not SignalKind.STATE
    return SeriesOut(
        path=signal.path,
        unit=signal.unit.value,
        kind=signal.kind.value,
        buckets=[
            BucketOut(
                at=bucket.at,
                n=bucket.n,
                minimum=bucket.minimum,
                maximum=bucket.maximum,
                mean=bucket.mean if has_mean else None,
                last=bucket.last,
            )
            for bucket in found_buckets
        ],
    )
