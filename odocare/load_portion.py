"""Rows of a file as what a transaction stores: segments of a bounded size, days, the newest values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ingest import odometers, samples
from ingest.lexicon import Lexicon
from maintenance import daily, odometer_days
from odocare.load_file import UNIT, VIN, LoadFile
from store.latest import Readings, Seen
from store.loads import LIFE
from store.messages import MessageKeys
from store.vehicles import VehicleRef
from vehicle.day import local_days
from vehicle.feature_day import FeatureDays
from vehicle.frame import SignalRows
from vehicle.odometer import OdometerDays

WIDTHS_S: Final = (86_400, 21_600, 3_600, 600, 60, 10, 1)
"""A segment covers one of these, aligned: the widest that keeps it small on average."""
SEGMENT_VALUES: Final = 8_192
"""On average at most."""
RUN_VALUES: Final = 1_000
"""A signal has segments of its own where it has so many values in a row on average."""
MOST_VALUES: Final = 65_536
"""Of one segment in any case."""
_SECOND_US: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Fleet:
    """Vehicles of a file by place, and what loading asks of them."""

    places: Mapping[str, int]
    vehicle_id: NDArray[np.int64]
    zone: NDArray[np.int64]
    """Place of each vehicle's among the `zones`."""
    zones: Sequence[ZoneInfo]
    location_allowed: NDArray[np.bool_]

    @classmethod
    def of(cls, vehicles: Sequence[VehicleRef], lexicon: Lexicon) -> "Fleet":
        """Rising by number, as the store wants them."""
        ordered = sorted(vehicles, key=lambda one: one.id)
        names = list(dict.fromkeys(one.tz for one in ordered))
        return cls(
            places={one.vin: place for place, one in enumerate(ordered)},
            vehicle_id=np.array([one.id for one in ordered], dtype=np.int64),
            zone=np.array([names.index(one.tz) for one in ordered], dtype=np.int64),
            zones=[lexicon.zone(name) for name in names],
            location_allowed=np.array([one.location_allowed for one in ordered], dtype=np.bool_),
        )


@dataclass(frozen=True, slots=True)
class Portion:
    """What a transaction stores."""

    taken: int
    """Rows of the file."""
    keys: MessageKeys
    rows: SignalRows
    days: FeatureDays
    odometer: OdometerDays
    seen_us: NDArray[np.int64]
    """Newest moment of each vehicle."""
    readings: Readings
    vehicle_id: NDArray[np.int64]
    """Whose values these are, rising."""
    from_day: NDArray[np.int32]
    no_measurement: int
    out_of_range: int
    positions: int
    """Left out, for the location of their vehicle is off."""

    def seen(self, known_us: int) -> Seen:
        """When its vehicles were heard of."""
        return Seen(self.vehicle_id, self.seen_us, np.full(len(self.vehicle_id), known_us))


def numbered(
    file: LoadFile, fleet: Fleet, lexicon: Lexicon, conversions: Mapping[tuple[str, str], tuple[float, float]]
) -> pl.LazyFrame:
    """The file's rows with places and numbers for words, values in the catalogue's units."""
    value, frames = pl.col("value"), file.frames
    if conversions:
        table = pl.LazyFrame(
            [(signal, unit, *factors) for (signal, unit), factors in conversions.items()],
            schema={"signal": pl.String, UNIT: pl.String, "factor": pl.Float64, "offset": pl.Float64},
            orient="row",
        )
        texts = pl.col("signal", UNIT).cast(pl.String)
        frames = frames.with_columns(texts).join(
            table, on=["signal", UNIT], how="left", maintain_order="left"
        )
        converted = value * pl.col("factor") + pl.col("offset")
        value = pl.when(pl.col("factor").is_null()).then(value).otherwise(converted)
    if file.vin is None:
        place = _coded(frames, VIN, fleet.places, pl.Int32)
    else:
        place = pl.lit(fleet.places[file.vin], pl.Int32)
    numbers = {path: lexicon.numbers[path] for path in file.groups["signal"].unique()}
    return frames.select(
        place.alias("place"),
        _coded(frames, "signal", numbers, pl.Int16),
        "time",
        value.fill_null(float("nan")).alias("value"),
    )


def _coded(
    frames: pl.LazyFrame, name: str, numbers: Mapping[str, int], kind: type[pl.Int16 | pl.Int32]
) -> pl.Expr:
    """The number of each word; of an enumeration no word is looked at."""
    words = frames.collect_schema()[name]
    if not isinstance(words, pl.Enum):
        return pl.col(name).replace_strict(dict(numbers), return_dtype=kind)
    table = pl.Series([numbers.get(word, -1) for word in words.categories], dtype=kind)
    return pl.lit(table).gather(pl.col(name).to_physical()).alias(name)


def portion(table: pl.DataFrame, fleet: Fleet, lexicon: Lexicon, load_id: int, first_seq: int) -> Portion:
    """Decide what is stored of some rows, in segments that are numbered from `first_seq` on."""
    place, signal, t_us, value = (table[name].to_numpy() for name in ("place", "signal", "time", "value"))
    measured = np.isfinite(value)
    inside = (value >= lexicon.minimum[signal]) & (value <= lexicon.maximum[signal])
    kept = measured & inside
    hidden = np.zeros(len(kept), np.bool_)
    if not fleet.location_allowed.all():
        hidden = lexicon.is_position[signal] & ~fleet.location_allowed[place]
        kept &= ~hidden
    if not kept.all():
        place, signal, t_us, value = place[kept], signal[kept], t_us[kept], value[kept]
    rows, whose = _segments(place, signal, t_us, value)
    n = len(whose)
    keys = MessageKeys(
        vehicle_id=fleet.vehicle_id[whose],
        boot=np.full(n, load_id, dtype=np.int64),
        life=np.full(n, LIFE, dtype=np.int64),
        seq=first_seq + np.arange(n, dtype=np.int64),
    )
    zone_of = fleet.zone[whose]
    readings = odometers.of_rows(rows, ["signals"] * n, lexicon)
    here, from_day, seen_us = _extents(place, t_us, fleet)
    return Portion(
        taken=table.height,
        keys=keys,
        rows=rows,
        days=daily.feature_days(rows, keys.vehicle_id, zone_of, fleet.zones, lexicon.daily),
        odometer=odometer_days.odometer_days(
            readings, rows, lexicon.daily.speed, keys.vehicle_id, zone_of, fleet.zones
        ),
        seen_us=seen_us,
        readings=_newest(rows, keys, lexicon),
        vehicle_id=fleet.vehicle_id[here],
        from_day=from_day,
        no_measurement=int(np.count_nonzero(~measured)),
        out_of_range=int(np.count_nonzero(measured & ~inside)),
        positions=int(np.count_nonzero(measured & inside & hidden)),
    )


def _segments(
    place: NDArray[np.int32], signal: NDArray[np.int16], t_us: NDArray[np.int64], value: NDArray[np.float64]
) -> tuple[SignalRows, NDArray[np.int32]]:
    """Rows by segment, signal and time; the vehicle's place of each segment.

    A segment is what a vehicle measured within an aligned span of time: of one signal where many values of it
    stand together in order of time, else of all signals.
    """
    if not len(t_us):
        return samples.empty(), np.zeros(0, np.int32)
    changes = (place[1:] != place[:-1]) | (signal[1:] != signal[:-1])
    starts = np.flatnonzero(changes) + 1
    if len(t_us) >= (len(starts) + 1) * RUN_VALUES and (changes | (t_us[1:] >= t_us[:-1])).all():
        spent_us = int((t_us[np.append(starts - 1, -1)] - t_us[np.append(0, starts)]).sum()) + 1
        span = t_us // _width_us(len(t_us), spent_us)
        new = np.append(True, changes | (span[1:] != span[:-1]))
        return _numbered(new, place, signal, t_us, value)
    first, last = _by_place(place, t_us)
    width_us = _width_us(len(t_us), int((last - first)[last >= first].sum()) + 1)
    span = t_us // width_us
    spans_n = int(span.max() - span.min()) + 1
    group = place.astype(np.int64) * spans_n + (span - span.min())
    order = _order((group << 16) | signal, t_us)
    if order is not None:
        place, signal, group = place[order], signal[order], group[order]
        t_us, value = t_us[order], value[order]
    new = np.append(True, group[1:] != group[:-1])
    return _numbered(new, place, signal, t_us, value)


def _numbered(
    new: NDArray[np.bool_],
    place: NDArray[np.int32],
    signal: NDArray[np.int16],
    t_us: NDArray[np.int64],
    value: NDArray[np.float64],
) -> tuple[SignalRows, NDArray[np.int32]]:
    """Rows with the numbers of their segments, which begin where it is `new`; crowded ones are cut."""
    starts = np.flatnonzero(new)
    sizes = np.diff(starts, append=len(new))
    if sizes.max() > MOST_VALUES:
        for start, size in zip(starts[sizes > MOST_VALUES], sizes[sizes > MOST_VALUES], strict=True):
            new[start : start + size : MOST_VALUES] = True
        starts = np.flatnonzero(new)
        sizes = np.diff(starts, append=len(new))
    message = np.repeat(np.arange(len(starts), dtype=np.int32), sizes)
    return SignalRows(message, t_us, signal, value), place[starts]


def _order(key: NDArray[np.int64], t_us: NDArray[np.int64]) -> NDArray[np.intp] | None:
    """How to sort by key and time; None where it is so already."""
    if _rises(key, t_us):
        return None
    order = np.argsort(key, kind="stable")
    return order if _rises(key[order], t_us[order]) else np.lexsort((t_us, key))


def _rises(key: NDArray[np.int64], t_us: NDArray[np.int64]) -> bool:
    same = key[1:] == key[:-1]
    return bool(((key[1:] > key[:-1]) | (same & (t_us[1:] >= t_us[:-1]))).all())


def _width_us(n: int, spent_us: int) -> int:
    """The widest span that holds few enough of n values, measured within so much time, on average."""
    for width_s in WIDTHS_S:
        if n * width_s * _SECOND_US / spent_us <= SEGMENT_VALUES:
            return width_s * _SECOND_US
    return WIDTHS_S[-1] * _SECOND_US


def _by_place(place: NDArray[np.int32], t_us: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any]]:
    """First and last moment by place; where there is none, the last one lies before the first."""
    n = int(place.max(initial=-1)) + 1
    first, last = np.full(n, np.iinfo(np.int64).max), np.full(n, np.iinfo(np.int64).min)
    starts = np.flatnonzero(np.append(True, place[1:] != place[:-1]))
    if len(place):
        np.minimum.at(first, place[starts], np.minimum.reduceat(t_us, starts))
        np.maximum.at(last, place[starts], np.maximum.reduceat(t_us, starts))
    return first, last


def _extents(
    place: NDArray[np.int32], t_us: NDArray[np.int64], fleet: Fleet
) -> tuple[NDArray[np.intp], NDArray[np.int32], NDArray[np.int64]]:
    """Places that are there, the first local day of each, and its newest moment."""
    first, last = _by_place(place, t_us)
    here = np.flatnonzero(last >= first)
    from_day = np.empty(len(here), dtype=np.int32)
    for number, zone in enumerate(fleet.zones):
        mine = fleet.zone[here] == number
        from_day[mine] = local_days(first[here[mine]], zone)
    return here, from_day, last[here]


def _newest(rows: SignalRows, keys: MessageKeys, lexicon: Lexicon) -> Readings:
    """The last sample of each segment and signal that the latest state keeps."""
    ends = np.ones(len(rows), np.bool_)
    ends[:-1] = (rows.message[1:] != rows.message[:-1]) | (rows.signal[1:] != rows.signal[:-1])
    last = np.flatnonzero(ends)
    chosen = samples.pick(rows, last[lexicon.is_latest[rows.signal[last]]])
    return Readings(keys.vehicle_id[chosen.message], chosen.signal, chosen.t_us, chosen.value)
