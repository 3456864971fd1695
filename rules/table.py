"""A feature frame with its subjects numbered, as the engine walks it."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from rules.fold import Bools, Ints


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A conforming feature frame and its subjects, numbered in order."""

    frame: pl.DataFrame
    group: Ints
    """The subject's number per row; rising."""
    first: Ints
    """The first row of each subject."""
    last: Ints
    """The last row of each subject."""
    changes: Bools
    """Rows whose occasion differs from that of the same subject's row before."""
    at_us: Ints
    subjects: pl.DataFrame
    """`vehicle_id`, `subject`, `group` (int64)."""

    @classmethod
    def of(cls, frame: pl.DataFrame) -> "Table":
        """Number the subjects of a frame that `features.conform` made."""
        vehicle, subject, occasion = pl.col("vehicle_id"), pl.col("subject"), pl.col("occasion")
        marks = frame.select(
            starts=((vehicle != vehicle.shift()) | (subject != subject.shift())).fill_null(value=True),
            changes=(occasion != occasion.shift()).fill_null(value=False),
            at=pl.col("at").to_physical(),
        )
        starts = marks["starts"].to_numpy()
        first = np.flatnonzero(starts)
        return cls(
            frame=frame,
            group=np.cumsum(starts, dtype=np.int64) - 1,
            first=first,
            last=np.append(first[1:], len(starts))[: len(first)] - 1,
            changes=marks["changes"].to_numpy() & ~starts,
            at_us=marks["at"].to_numpy(),
            subjects=frame[first]
            .select("vehicle_id", "subject")
            .with_row_index("group")
            .cast({"group": pl.Int64}),
        )
