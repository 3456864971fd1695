from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from api.chart import odometer_chart
from api.duebar import LENGTH_D, due_bar
from api.evidence import rule_text, terms
from store.vehicle_page import Day, Forecast, Visit
from tests.api.town import CRANK_RULE

TODAY = date(2026, 11, 21)
DAY = timedelta(days=1)


def day(on: date, km: float | None) -> Day:
    return Day(on, km, km, 1, None, None, None, None, None, None)


def forecast(**changes: Any) -> Forecast:
    fields: dict[str, Any] = {
        "item": "engine-oil", "item_zh": None, "item_en": None, "job": None, "status": "ok", "cycle": 1,
        "is_first": False, "p10_on": TODAY + 20 * DAY, "p20_on": None, "p50_on": TODAY + 30 * DAY,
        "p90_on": TODAY + 60 * DAY, "binding": "distance", "due_probability": 0.0, "km_left_p20": 900.0,
        "odometer_km": 19_000.0, "odometer_at": datetime(2026, 11, 21, 4, tzinfo=UTC),
        "as_of": datetime(2026, 11, 21, 6, tzinfo=UTC), "model": "m",
        "model_version": "1", "evidence": {"limit_km": 20_000.0},
    }  # fmt: skip
    return Forecast(**fields | changes)


def test_days_without_data_stay_gaps() -> None:
    days = [
        day(TODAY - 10 * DAY, 100.0),
        day(TODAY - 9 * DAY, 130.0),
        day(TODAY - DAY, 300.0),
        day(TODAY, None),
    ]
    chart = odometer_chart(days, [], [], today=TODAY)
    assert chart.data["km"] == [100.0, 130.0, *[None] * 7, 300.0, None]
    assert len(chart.data["t"]) == 11
    assert {b - a for a, b in zip(chart.data["t"], chart.data["t"][1:], strict=False)} == {86_400}
    assert chart.gaps == 1
    assert chart.fan is None


def test_the_fan_opens_at_the_last_reading_and_closes_at_the_limit() -> None:
    chart = odometer_chart([day(TODAY - DAY, 18_900.0), day(TODAY, 19_000.0)], [forecast()], [], today=TODAY)
    data = chart.data
    assert [data[name][1] for name in ("low", "likely", "high")] == [19_000.0] * 3
    assert data["high"][1 + 20] == data["likely"][1 + 30] == data["low"][1 + 60] == 20_000.0
    assert data["low"][1 + 20] < data["likely"][1 + 20] < 20_000.0
    assert data["low"][0] is None


def test_where_the_calendar_cuts_the_fan_its_slow_edge_stays_below_the_limit() -> None:
    cut = forecast(p90_on=TODAY + 33 * DAY, evidence={"limit_km": 20_000.0, "limit_on": "2026-12-24"})
    data = odometer_chart([day(TODAY, 19_000.0)], [cut], [], today=TODAY).data
    assert data["low"][-1] < 20_000.0
    assert data["high"][-1] == 20_000.0


def test_a_forecast_by_time_or_without_data_has_no_fan() -> None:
    for row in (
        forecast(binding="time"),
        forecast(evidence={}),
        forecast(p10_on=None),
        forecast(odometer_km=None),
        forecast(evidence={"limit_km": 18_000.0}),
    ):
        assert odometer_chart([day(TODAY, 19_000.0)], [row], [], today=TODAY).fan is None


def test_nothing_known_is_an_empty_chart() -> None:
    assert odometer_chart([], [forecast()], [], today=TODAY).is_empty


@given(
    st.dictionaries(st.integers(0, 400), st.floats(0, 500_000), min_size=1),
    st.sampled_from([[], [forecast()]]),
)
def test_the_table_has_what_the_chart_has(readings: dict[int, float], rows: list[Forecast]) -> None:
    days = [day(TODAY - (400 - n) * DAY, km) for n, km in sorted(readings.items())]
    visits = [Visit(datetime(2026, 1, 5, tzinfo=UTC), None, "RO", [], [], [], None, "import", None, None)]
    chart = odometer_chart(days, rows, visits, today=TODAY)
    assert sum(month.days_n for month in chart.months) == len(readings)
    assert [km for km in chart.data["km"] if km is not None] == [row.odometer_last_km for row in days]
    assert len({len(chart.data[name]) for name in ("t", "km", "low", "likely", "high")}) == 1
    assert chart.months[0].last_km == days[-1].odometer_last_km


@given(st.integers(-2_000, 2_000), st.integers(0, 400), st.integers(0, 400))
def test_a_bar_always_lies_on_its_line(start: int, to_likely: int, to_last: int) -> None:
    first = TODAY + start * DAY
    bar = due_bar(first, first + to_likely * DAY, first + (to_likely + to_last) * DAY, today=TODAY)
    assert bar.x >= 0
    assert bar.width >= 2
    assert bar.x + bar.width <= LENGTH_D
    assert bar.likely is None or 0 <= bar.likely <= LENGTH_D


def test_values_stand_beside_the_limits_of_the_rule() -> None:
    text = rule_text(CRANK_RULE)
    assert text is not None
    found = terms(
        {"other": 1, "ambient_degc": 6.0, "crank_rel_v": -0.9}, {"row": "2026-11-20T21:00:00+00:00"}, text
    )
    assert [(term.feature, term.operator, term.limit) for term in found] == [
        ("crank_rel_v", "<", "-0.8"), ("ambient_degc", ">", "-10"), ("other", None, None),
    ]  # fmt: skip
    assert {term.read_at for term in found} == {datetime(2026, 11, 20, 21, tzinfo=UTC)}


def test_flags_of_a_rule_are_limits_too() -> None:
    text = rule_text('when = "not is_first and mil and x is not null and due_in_p20_d <= 30 and a + b > c"')
    assert text is not None
    assert text.limits == {"due_in_p20_d": ("<=", "30"), "is_first": ("=", "false"), "mil": ("=", "true")}


def test_a_rule_that_was_not_kept_or_is_broken_still_shows_its_values() -> None:
    for body in (None, "when = ", "x = 1"):
        found = terms({"a": 1}, {"a": "no time"}, rule_text(body))
        assert [(term.feature, term.limit, term.read_at) for term in found] == [("a", None, None)]
