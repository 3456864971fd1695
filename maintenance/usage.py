"""The usage model: how fast each vehicle is driven, and the distribution of the kilometres of the days ahead.

Three exponentially weighted rates are shrunk one into the other and the last into the mean of the use class.
Vehicles whose short rate surprises get other weights. The kilometres S(d) of the next d days are two-piece
lognormal with CV² = c·φ/M + a + b·d/100 + τ²·(k/(B + k))², M being their mean.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from maintenance.exposure import Exposure
from maintenance.mileage import DailyMileage
from maintenance.parameters import UsageParameters

_LEAST_KM = 0.3  # below it, logarithms of kilometres say nothing
_LEAST_MEAN_KM = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class UsageState:
    """What is kept of each vehicle's history; arrays of n vehicles."""

    segment: NDArray[np.intp]
    driven_km: NDArray[np.float64]
    """Shape (n, 3): exponentially weighted kilometres, short to long half-life, as of `last_day`."""
    exposure: NDArray[np.float64]
    """Shape (n, 3): exponentially weighted exposure; equivalent days of data."""
    dispersion_km: NDArray[np.float64]
    """Weekly over-dispersion φ, shrunk to the segment's."""
    last_day: NDArray[np.int32]
    """Last observed day."""
    observed_d: NDArray[np.float64]
    """Days of history that were read."""


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """How each vehicle is driven now; arrays of n vehicles."""

    segment: NDArray[np.intp]
    rates: NDArray[np.float64]
    """Shape (n, 4), km per day of exposure 1: short, middle, long, mean of the segment."""
    dispersion_km: NDArray[np.float64]
    bucket: NDArray[np.intp]
    """How much the short rate surprises, 0 (not) to 3."""
    cold_cv2: NDArray[np.float64]
    """What is uncertain because the vehicle is hardly known."""


def fold(mileage: DailyMileage, segment: NDArray[np.intp], parameters: UsageParameters) -> UsageState:
    """The state after the days of `mileage`."""
    driven, exposure = (_decayed(days, parameters) for days in (mileage.km, mileage.exposure))
    means = np.array([g.mean_km_per_d for g in parameters.segments])
    middle = (driven[:, 1] + parameters.shrink_d * means[segment]) / (exposure[:, 1] + parameters.shrink_d)
    return UsageState(
        segment=segment,
        driven_km=driven,
        exposure=exposure,
        dispersion_km=_dispersion(mileage, middle, segment, parameters),
        last_day=mileage.last_day,
        observed_d=np.asarray(np.count_nonzero(mileage.exposure > 0.0, axis=1), dtype=np.float64),
    )


def _decayed(days: NDArray[np.float64], parameters: UsageParameters) -> NDArray[np.float64]:
    """Exponentially weighted sums, shape (n, 3). Row by row: a matrix product's last digits depend on n."""
    age_d = np.arange(days.shape[1])[::-1]
    return np.column_stack([(days * 0.5 ** (age_d / half)).sum(axis=1) for half in parameters.half_lives_d])


def _dispersion(
    mileage: DailyMileage,
    rate: NDArray[np.float64],
    segment: NDArray[np.intp],
    parameters: UsageParameters,
) -> NDArray[np.float64]:
    """Variance over mean of the kilometres of whole, really observed weeks; shrunk to the segment's."""
    weeks = min(mileage.km.shape[1] // 7, parameters.dispersion_weeks_most)
    shape = (len(rate), weeks, 7)
    width = weeks * 7
    km = mileage.km[:, mileage.km.shape[1] - width :].reshape(shape)
    exposure = mileage.exposure[:, mileage.km.shape[1] - width :].reshape(shape)
    smoothed = mileage.is_smoothed[:, mileage.km.shape[1] - width :].reshape(shape)
    whole = (exposure > 0.0).all(axis=2) & ~smoothed.any(axis=2)
    expected = np.where(whole, rate[:, None] * exposure.sum(axis=2), 0.0)
    squares = np.where(whole, (km.sum(axis=2) - expected) ** 2, 0.0).sum(axis=1)
    count = whole.sum(axis=1)
    own = squares / np.maximum(expected.sum(axis=1), 1e-3)
    typical = np.array([g.dispersion_km for g in parameters.segments])[segment]
    prior = parameters.dispersion_prior_weeks
    return np.asarray((count * own + prior * typical) / (count + prior))


def level(state: UsageState, parameters: UsageParameters) -> Level:
    """Nested shrinkage: the long rate to the segment's mean, the middle to the long, the short to that."""
    strength = parameters.shrink_d
    mean = np.array([g.mean_km_per_d for g in parameters.segments])[state.segment]
    between = np.array([g.between_cv2 for g in parameters.segments])[state.segment]
    rates = np.empty((len(mean), 4))
    rates[:, 3] = mean
    for index in (2, 1, 0):
        rates[:, index] = (state.driven_km[:, index] + strength * rates[:, index + 1]) / (
            state.exposure[:, index] + strength
        )
    noise = np.sqrt(state.dispersion_km * rates[:, 2] / 14.0 + 1e-6)
    surprise = np.abs(rates[:, 0] - rates[:, 2]) / noise
    return Level(
        segment=state.segment,
        rates=rates,
        dispersion_km=state.dispersion_km,
        bucket=np.digitize(surprise, parameters.surprise_edges),
        cold_cv2=between * (strength / (state.exposure[:, 1] + strength)) ** 2,
    )


class Forecast:
    """Distribution of the kilometres driven in the d days after `from_day`, for rows of vehicles."""

    def __init__(
        self,
        level: Level,
        row: NDArray[np.intp],
        from_day: NDArray[np.int64],
        exposure: Exposure,
        parameters: UsageParameters,
    ) -> None:
        self._segment = level.segment[row]
        self._rates = level.rates[row]
        self._dispersion = level.dispersion_km[row]
        self._bucket = level.bucket[row]
        self._cold = level.cold_cv2[row]
        self._from_day = from_day
        self._exposure = exposure
        self._weights = np.array(parameters.weights)[:, self._bucket].swapaxes(0, 1)
        self._spread = np.array([g.spread for g in parameters.segments])[self._segment, self._bucket]
        self._calibration = np.array([g.calibration for g in parameters.segments])[self._segment]
        self._horizons = np.array(parameters.horizons_d)
        self._cv2_most = parameters.cv2_most

    def reaches(
        self, km: NDArray[np.float64], days: NDArray[np.int64], probability: float
    ) -> NDArray[np.bool_]:
        """Whether P(S(days) >= km) >= probability, per row; `km` above 0, `days` of at least 1."""
        return np.asarray(self.standard(km, days) <= -ndtri(probability))

    def standard(self, km: NDArray[np.float64], days: NDArray[np.int64]) -> NDArray[np.float64]:
        """The standard normal score of `km`: P(S(days) >= km) is one minus its normal distribution."""
        centre, scale, shift, below, above = self._shape(days)
        z = (np.log(np.maximum(km, _LEAST_KM)) - centre) / scale - shift
        return np.asarray(z / np.where(z < 0.0, below, above))

    def quantile_km(self, days: NDArray[np.int64], probability: float) -> NDArray[np.float64]:
        """Kilometres that S(days) stays below with `probability`; 0 for no days."""
        centre, scale, shift, below, above = self._shape(np.maximum(days, 1))
        normal = ndtri(probability)
        z = normal * (below if normal < 0.0 else above)
        return np.asarray(np.where(days >= 1, np.exp(centre + scale * (z + shift)), 0.0))

    def rate_km_per_d(self, days: NDArray[np.int64]) -> NDArray[np.float64]:
        """The stacked rate for a horizon, km per day of exposure 1."""
        weights = self._between(self._weights, *self._knot(days))
        return np.asarray((weights * self._rates).sum(axis=1))

    def _shape(self, days: NDArray[np.int64]) -> tuple[NDArray[np.float64], ...]:
        """Mean and scale of the logarithm, and the calibration: (centre, scale, shift, below, above)."""
        mean = self.rate_km_per_d(days) * self._exposure.between(
            self._segment, self._from_day + 1, self._from_day + 1 + days
        )
        mean = np.maximum(mean, _LEAST_MEAN_KM)
        c, a, b = self._spread.T
        cv2 = c * self._dispersion / mean + a + b * days / 100.0 + self._cold
        variance = np.log1p(np.minimum(cv2, self._cv2_most))
        shift, below, above = self._between(self._calibration, *self._knot(days)).T
        return np.log(mean) - variance / 2.0, np.sqrt(variance), shift, below, above

    def _knot(self, days: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """The horizon at or before `days`, and how far towards the next, 0 to 1."""
        place = np.interp(days, self._horizons, np.arange(len(self._horizons)))
        position = np.minimum(place.astype(np.intp), len(self._horizons) - 2)
        return position, place - position

    @staticmethod
    def _between(
        table: NDArray[np.float64], position: NDArray[np.intp], share: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Linear between the horizons of a table of shape (rows, horizons, values)."""
        rows = np.arange(len(position))
        low, high = table[rows, position], table[rows, position + 1]
        return low + (high - low) * share[:, None]
