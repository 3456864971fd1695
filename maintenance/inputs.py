"""What the models read of one vehicle: daily columns, visits, its service plan."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

DAY_US = 86_400_000_000
_NOON_US = DAY_US // 2


@dataclass(frozen=True, slots=True, eq=False)
class DayColumns:
    """One row per stored day of a vehicle, all arrays of length n; NaN inside means missing.

    `build` makes one out of whatever columns there are and puts the days in order.
    """

    day: NDArray[np.int32]
    """Local days since 1970-01-01, rising."""
    odometer_first_km: NDArray[np.float64]
    """First odometer reading of the day, as the instrument showed it."""
    odometer_last_km: NDArray[np.float64]
    odometer_first_us: NDArray[np.float64]
    """Microseconds since 1970 UTC; whole numbers, exact below 2^53."""
    odometer_last_us: NDArray[np.float64]
    starts_n: NDArray[np.float64]
    crank_min_v: NDArray[np.float64]
    rest_v: NDArray[np.float64]
    ambient_min_degc: NDArray[np.float64]
    ambient_max_degc: NDArray[np.float64]
    coolant_max_degc: NDArray[np.float64]
    oil_life_pct: NDArray[np.float64]

    @classmethod
    def build(cls, day: ArrayLike, **columns: ArrayLike) -> "DayColumns":
        """Columns by name; absent ones are all missing, readings without a time count as taken at noon UTC.

        Raises `ValueError` on an unknown name or a column of another length.
        """
        days = np.asarray(day, dtype=np.int32).reshape(-1)
        unknown = set(columns) - set(_MEASURED)
        if unknown:
            raise ValueError(f"day columns are {', '.join(_MEASURED)}; got {', '.join(sorted(unknown))}")
        order = np.argsort(days, kind="stable")
        filled: dict[str, NDArray[np.float64]] = {}
        for name in _MEASURED:
            column = np.asarray(columns.get(name, np.full(len(days), np.nan)), dtype=np.float64).reshape(-1)
            if len(column) != len(days):
                raise ValueError(f"{name} has {len(column)} values for {len(days)} days")
            filled[name] = column[order]
        days = days[order]
        noon_us = days.astype(np.float64) * DAY_US + _NOON_US
        for name in ("odometer_first_us", "odometer_last_us"):
            filled[name] = np.where(np.isnan(filled[name]), noon_us, filled[name])
        return cls(day=days, **filled)

    def __len__(self) -> int:
        return len(self.day)


_MEASURED = tuple(name for name in DayColumns.__dataclass_fields__ if name != "day")


@dataclass(frozen=True, slots=True, eq=False)
class SourceDays:
    """What one source of odometer readings showed: one row per local day, arrays of length n, NaN missing.

    Moments are microseconds since 1970 UTC, whole numbers below 2^53.
    """

    source: int
    """As `vehicle.odometer` numbers them."""
    day: NDArray[np.int32]
    first_km: NDArray[np.float64]
    first_us: NDArray[np.float64]
    low_km: NDArray[np.float64]
    low_us: NDArray[np.float64]
    high_km: NDArray[np.float64]
    high_us: NDArray[np.float64]
    last_km: NDArray[np.float64]
    last_us: NDArray[np.float64]
    within_m: NDArray[np.float64]
    """What the counter rose inside messages whose speed is known throughout, metres; 0 unknown."""
    speed_m: NDArray[np.float64]
    """The speed of those messages, integrated."""
    glitches_n: NDArray[np.float64]
    """Start-up glitches left out on arrival; of the first of them:"""
    glitch_us: NDArray[np.float64]
    glitch_km: NDArray[np.float64]
    settled_km: NDArray[np.float64]

    @classmethod
    def build(cls, source: int, day: ArrayLike, **columns: ArrayLike) -> "SourceDays":
        """Columns by name; absent ones are missing, readings without a time count as taken at noon UTC.

        Raises `ValueError` on an unknown name or a column of another length.
        """
        days = np.asarray(day, dtype=np.int32).reshape(-1)
        unknown = set(columns) - set(_SHOWN)
        if unknown:
            raise ValueError(f"source columns are {', '.join(_SHOWN)}; got {', '.join(sorted(unknown))}")
        order = np.argsort(days, kind="stable")
        filled: dict[str, NDArray[np.float64]] = {}
        for name in _SHOWN:
            missing = 0.0 if name in _COUNTED else np.nan
            column = np.asarray(columns.get(name, np.full(len(days), missing)), dtype=np.float64).reshape(-1)
            if len(column) != len(days):
                raise ValueError(f"{name} has {len(column)} values for {len(days)} days")
            filled[name] = column[order]
        days = days[order]
        noon_us = days.astype(np.float64) * DAY_US + _NOON_US
        for name in ("first_us", "low_us", "high_us", "last_us"):
            filled[name] = np.where(np.isnan(filled[name]), noon_us, filled[name])
        return cls(source=source, day=days, **filled)

    @classmethod
    def of(cls, days: DayColumns, source: int = 0) -> "SourceDays":
        """The odometer of daily columns, as one source."""
        return cls.build(
            source,
            days.day,
            first_km=days.odometer_first_km,
            first_us=days.odometer_first_us,
            last_km=days.odometer_last_km,
            last_us=days.odometer_last_us,
        )

    def __len__(self) -> int:
        return len(self.day)


_SHOWN = tuple(name for name in SourceDays.__dataclass_fields__ if name not in {"source", "day"})
_COUNTED = frozenset({"within_m", "speed_m", "glitches_n"})


@dataclass(frozen=True, slots=True)
class Visit:
    """One workshop visit."""

    visited_on_day: int
    """Local day since 1970-01-01."""
    odometer_km: float | None
    """As somebody wrote it down; None: not written down."""
    items: frozenset[str] = frozenset()
    """Service items that were done: each restarts its cycle."""


@dataclass(frozen=True, slots=True)
class PlanItem:
    """One recurring job of a service plan; at least one of `every_km` and `every_d` is given."""

    item: str
    op_code: str
    first_km: float | None = None
    """Odometer of the first service; None: as `every_km`."""
    first_d: int | None = None
    """Days from delivery to the first service; None: as `every_d`."""
    every_km: float | None = None
    every_d: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class VehicleInput:
    """All that is known of one vehicle."""

    vehicle_id: int
    built_day: int | None = None
    """Local days since 1970-01-01, as `delivered_day`."""
    delivered_day: int | None = None
    use_class: str = "unknown"
    days: DayColumns = field(default_factory=lambda: DayColumns.build([]))
    visits: tuple[Visit, ...] = ()
    plan: tuple[PlanItem, ...] = ()
    odometers: tuple[SourceDays, ...] = ()
    """Every source of odometer readings; empty: the readings in `days` are the only ones."""
    last_seen_us: int | None = None
    """Newest event time of any message."""
