from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from maintenance.due import predict
from maintenance.features import day_range, days_since_seen, service_items, vehicle_days
from maintenance.inputs import DayColumns, PlanItem, VehicleInput, Visit
from rules.features import KEYS, conform, schema

DAY = 20_000
NAN = float("nan")
OIL = PlanItem("oil", "oil-service", 5_000.0, 180, 10_000.0, 365)


def vehicle(**columns: object) -> VehicleInput:
    return VehicleInput(
        vehicle_id=7,
        built_day=DAY - 40,
        delivered_day=DAY - 10,
        use_class="private",
        days=DayColumns.build(
            [DAY, DAY + 1, DAY + 4],
            odometer_last_km=[100.0, 130.0, 250.0],
            starts_n=[3.0, 2.0, 4.0],
            rest_v=[12.6, NAN, 12.5],
            ambient_min_degc=[-3.0, -4.0, 1.0],
        ),
        visits=(Visit(DAY + 2, 150.0, frozenset({"oil"})),),
        plan=(OIL,),
    )


def framed(table: str, columns: dict[str, object], subject: str, occasion: str) -> pl.DataFrame:
    """As an evaluation builds it: the keys before the features."""
    frame = pl.DataFrame(columns)
    keys = {"vehicle_id": 7, "subject": subject, "occasion": occasion}
    at = pl.Series("at", [datetime(2024, 10, 4, tzinfo=UTC)], dtype=pl.Datetime("us", "UTC"))
    named = frame.with_columns(**{name: pl.lit(value) for name, value in keys.items()}, at=pl.lit(at[0]))
    return conform(table, named)


def test_the_columns_are_those_the_rules_read() -> None:
    columns = vehicle_days(vehicle(), DAY + 6)
    assert list(columns) == list(schema("vehicle"))[len(KEYS) :]
    assert framed("vehicle", dict(columns), "", "").height == 7
    due = predict([vehicle()], np.array([DAY + 6], dtype=np.int32))
    items = service_items(due, DAY + 6)
    assert list(items) == list(schema("service_item"))[len(KEYS) :]
    assert framed("service_item", dict(items), "oil", "1").height == 1


def test_there_is_a_row_for_every_day_and_nothing_is_invented_for_silent_ones() -> None:
    frame = pl.DataFrame(vehicle_days(vehicle(), DAY + 6)).fill_nan(None)
    assert day_range(vehicle(), DAY + 6).tolist() == list(range(DAY, DAY + 7))
    assert frame["odometer_km"].to_list() == [100.0, 130.0, 150.0, None, 250.0, None, None]
    assert frame["starts_total_n"].to_list() == [3, 5, 5, 5, 9, 9, 9]
    assert frame["age_d"].to_list() == [10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0]
    assert frame["last_seen_age_d"].to_list() == [0.0, 0.0, 1.0, 2.0, 0.0, 1.0, 2.0]
    assert frame["last_visit_age_d"].to_list() == [None, None, 0.0, 1.0, 2.0, 3.0, 4.0]
    assert frame["visits_n"].to_list() == [0, 0, 1, 1, 1, 1, 1]
    assert frame["rest_v"].to_list() == [12.6, None, None, None, 12.5, None, None]
    assert frame["ambient_degc"].to_list()[:2] == [-3.0, -4.0]
    assert frame["crank_rel_v"].is_null().all()
    assert frame["km_per_day"].is_null().to_list() == [True] + [False] * 6


def test_a_car_that_only_registered_has_one_row() -> None:
    frame = pl.DataFrame(vehicle_days(VehicleInput(1, delivered_day=DAY), DAY + 3, open_recalls_n=2))
    assert frame.height == 1
    assert frame["age_d"].to_list() == [3.0]
    assert frame["open_recalls_n"].to_list() == [2]


def test_a_message_without_daily_values_still_counts_as_seen() -> None:
    seen = VehicleInput(1, days=vehicle().days, last_seen_us=(DAY + 5) * 86_400_000_000 + 1)
    columns = vehicle_days(seen, DAY + 6)
    assert np.asarray(columns["last_seen_age_d"]).tolist()[-2:] == [0.0, 1.0]


def test_a_row_of_the_past_does_not_know_later_days() -> None:
    past = pl.DataFrame(vehicle_days(vehicle(), DAY + 1))
    again = pl.DataFrame(vehicle_days(vehicle(), DAY + 6)).head(2)
    assert past.equals(again)


def test_overdue_days_count_from_the_median_once_it_is_likelier_than_not() -> None:
    days = DayColumns.build(np.arange(DAY, DAY + 100), odometer_last_km=60.0 * np.arange(1, 101))
    car = VehicleInput(1, delivered_day=DAY, days=days, plan=(OIL, PlanItem("far", "x", every_km=90_000.0)))
    due = predict([car], np.array([DAY + 100], dtype=np.int32))
    items = pl.DataFrame(service_items(due, DAY + 100))
    assert items["overdue_d"].to_list() == [17.0, 0.0]
    assert items["due_in_p50_d"].to_list()[0] == -17.0
    assert items["binding"].to_list() == ["distance", "distance"]
    assert items["is_first"].to_list() == [True, False]


def test_an_item_knows_how_long_its_vehicle_has_been_silent() -> None:
    due = predict([vehicle(), vehicle()], np.array([DAY + 6, DAY + 8], dtype=np.int32))
    items = service_items(due, [DAY + 6, DAY + 8], last_seen_age_d=[2.0, NAN])
    assert pl.DataFrame(items).fill_nan(None)["last_seen_age_d"].to_list() == [2.0, None]


def test_any_message_ends_a_silence_and_later_ones_are_not_known_yet() -> None:
    day_us = 86_400_000_000
    assert days_since_seen(vehicle(), DAY + 6) == 2.0
    assert days_since_seen(vehicle(), DAY + 3) == 2.0
    assert (
        days_since_seen(VehicleInput(1, days=vehicle().days, last_seen_us=(DAY + 5) * day_us), DAY + 6) == 1.0
    )
    assert days_since_seen(VehicleInput(1, last_seen_us=(DAY + 7) * day_us), DAY + 6) == 0.0
    assert np.isnan(days_since_seen(VehicleInput(1, delivered_day=DAY), DAY + 6))


def test_too_little_data_is_unknown_in_every_column() -> None:
    due = predict(
        [VehicleInput(1, plan=(PlanItem("a", "x", every_km=9.0),))], np.array([DAY], dtype=np.int32)
    )
    items = pl.DataFrame(service_items(due, DAY)).fill_nan(None)
    assert items.drop("item", "is_first").null_count().sum_horizontal()[0] == items.width - 2


def test_every_row_can_have_its_own_day() -> None:
    due = predict([vehicle(), vehicle()], np.array([DAY + 6, DAY + 8], dtype=np.int32))
    items = service_items(due, [DAY + 6, DAY + 8])
    first, second = np.asarray(items["due_in_p90_d"]).tolist()
    assert first - second == pytest.approx(2.0)
