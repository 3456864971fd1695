"""Lives of vehicles: what no car does must not happen, and what all cars do must."""

from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.climate import CITIES
from simulator.days import Life, live
from simulator.faults import OVERHEATING, VOLTAGE
from simulator.fleet import LIFE_D, vehicle_at
from simulator.holidays import day_of, holidays, work_calendar
from simulator.maker import OIL
from simulator.tbox import begin_us, end_us, midnight_us
from simulator.usage import STARTS_MAX
from tests.simulator.conftest import UNTIL, life_of

slots = st.integers(0, 299)


@settings(max_examples=40, deadline=None)
@given(slots)
def test_the_odometer_never_falls_and_links_one_day_to_the_next(slot: int) -> None:
    life = life_of(slot)
    assert np.all(life.first_km <= life.last_km)
    assert np.array_equal(life.first_km[1:], life.last_km[:-1])
    assert 0.0 < life.first_km[0] < 100.0
    assert np.all(np.diff(life.engine_h) >= 0.0)
    assert np.all(np.diff(life.starts_total) >= 0.0)


@settings(max_examples=40, deadline=None)
@given(slots)
def test_a_day_is_driven_within_itself_at_speeds_a_car_reaches(slot: int) -> None:
    life = life_of(slot)
    used = life.used
    driven = used.starts_n > 0
    assert np.array_equal(driven, used.km > 0.0)
    assert used.starts_n.max() <= STARTS_MAX
    hours = (used.end_s - used.begin_s) / 3600.0
    assert np.all(used.begin_s >= 0.0)
    assert np.all(used.end_s[driven] < 86_400.0)
    assert np.all(used.km[driven] / hours[driven] < 120.0)


@settings(max_examples=20, deadline=None)
@given(slots)
def test_sensors_stay_within_what_they_can_show(slot: int) -> None:
    life = life_of(slot)
    assert np.all((life.oil_life_pct >= 0.0) & (life.oil_life_pct <= 100.0))
    assert np.all((life.crank_v >= 5.5) & (life.crank_v <= 12.5))
    assert np.all((life.rest_v > 11.0) & (life.rest_v < 13.0))
    assert np.all((life.coolant_degc > -30.0) & (life.coolant_degc < 135.0))
    assert np.all(life.dawn_degc <= life.noon_degc)


def test_the_same_life_is_lived_again() -> None:
    vehicle = vehicle_at(1, 17, UNTIL)
    one, other = live(vehicle), live(vehicle)
    for name in ("last_km", "crank_v", "rest_v", "coolant_degc", "oil_life_pct"):
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes(), name
    assert (one.episodes, one.changes, one.visits) == (other.episodes, other.changes, other.visits)


def sound(life: Life) -> np.ndarray:
    weak = np.zeros(LIFE_D, dtype=np.bool_)
    for episode in life.episodes:
        if episode.kind is VOLTAGE:
            weak[max(episode.onset - 60, 0) : episode.end + 1] = True
    return (life.used.starts_n > 0) & ~weak


def test_the_starter_battery_cranks_lower_in_the_cold() -> None:
    slopes = []
    for slot in range(40):
        life = life_of(slot)
        days = sound(life)
        if np.ptp(life.dawn_degc[days]) > 15.0:
            slopes.append(np.polyfit(life.dawn_degc[days], life.crank_v[days, 0], 1)[0])
    assert len(slopes) > 20
    assert np.all(np.array(slopes) > 0.004)
    assert np.median(slopes) == pytest.approx(0.025, abs=0.015)  # volts per degree


def test_warm_starts_crank_higher_than_the_first_of_the_day() -> None:
    for slot in range(10):
        life = life_of(slot)
        days = sound(life)
        assert np.median(life.crank_v[days, 1]) > np.median(life.crank_v[days, 0])


def test_a_failing_battery_sinks_for_weeks_below_its_own_level_until_it_is_replaced() -> None:
    found = 0
    for slot in range(120):
        life = life_of(slot)
        days = sound(life)
        fit = np.polyfit(life.dawn_degc[days], life.crank_v[days, 0], 1)
        for episode in life.episodes:
            if episode.kind is not VOLTAGE or episode.end >= LIFE_D - 30:
                continue
            during = np.flatnonzero(life.used.starts_n[episode.onset : episode.end]) + episode.onset
            after = np.flatnonzero(life.used.starts_n[episode.end : episode.end + 30]) + episode.end
            residual = life.crank_v[:, 0] - np.polyval(fit, life.dawn_degc)
            if len(during) > 5 and len(after) > 5:
                found += 1
                assert np.median(residual[during]) < -0.8
                assert np.median(residual[after]) > -0.4
                assert "battery-12v" in {item for visit in life.visits for item in visit.items}
    assert found >= 8


def test_an_overheating_engine_shows_it() -> None:
    life = life_of(13)
    spells = [episode for episode in life.episodes if episode.kind is OVERHEATING]
    assert len(spells) > 10, "this place holds a car whose fault comes back"
    hot = np.zeros(LIFE_D, dtype=np.bool_)
    for episode in spells:
        hot[episode.onset + 10 : episode.end] = True
    driven = life.used.starts_n > 0
    assert np.median(life.coolant_degc[hot & driven]) > np.median(life.coolant_degc[~hot & driven]) + 12.0


def test_of_the_recurring_faults_of_a_fleet_one_is_nearly_always_there() -> None:
    lives: dict[str, Life] = {}
    open_n = 0
    weeks = [UNTIL - timedelta(days=7 * week) for week in range(52)]
    for until in weeks:
        standing = [vehicle_at(1, slot, until) for slot in (13, 63, 113, 163)]
        for vehicle in standing:
            if vehicle.vin not in lives:
                lives[vehicle.vin] = live(vehicle)
        open_n += any(
            episode.onset <= day_of(until) - vehicle.delivered_day < episode.end
            for vehicle in standing
            for episode in lives[vehicle.vin].episodes
            if episode.kind is OVERHEATING
        )
    assert open_n >= 0.9 * len(weeks)


def test_oil_life_falls_between_services_and_starts_anew_with_each() -> None:
    for slot in range(12):
        life = life_of(slot)
        services = {visit.day for visit in life.visits if OIL.item in visit.items}
        rises = {int(day) + 1 for day in np.flatnonzero(np.diff(life.oil_life_pct) > 0.0)}
        assert rises <= services
        assert all(life.oil_life_pct[day] == 100.0 for day in services)


def test_services_follow_the_owners_habit() -> None:
    gaps: dict[str, list[float]] = {}
    for slot in range(150):
        life = life_of(slot)
        services = [visit for visit in life.visits if OIL.item in visit.items]
        for before, after in pairwise(services):
            km = life.last_km[after.day] - life.last_km[before.day]
            share = max(km / 10_000.0, (after.day - before.day) / 365.0)
            gaps.setdefault(life.vehicle.habit, []).append(share)
        if life.vehicle.habit == "never":
            assert len(services) < 4
        assert all(visit.is_recorded != (life.vehicle.habit == "elsewhere") for visit in services)
    assert np.median(gaps["punctual"]) == pytest.approx(1.0, abs=0.05)
    assert np.median(gaps["late"]) > 1.1


def test_visits_happen_on_driven_days() -> None:
    for slot in range(30):
        life = life_of(slot)
        assert all(life.used.starts_n[visit.day] > 0 for visit in life.visits)


def test_the_weather_is_a_citys_and_shared() -> None:
    lives = [life_of(slot) for slot in range(120)]
    by_city: dict[str, list[Life]] = {}
    for life in lives:
        by_city.setdefault(life.vehicle.dealer.climate, []).append(life)
    one, other = by_city["harbin"][:2]
    shift = other.vehicle.delivered_day - one.vehicle.delivered_day
    a, b = (one, other) if shift >= 0 else (other, one)
    mean_a = (a.dawn_degc + a.noon_degc)[abs(shift) :] / 2.0
    mean_b = (b.dawn_degc + b.noon_degc)[: LIFE_D - abs(shift)] / 2.0
    assert np.max(np.abs(mean_a - mean_b)) <= 1.0  # rounding
    assert min(np.min(life.dawn_degc) for life in by_city["harbin"]) < -20.0
    assert min(np.min(life.dawn_degc) for life in by_city["guangzhou"]) > 0.0
    assert set(by_city) == set(CITIES)


def test_holidays_are_the_announced_ones() -> None:
    spring = [holiday for holiday in holidays() if holiday.name == "spring"]
    assert day_of(date(2026, 2, 15)) in {holiday.first_day for holiday in spring}
    first = day_of(date(2025, 9, 26))
    calendar = work_calendar(first, 16)
    assert calendar.weekday[0] == 4  # a Friday
    assert list(calendar.is_holiday) == [False] * 5 + [True] * 8 + [False] * 3
    assert calendar.is_off[1]
    assert not calendar.is_off[3]


def test_commuters_drive_on_working_days_and_weekenders_on_days_off() -> None:
    ratios: dict[str, list[float]] = {}
    for slot in range(100):
        life = life_of(slot)
        calendar = work_calendar(life.vehicle.delivered_day, LIFE_D)
        driven = life.used.starts_n > 0
        ratio = driven[~calendar.is_off].mean() / max(float(driven[calendar.is_off].mean()), 1e-9)
        ratios.setdefault(life.vehicle.use_class, []).append(float(ratio))
    assert np.median(ratios["commuter"]) > 1.05
    assert np.median(ratios["weekend"]) < 0.5
    assert 0.9 < np.median(ratios["ride_hailing"]) < 1.1


def test_moments_of_a_day_are_local() -> None:
    life = life_of(0)
    day = int(np.flatnonzero(life.used.starts_n)[100])
    midnight = midnight_us(life, day)
    assert (midnight // 1_000_000 + 8 * 3600) % 86_400 == 0
    assert midnight < begin_us(life, day) < end_us(life, day) < midnight + 86_400_000_000
