"""The T-Box of history: what it sends of each day on which the vehicle was driven.

A day is a boot of its own: message 0 is the day's `signals`, message 1 a `dtc` when the codes of an ECU
changed. What only some runs send has boots of its own, too: the codes at the beginning of a history, live
frames at its end. So the same day of the same vehicle has the same bytes in every run, and a longer or later
history only adds to a shorter one.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np

from decoders.envelope import DtcMessage, EcuDtcs, Envelope, Message, SignalsMessage
from decoders.message import SampleColumns
from simulator.days import Life
from simulator.faults import CONFIRMED, Change, Present, present_on, standard_of
from vehicle.dtc import DtcReading, DtcStandard

ZONE: Final = "Asia/Shanghai"
UTC_OFFSET_S: Final = 8 * 3600
"""China has one time zone, and no daylight saving since 1991."""
BOOTS_PER_DAY: Final = 10
DAY_BOOT, CODES_BOOT, LIVE_BOOT = 0, 1, 2
"""Boot number: ten times the local day since 1970-01-01, plus one of these."""
REPORT_AFTER_S: Final = 600
"""Codes are reported this long after the first start, or at half of a shorter day."""

ODOMETER: Final = "Vehicle.TraveledDistance"
SPEED: Final = "Vehicle.Speed"
ENGINE_SPEED: Final = "Vehicle.Powertrain.CombustionEngine.Speed"
COOLANT: Final = "Vehicle.Powertrain.CombustionEngine.EngineCoolant.Temperature"
ENGINE_HOURS: Final = "Vehicle.Powertrain.CombustionEngine.EngineHours"
OIL_LIFE: Final = "Vehicle.X-Odo.EngineOil.LifeRemaining"
AMBIENT: Final = "Vehicle.Exterior.AirTemperature"
CRANKING: Final = "Vehicle.X-Odo.LowVoltageBattery.CrankingVoltage"
REST: Final = "Vehicle.X-Odo.LowVoltageBattery.RestVoltage"
STARTS: Final = "Vehicle.X-Odo.Starts"


def midnight_us(life: Life, day: int) -> int:
    """Local midnight before a day of the life, microseconds since 1970 UTC."""
    return ((life.vehicle.delivered_day + day) * 86_400 - UTC_OFFSET_S) * 1_000_000


def begin_us(life: Life, day: int) -> int:
    """The first start of a day."""
    return midnight_us(life, day) + int(life.used.begin_s[day]) * 1_000_000


def end_us(life: Life, day: int) -> int:
    """The last arrival of a day."""
    return midnight_us(life, day) + int(life.used.end_s[day]) * 1_000_000


def day_messages(life: Life, day: int) -> Iterator[Message]:
    """What is sent of one driven day, in order of `seq`."""
    yield SignalsMessage.of(envelope(life, day, DAY_BOOT, 0, begin_us(life, day)), _signals(life, day))
    changed = [change for change in life.changes if change.day == day]
    if changed:
        yield _codes(life, day, DAY_BOOT, 1, changed)


def codes_message(life: Life, day: int) -> Message | None:
    """The codes that are present on the first day of a history, where there are any.

    A history that begins in the middle of a fault begins with it.
    """
    standard = standard_of(life.vehicle)
    ecus = sorted({change.ecu for change in life.changes})
    told = [Change(day, ecu, present_on(life.episodes, standard, day, ecu)) for ecu in ecus]
    told = [change for change in told if change.present]
    return _codes(life, day, CODES_BOOT, 0, told) if told else None


def envelope(life: Life, day: int, part: int, seq: int, t0_us: int) -> Envelope:
    """The envelope of a message of a day; `part` is one of the boots of a day."""
    return Envelope(
        vin=life.vehicle.vin,
        boot=(life.vehicle.delivered_day + day) * BOOTS_PER_DAY + part,
        seq=seq,
        t0_us=t0_us,
        ack=False,
        resent=False,
    )


def _signals(life: Life, day: int) -> dict[str, SampleColumns]:
    """A day in a dozen values or so: at the first start, on the way, at the last arrival."""
    starts_n = int(life.used.starts_n[day])
    span_us = end_us(life, day) - begin_us(life, day)
    first = np.zeros(1, dtype=np.int64)
    half, last = first + span_us // 2, first + span_us
    starts = np.arange(starts_n, dtype=np.int64) * (span_us * 9 // 10) // starts_n
    here = slice(day, day + 1)
    return {
        ODOMETER: (np.concatenate([first, last]), np.array([life.first_m[day], life.last_m[day]])),
        CRANKING: (starts, life.crank_v[day, :starts_n]),
        REST: (first, life.rest_v[here]),
        AMBIENT: (np.concatenate([first, half]), np.array([life.dawn_degc[day], life.noon_degc[day]])),
        SPEED: (half, life.speed_kmh[here]),
        COOLANT: (half, life.coolant_degc[here]),
        OIL_LIFE: (last, life.oil_life_pct[here]),
        ENGINE_HOURS: (last, life.engine_h[here]),
        STARTS: (last, life.starts_total[here]),
    }


def _codes(life: Life, day: int, part: int, seq: int, told: list[Change]) -> DtcMessage:
    at_us = _reported_us(life, day)
    standard = standard_of(life.vehicle)
    return DtcMessage(
        envelope(life, day, part, seq, at_us),
        tuple(
            EcuDtcs(
                ecu=change.ecu,
                standard=standard,
                complete=True,
                readings=tuple(_reading(life, present) for present in change.present),
            )
            for change in told
        ),
    )


def _reported_us(life: Life, day: int) -> int:
    span_us = end_us(life, day) - begin_us(life, day)
    return begin_us(life, day) + min(REPORT_AFTER_S * 1_000_000, span_us // 2)


def _reading(life: Life, present: Present) -> DtcReading:
    """A code as the ECU tells it; the freeze frame is of the day the fault began."""
    is_j1939 = present.dtc.standard is DtcStandard.J1939
    is_confirmed = present.status == CONFIRMED
    frame = {
        SPEED: float(life.speed_kmh[present.onset]),
        COOLANT: float(life.coolant_degc[present.onset]),
        ODOMETER: float(life.first_m[present.onset]),
    }
    return DtcReading(
        dtc=present.dtc,
        status=None if is_j1939 else present.status,
        occurrences=present.occurrences,
        at_us=_reported_us(life, present.onset),
        freeze_frame=frame if is_confirmed and not is_j1939 else {},
    )
