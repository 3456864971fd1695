"""Due dates as rows of the store, and which of them say something new. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from maintenance.parameters import UsageParameters
from store.inputs import VehicleRow
from store.predictions import Prediction
from vehicle.day import local_day
from vehicle.prediction import DueDate

MODEL: Final = "usage"


def news(
    due: Sequence[DueDate],
    before: Sequence[Prediction],
    vehicles: Mapping[int, VehicleRow],
    parameters: UsageParameters,
    as_of: datetime,
) -> tuple[list[Prediction], list[tuple[int, str]]]:
    """Predictions that say something new or are the first of their local day; and those that fell away."""
    newest = {(row.vehicle_id, row.item): row for row in before}
    now = [_prediction(one, parameters, as_of) for one in due]
    fresh = [
        row
        for row in now
        if _is_news(row, newest.get((row.vehicle_id, row.item)), ZoneInfo(vehicles[row.vehicle_id].tz))
    ]
    dropped = newest.keys() - {(row.vehicle_id, row.item) for row in now}
    return fresh, sorted(dropped)


def _is_news(row: Prediction, before: Prediction | None, zone: ZoneInfo) -> bool:
    if before is None or local_day(row.as_of, zone) != local_day(before.as_of, zone):
        return True
    return _said(row) != _said(before)


def _said(row: Prediction) -> tuple[object, ...]:
    probability = None if row.due_probability is None else round(row.due_probability, 9)
    return (
        row.model,
        row.model_version,
        row.status,
        row.cycle,
        (row.p10_on, row.p20_on, row.p50_on, row.p90_on),
        row.binding,
        probability,
        row.odometer_km,
    )


def _prediction(one: DueDate, parameters: UsageParameters, as_of: datetime) -> Prediction:
    age_d = one.odometer_age_d
    return Prediction(
        vehicle_id=one.vehicle_id,
        item=one.item,
        as_of=as_of,
        model=MODEL,
        model_version=parameters.version,
        status=one.status.value,
        cycle=one.cycle,
        is_first=one.is_first,
        p10_on=one.p10_on,
        p20_on=one.p20_on,
        p50_on=one.p50_on,
        p90_on=one.p90_on,
        binding=None if one.binding is None else one.binding.value,
        due_probability=one.probability_due_ratio,
        km_left_p20=one.km_left_p20,
        odometer_km=one.odometer_km,
        odometer_at=None if age_d is None else as_of - timedelta(days=age_d),
        evidence=dict(one.inputs),
    )
