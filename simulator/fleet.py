"""Which vehicles there are: place k of the fleet holds the same vehicle whatever the fleet's size or dates.

A fleet has places. Each place holds one vehicle for six years, then the next one; where in these six
years a place stands is drawn once. So at any date the ages are spread evenly, some vehicles are before
their first service and some in their sixth year, and a vehicle's whole life depends on nothing but
(seed, place, generation): a run for another date or length repeats the same days bit by bit.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np

from simulator.holidays import EPOCH, LAST_DAY, day_of
from simulator.maker import DEALERS, MODELS, WMI, Dealer, Model
from vehicle.errors import OdocareError
from vehicle.vin import Vin, parse_vin, with_check_digit

LIFE_D: Final = 2_192
"""A vehicle stays six years in its place."""
FIRST_DELIVERY: Final = day_of(date(2014, 1, 1))
EARLIEST_UNTIL: Final = EPOCH + timedelta(days=FIRST_DELIVERY + LIFE_D)
LATEST_UNTIL: Final = LAST_DAY
MAX_VEHICLES: Final = 1_000_000
"""Six digits of the VIN hold the place."""

USE_CLASSES: Final = {
    "commuter": 0.50,
    "ride_hailing": 0.10,
    "weekend": 0.17,
    "business": 0.16,
    "parked": 0.07,
}
HABITS: Final = {"punctual": 0.66, "late": 0.20, "elsewhere": 0.05, "never": 0.09}
"""Who comes to the dealer when: `elsewhere` has it done without a record here, `never` stops coming."""

LEMONS: Final = {13: 0, 63: 1}
"""Places, modulo a hundred, of cars whose overheating comes back after each repair, in even or odd months."""

_LETTERS: Final = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789"
_YEARS: Final = "ABCDEFGHJKLMNPRSTVWXY123456789"  # position 10 from 2010, repeating every 30 years
_IDENTITY, _LIFE, _PLACE = 1, 2, 3


class FleetError(OdocareError):
    """A fleet that cannot be made."""


@dataclass(frozen=True, slots=True)
class Vehicle:
    """Who a vehicle is. Days are days since 1970-01-01."""

    seed: int
    slot: int
    generation: int
    vin: Vin
    plate: str
    owner_ref: str
    model: Model
    use_class: str
    habit: str
    dealer: Dealer
    built_day: int
    delivered_day: int

    def generator(self) -> np.random.Generator:
        """The random numbers of this vehicle's life, always the same."""
        return np.random.default_rng(_stream(self.seed, self.slot, self.generation, _LIFE))


def vehicle_at(seed: int, slot: int, until: date) -> Vehicle:
    """The vehicle that stands in a place on a day. Raises `FleetError`."""
    if not EARLIEST_UNTIL <= until <= LATEST_UNTIL:
        raise FleetError(f"a fleet can be simulated from {EARLIEST_UNTIL} to {LATEST_UNTIL}, got {until}")
    if not 0 <= slot < MAX_VEHICLES:
        raise FleetError(f"a fleet has at most {MAX_VEHICLES} vehicles, got number {slot}")
    if seed < 0:
        raise FleetError(f"a seed is 0 or more, got {seed}")
    phase_d = int(np.random.default_rng(_stream(seed, slot, 0, _PLACE)).integers(LIFE_D))
    generation = (day_of(until) - FIRST_DELIVERY - phase_d) // LIFE_D
    return _vehicle(seed, slot, generation, FIRST_DELIVERY + phase_d + generation * LIFE_D)


def vehicles(seed: int, count: int, until: date) -> Iterator[Vehicle]:
    """The fleet of `count` places as it stands on a day."""
    return (vehicle_at(seed, slot, until) for slot in range(count))


def _stream(seed: int, slot: int, generation: int, purpose: int) -> np.random.SeedSequence:
    return np.random.SeedSequence(seed, spawn_key=(purpose, slot, generation + 1))


def _vehicle(seed: int, slot: int, generation: int, delivered_day: int) -> Vehicle:
    rng = np.random.default_rng(_stream(seed, slot, generation, _IDENTITY))
    model = MODELS[int(rng.choice(len(MODELS), p=[model.share_ratio for model in MODELS]))]
    dealer = DEALERS[int(rng.choice(len(DEALERS), p=[dealer.share_ratio for dealer in DEALERS]))]
    use_class = str(rng.choice(list(USE_CLASSES), p=list(USE_CLASSES.values())))
    built_day = delivered_day - int(rng.integers(20, 121))
    vin = _vin(seed, slot, generation, model, built_day)
    return Vehicle(
        seed=seed,
        slot=slot,
        generation=generation,
        vin=vin,
        plate=f"欧{_LETTERS[generation % 23]}{slot % 100_000:05d}",  # no province is written 欧
        owner_ref=f"demo-owner-{slot:06d}-{generation}",
        model=model,
        use_class=_use_class(slot, model, use_class),
        habit=str(rng.choice(list(HABITS), p=list(HABITS.values()))),
        dealer=dealer,
        built_day=built_day,
        delivered_day=delivered_day,
    )


def _use_class(slot: int, model: Model, drawn: str) -> str:
    if not model.is_petrol:
        return "business"
    return "commuter" if slot % 100 in LEMONS else drawn


def _vin(seed: int, slot: int, generation: int, model: Model, built_day: int) -> Vin:
    """Maker, model, fleet (three characters out of the seed), generation, year, plant, place."""
    mixed = int(np.random.SeedSequence(seed).generate_state(1)[0]) if seed >= 33**3 else seed
    fleet = "".join(_LETTERS[mixed // 33**power % 33] for power in (2, 1, 0))
    year = _YEARS[((EPOCH + timedelta(days=built_day)).year - 2010) % 30]
    return with_check_digit(parse_vin(f"{WMI}{model.code}{fleet}{generation % 10}0{year}A{slot:06d}"))
