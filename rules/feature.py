"""What a feature and a feature table are."""

from dataclasses import dataclass
from typing import Final

import polars as pl

FLOAT: Final = pl.Float64()
COUNT: Final = pl.Int64()
TEXT: Final = pl.String()
FLAG: Final = pl.Boolean()


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of a feature table. Unknown is null."""

    name: str
    dtype: pl.DataType
    unit: str
    """Spelled for people: `km`, `d`, `V`, `°C`, `%`, `1` for a plain number, empty for texts and flags."""
    meaning_zh: str
    meaning_en: str
    source: str
    """What it is computed from."""
    decimals: int = 0
    """Digits behind the point when it is written in words."""
    choices: tuple[str, ...] = ()
    """The only texts it holds; empty: any."""


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """One kind of thing that rules judge."""

    name: str
    meaning_zh: str
    meaning_en: str
    subject: str
    """What the key column `subject` holds."""
    occasion: str
    """What the key column `occasion` holds; '' lets the engine count the findings itself."""
    moment: str
    """What the key column `at` holds."""
    features: tuple[Feature, ...]

    def of(self, name: str) -> Feature | None:
        """The feature of a name."""
        return next((feature for feature in self.features if feature.name == name), None)
