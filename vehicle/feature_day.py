"""Daily features of many vehicles as columns: what a batch adds to a vehicle's day."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class FeatureDays:
    """One row per vehicle and local day, rising by both. Floats are NaN where the batch says nothing.

    Two of them merge column by column with a rule that does not care about order: sums and extremes.
    """

    vehicle_id: NDArray[np.int64]
    day: NDArray[np.int32]
    """The vehicle's local day, days since 1970-01-01."""
    starts_n: NDArray[np.int32]
    crank_min_v: NDArray[np.float64]
    rest_v: NDArray[np.float64]
    """Highest."""
    ambient_min_degc: NDArray[np.float64]
    ambient_max_degc: NDArray[np.float64]
    coolant_max_degc: NDArray[np.float64]
    oil_life_pct: NDArray[np.float64]
    """Lowest."""
    engine_min_h: NDArray[np.float64]
    engine_max_h: NDArray[np.float64]
    samples_n: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.day)
