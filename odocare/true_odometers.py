"""What cleaned odometers come to in the store: true kilometres of days, standings, anomalies. Pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maintenance.odometer import Odometer
from odocare.evaluation_inputs import Fleet
from store.anomalies import Anomaly
from store.inputs import Inputs
from store.odometers import Standing, TrueDays
from vehicle import odometer as sources
from vehicle.day import at_of

_NEVER_US = 0


@dataclass(frozen=True, slots=True)
class TrueOdometers:
    """Of the vehicles of one chunk."""

    days: TrueDays
    """Only those that the store has otherwise."""
    standings: list[Standing]
    anomalies: list[Anomaly]
    """All of these vehicles."""


def of_fleet(known: Fleet, inputs: Inputs) -> TrueOdometers:
    """What to store of a chunk's odometers."""
    return TrueOdometers(
        days=_changed(known, inputs.days),
        standings=[
            _standing(row.id, odometer)
            for row, odometer in zip(known.rows, known.odometers, strict=True)
            if len(odometer)
        ],
        anomalies=_anomalies(known),
    )


def _anomalies(known: Fleet) -> list[Anomaly]:
    return [
        Anomaly(
            vehicle_id=row.id,
            happened_at=at_of(one.at_us),
            kind=one.kind.value,
            before=one.before_km,
            after=one.after_km,
            reason=one.reason,
            source=sources.name(one.source),
            readings_n=one.readings_n,
            until_at=None if one.until_us is None else at_of(one.until_us),
        )
        for row, odometer in zip(known.rows, known.odometers, strict=True)
        for one in odometer.anomalies
    ]


def _standing(vehicle_id: int, odometer: Odometer) -> Standing:
    km, shown_km = float(odometer.km[-1]), float(odometer.shown_km[-1])
    return Standing(
        vehicle_id=vehicle_id,
        km=km,
        at=at_of(int(odometer.at_us[-1])),
        source=int(odometer.source[-1]),
        shown_km=shown_km / float(odometer.ratio[-1]),
        km_per_shown=float(odometer.ratio[-1]),
        offset_km=km - shown_km,
        epoch=int(odometer.epoch[-1]),
    )


def _changed(known: Fleet, stored: NDArray[np.void]) -> TrueDays:
    """True first and last readings of the stored days, where they are not there yet."""
    vehicle = np.repeat(
        np.array([row.id for row in known.rows], dtype=np.int64), [len(one) for one in known.odometers]
    )
    empty: NDArray[np.float64] = np.zeros(0)
    day = np.concatenate([empty.astype(np.int64), *(one.day for one in known.odometers)])
    km = np.concatenate([empty, *(one.km for one in known.odometers)])
    at_us = np.concatenate([empty.astype(np.int64), *(one.at_us for one in known.odometers)])
    key, wanted = _key(vehicle, day), _key(stored["vehicle_id"], stored["day"])
    first = np.searchsorted(key, wanted)
    last = np.searchsorted(key, wanted, side="right") - 1
    there = last >= first
    first, last = np.where(there, first, 0), np.where(there, last, 0)
    km, at_us = (km, at_us) if len(km) else (np.array([np.nan]), np.array([_NEVER_US]))
    days = TrueDays(
        vehicle_id=stored["vehicle_id"].astype(np.int64),
        day=stored["day"].astype(np.int32),
        first_km=np.where(there, km[first], np.nan),
        first_us=np.where(there, at_us[first], _NEVER_US),
        last_km=np.where(there, km[last], np.nan),
        last_us=np.where(there, at_us[last], _NEVER_US),
    )
    news = np.zeros(len(stored), dtype=np.bool_)
    for name in ("first_km", "last_km"):
        news |= ~_equal(getattr(days, name), stored[f"odometer_{name}"])
    for name in ("first_us", "last_us"):
        news |= there & ~_equal(getattr(days, name).astype(np.float64), stored[f"odometer_{name}"])
    return TrueDays(*(getattr(days, name)[news] for name in TrueDays.__dataclass_fields__))


def _key(vehicle: NDArray[np.int64], day: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.asarray(vehicle.astype(np.int64) << 32 | day.astype(np.int64))


def _equal(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray((one == other) | (np.isnan(one) & np.isnan(other)))
