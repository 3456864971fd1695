import pytest

from maintenance.inputs import DayColumns, PlanItem, VehicleInput, Visit
from maintenance.odometer import clean
from maintenance.plan import Cycle, cycles
from maintenance.readings import gather

DELIVERED = 20_000
OIL = PlanItem("oil", "oil-service", first_km=5_000.0, first_d=180, every_km=10_000.0, every_d=365)
READINGS = DayColumns.build(
    [DELIVERED + 1, DELIVERED + 100, DELIVERED + 200], odometer_last_km=[10.0, 4_000.0, 8_000.0]
)


def cycle(
    *visits: Visit,
    plan: PlanItem = OIL,
    days: DayColumns = READINGS,
    as_of: int = DELIVERED + 400,
    delivered: int | None = DELIVERED,
) -> Cycle:
    vehicle = VehicleInput(1, DELIVERED - 30, delivered, days=days, visits=visits, plan=(plan,))
    (found,) = cycles(vehicle, clean(gather(days, visits, as_of_day=as_of)), as_of)
    return found


def done(day: int, km: float | None = None, *items: str) -> Visit:
    return Visit(DELIVERED + day, km, frozenset(items or ("oil",)))


def test_before_the_first_service_the_first_limits_count_from_delivery() -> None:
    found = cycle()
    assert (found.ordinal, found.is_first) == (0, True)
    assert (found.limit_km, found.limit_day) == (5_000.0, DELIVERED + 180)


def test_without_a_delivery_date_days_count_from_building() -> None:
    assert cycle(delivered=None).limit_day == DELIVERED - 30 + 180


def test_an_item_without_a_first_limit_of_its_own_is_no_first_service() -> None:
    found = cycle(plan=PlanItem("filter", "filter", every_km=20_000.0))
    assert (found.is_first, found.limit_km, found.limit_day) == (False, 20_000.0, None)


def test_a_visit_restarts_the_cycle_at_its_odometer_and_date() -> None:
    found = cycle(done(110, 4_420.0))
    assert (found.ordinal, found.is_first) == (1, False)
    assert (found.limit_km, found.limit_day) == (14_420.0, DELIVERED + 110 + 365)


def test_a_visit_that_did_not_do_the_item_restarts_nothing() -> None:
    assert cycle(done(110, 4_420.0, "brake-fluid")).ordinal == 0


def test_a_visit_after_the_day_asked_about_is_not_known() -> None:
    assert cycle(done(110, 4_420.0), as_of=DELIVERED + 109).ordinal == 0


def test_without_an_odometer_the_readings_around_the_day_tell() -> None:
    assert cycle(done(150)).start_km == pytest.approx(6_000.0)
    assert cycle(done(100)).start_km == pytest.approx(4_000.0)


def test_an_odometer_that_contradicts_the_car_is_not_used() -> None:
    assert cycle(done(150, 96_000.0)).start_km == pytest.approx(6_000.0)


def test_before_any_reading_only_the_calendar_is_left() -> None:
    found = cycle(done(0))
    assert (found.limit_km, found.limit_day) == (None, DELIVERED + 365)


def test_the_latest_of_several_visits_counts_whatever_their_order() -> None:
    for visits in ((done(110, 4_420.0), done(190, 7_600.0)), (done(190, 7_600.0), done(110, 4_420.0))):
        found = cycle(*visits)
        assert (found.ordinal, found.limit_km) == (2, 17_600.0)


def test_two_orders_on_one_day_are_one_service() -> None:
    assert cycle(done(110, 4_420.0), done(110)).ordinal == 1


def test_after_a_new_cluster_a_written_odometer_counts_from_the_new_one() -> None:
    days = DayColumns.build(
        [DELIVERED + day for day in (100, 101, 102, 150, 151, 152)],
        odometer_last_km=[60_000.0, 60_030.0, 60_060.0, 100.0, 130.0, 160.0],
    )
    assert cycle(done(155, 300.0), days=days).start_km == pytest.approx(60_360.0)


@pytest.mark.parametrize("every_km", [float("nan"), float("inf"), 0.0, -5.0])
def test_an_interval_that_is_none_gives_no_limit(every_km: float) -> None:
    found = cycle(plan=PlanItem("odd", "odd", every_km=every_km, every_d=100))
    assert (found.limit_km, found.limit_day) == (None, DELIVERED + 100)
