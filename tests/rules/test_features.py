from pathlib import Path

import polars as pl
import pytest

from maintenance import features as computed
from maintenance.inputs import DayColumns, VehicleInput
from rules.features import KEYS, TABLES, conform, schema
from rules.markdown import features_page
from tests.rules.strategies import frame

PAGE = Path(__file__).parents[2] / "docs" / "features.md"


def test_the_page_of_features_is_what_the_code_says() -> None:
    message = "run: odocare rules features --markdown > docs/features.md"
    assert PAGE.read_text(encoding="utf-8") == features_page(TABLES), message


@pytest.mark.parametrize("table", TABLES)
def test_every_table_begins_with_the_keys_and_names_each_column_once(table: str) -> None:
    names = [*KEYS, *(feature.name for feature in TABLES[table].features)]
    assert schema(table).names() == names
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("table", TABLES)
def test_every_feature_says_what_it_means_and_where_it_is_from(table: str) -> None:
    for feature in TABLES[table].features:
        assert feature.meaning_zh
        assert feature.meaning_en
        assert feature.source
        assert bool(feature.unit) == feature.dtype.is_numeric()


def test_maintenance_computes_exactly_the_columns_of_its_tables() -> None:
    vehicle = VehicleInput(
        vehicle_id=1,
        built_day=None,
        delivered_day=None,
        use_class="private",
        days=DayColumns.build([]),
        visits=(),
        plan=(),
        last_seen_us=None,
    )
    assert list(computed.vehicle_days(vehicle, 20_000)) == schema("vehicle").names()[len(KEYS) :]
    assert list(computed.service_items([], 20_000)) == schema("service_item").names()[len(KEYS) :]


def test_a_frame_is_brought_into_order_and_what_is_not_finite_becomes_unknown() -> None:
    rows = [
        {"day": 1, "vehicle_id": 2, "rest_v": float("inf")},
        {"day": 2, "vehicle_id": 1, "rest_v": 12.0},
        {"day": 1, "vehicle_id": 1, "rest_v": float("nan")},
    ]
    conforming = frame(rows)
    assert conforming["vehicle_id"].to_list() == [1, 1, 2]
    assert conforming["rest_v"].to_list() == [None, 12.0, None]


def test_whole_numbers_and_nothing_at_all_fit_columns_of_numbers() -> None:
    given = frame([{"day": 0}]).with_columns(rest_v=pl.lit(12), climate=pl.lit(None))
    assert conform("vehicle", given).schema == schema("vehicle")
