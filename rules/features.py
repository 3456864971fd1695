"""The frames that rules are evaluated on: tables by name, their schema, and making a frame conform."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import polars as pl

from rules.feature import FLOAT, Feature, FeatureTable
from rules.feature_tables import CAMPAIGN, COMPONENT, FAULT, SERVICE_ITEM, VEHICLE
from vehicle.errors import OdocareError

__all__ = ["KEYS", "TABLES", "Feature", "FeatureFrameError", "FeatureTable", "conform", "schema"]

KEYS: Final[Mapping[str, pl.DataType]] = MappingProxyType(
    {
        "vehicle_id": pl.Int64(),
        "subject": pl.String(),
        "occasion": pl.String(),
        "at": pl.Datetime("us", "UTC"),
    }
)
"""Columns every feature frame begins with; conditions do not read them."""

TABLES: Final[Mapping[str, FeatureTable]] = MappingProxyType(
    {table.name: table for table in (VEHICLE, SERVICE_ITEM, COMPONENT, FAULT, CAMPAIGN)}
)
"""All feature tables by name."""


class FeatureFrameError(OdocareError):
    """A feature frame that does not have its table's columns."""


def schema(table: str) -> pl.Schema:
    """Column names and types of a table's frame: the keys, then the features in their order."""
    features = {feature.name: feature.dtype for feature in TABLES[table].features}
    return pl.Schema({**KEYS, **features})


def conform(table: str, frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with exactly its table's columns, in order, and sorted by vehicle, subject and time.

    Integers are taken for float columns and all-null columns for any; NaN and infinity become null.
    Raises `FeatureFrameError` for a column that is missing, unknown or of another type.
    """
    wanted = schema(table)
    _check_names(table, set(frame.columns), set(wanted))
    columns = [_conformed(table, name, frame.schema[name], dtype) for name, dtype in wanted.items()]
    frame = frame.rechunk().select(columns)  # gathering from many chunks is ten times slower
    for key in KEYS:
        if frame[key].null_count() > 0:
            raise FeatureFrameError(f"feature table {table}: key column {key} is null somewhere")
    return _in_order(frame)


def _check_names(table: str, got: set[str], wanted: set[str]) -> None:
    missing, unknown = sorted(wanted - got), sorted(got - wanted)
    if missing or unknown:
        raise FeatureFrameError(
            f"feature table {table}: expected its {len(wanted)} columns, missing {missing}, unknown {unknown}"
        )


def _conformed(table: str, name: str, got: pl.DataType, wanted: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if got != wanted:
        if not (got == pl.Null() or (got.is_integer() and wanted.is_numeric())):
            raise FeatureFrameError(f"feature table {table}: column {name} should be {wanted}, is {got}")
        column = column.cast(wanted)
    if wanted == FLOAT:
        column = pl.when(column.is_finite()).then(column)
    return column.alias(name)


def _in_order(frame: pl.DataFrame) -> pl.DataFrame:
    """Sorted by vehicle, subject and time; rows of one moment keep their order."""
    vehicle, subject, at = pl.col("vehicle_id"), pl.col("subject"), pl.col("at")
    falls = (
        (vehicle < vehicle.shift())
        | ((vehicle == vehicle.shift()) & (subject < subject.shift()))
        | ((vehicle == vehicle.shift()) & (subject == subject.shift()) & (at < at.shift()))
    )
    if frame.select(falls.any()).item():
        return frame.sort("vehicle_id", "subject", "at", maintain_order=True)
    return frame
