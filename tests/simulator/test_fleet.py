from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.fleet import (
    EARLIEST_UNTIL,
    HABITS,
    LATEST_UNTIL,
    LIFE_D,
    USE_CLASSES,
    FleetError,
    vehicle_at,
    vehicles,
)
from simulator.holidays import day_of
from simulator.maker import DEALERS, MODELS
from tests.simulator.conftest import UNTIL
from vehicle.vin import has_valid_check_digit, parse_vin

days = st.dates(EARLIEST_UNTIL, LATEST_UNTIL)


@settings(max_examples=60)
@given(st.integers(0, 2**70), st.integers(0, 999_999), days)
def test_a_vehicle_has_a_valid_vin_and_stands_in_its_place_that_day(
    seed: int, slot: int, until: date
) -> None:
    vehicle = vehicle_at(seed, slot, until)
    assert has_valid_check_digit(parse_vin(vehicle.vin))
    assert vehicle.vin[:3] == "A0D"
    assert vehicle.vin[9] not in "IOQUZ0"
    assert vehicle.built_day < vehicle.delivered_day <= day_of(until) < vehicle.delivered_day + LIFE_D


@settings(max_examples=30)
@given(st.integers(0, 99), st.integers(0, 5000), days, st.integers(0, 400))
def test_a_vehicle_stays_itself_until_its_six_years_are_over(
    seed: int, slot: int, until: date, later_d: int
) -> None:
    vehicle = vehicle_at(seed, slot, until)
    later = min(until + timedelta(days=later_d), LATEST_UNTIL)
    after = vehicle_at(seed, slot, later)
    if day_of(later) < vehicle.delivered_day + LIFE_D:
        assert after == vehicle
    else:
        assert after.vin != vehicle.vin


def test_the_same_vehicle_stands_in_a_place_whatever_the_fleets_size() -> None:
    small, large = list(vehicles(5, 20, UNTIL)), list(vehicles(5, 60, UNTIL))
    assert large[:20] == small


def test_vins_are_unique_within_a_fleet_and_differ_between_seeds() -> None:
    one = {vehicle.vin for vehicle in vehicles(1, 400, UNTIL)}
    other = {vehicle.vin for vehicle in vehicles(2, 400, UNTIL)}
    assert len(one) == len(other) == 400
    assert not one & other


def test_a_fleet_has_every_age_model_class_habit_and_dealer() -> None:
    fleet = list(vehicles(1, 1000, UNTIL))
    age_y = (day_of(UNTIL) - np.array([vehicle.delivered_day for vehicle in fleet])) / 365.25
    assert np.histogram(age_y, bins=[0, 1, 2, 3, 4, 5, 6.01])[0].min() > 130
    assert {vehicle.model for vehicle in fleet} == set(MODELS)
    assert {vehicle.dealer for vehicle in fleet} == set(DEALERS)
    assert {vehicle.use_class for vehicle in fleet} == set(USE_CLASSES)
    assert {vehicle.habit for vehicle in fleet} == set(HABITS)


def test_shares_add_up() -> None:
    for shares in (
        USE_CLASSES.values(),
        HABITS.values(),
        [model.share_ratio for model in MODELS],
        [dealer.share_ratio for dealer in DEALERS],
    ):
        assert sum(shares) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("seed", "slot", "until", "words"),
    [
        (-1, 0, UNTIL, "a seed is 0 or more"),
        (0, 1_000_000, UNTIL, "at most 1000000 vehicles"),
        (0, 0, date(2010, 1, 1), "from 2020-01-02 to 2033-12-31, got 2010-01-01"),
        (0, 0, date(2034, 1, 1), "got 2034-01-01"),
    ],
)
def test_what_cannot_be_a_fleet_is_refused(seed: int, slot: int, until: date, words: str) -> None:
    with pytest.raises(FleetError, match=words):
        vehicle_at(seed, slot, until)
