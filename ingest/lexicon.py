"""What ingest reads messages with: the catalogue as arrays, the codebooks, the code table, time zones."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from decoders import diagnostics, sheets
from decoders.codebook import Codebook, Codebooks
from decoders.diagnostics import DiagnosticBooks, Diagnostics
from decoders.gbt32960.report import Extension
from maintenance.daily import DailySignals
from store.vehicles import VehicleRef
from vehicle.dtc_table import DtcTable
from vehicle.sheet import Layouts
from vehicle.signal import Catalogue

DEFAULT_ZONE: Final = "Asia/Shanghai"
_NUMBERS: Final = 1 << 15
"""Signal numbers are a `smallint`, from 0."""


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Made once at the start, never changed; arrays are indexed by `Signal.number`."""

    catalogue: Catalogue
    codebooks: Codebooks
    diagnostics: DiagnosticBooks
    dtc_table: DtcTable
    daily: DailySignals
    numbers: Mapping[str, int]
    """Path to number."""
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]
    is_latest: NDArray[np.bool_]
    is_position: NDArray[np.bool_]
    positions: frozenset[str]
    """Paths of positions."""
    zones: dict[str, ZoneInfo] = field(default_factory=dict)
    """Those met so far."""
    layouts: dict[str, Layouts] = field(default_factory=dict)
    """By codebook, those met so far."""

    @classmethod
    def of(
        cls,
        catalogue: Catalogue,
        codebooks: Codebooks,
        dtc_table: DtcTable,
        books: DiagnosticBooks | None = None,
    ) -> "Lexicon":
        """Lay out the tables; without `books` no data identifier is known.

        Raises `CatalogueError` where the daily features miss a signal.
        """
        minimum, maximum = np.full(_NUMBERS, -np.inf), np.full(_NUMBERS, np.inf)
        is_latest, is_position = np.zeros(_NUMBERS, np.bool_), np.zeros(_NUMBERS, np.bool_)
        for signal in catalogue.signals:
            minimum[signal.number] = signal.lowest
            maximum[signal.number] = signal.highest
            is_latest[signal.number] = signal.is_latest
            is_position[signal.number] = signal.is_position
        return cls(
            catalogue=catalogue,
            codebooks=codebooks,
            diagnostics=books or diagnostics.without_files(catalogue),
            dtc_table=dtc_table,
            daily=DailySignals.of(catalogue),
            numbers={signal.path: signal.number for signal in catalogue.signals},
            minimum=minimum,
            maximum=maximum,
            is_latest=is_latest,
            is_position=is_position,
            positions=frozenset(signal.path for signal in catalogue.signals if signal.is_position),
        )

    def zone(self, name: str) -> ZoneInfo:
        """The time zone of a vehicle; one that does not exist counts as the default."""
        if name not in self.zones:
            try:
                self.zones[name] = ZoneInfo(name)
            except (ZoneInfoNotFoundError, ValueError):
                self.zones[name] = ZoneInfo(DEFAULT_ZONE)
        return self.zones[name]

    def layouts_of(self, codebook: Codebook) -> Layouts:
        """Which signals stand together in the frames of one of `codebooks`, as the store keeps them."""
        if codebook.name not in self.layouts:
            self.layouts[codebook.name] = sheets.layouts_of(codebook.plan)
        return self.layouts[codebook.name]

    def listening(self, vehicle: VehicleRef) -> Diagnostics | None:
        """What reads a vehicle's conversations; None: they may hold positions, and its location is off."""
        found = self.diagnostics.of(vehicle.model, vehicle.built_on)
        if vehicle.location_allowed:
            return found
        return None if self.is_position[found.book.codebook.plan.numbers].any() else found

    def extension(self, model: str | None, built_on: date | None) -> Extension | None:
        """What explains the custom GB/T 32960 units of a vehicle; None where nobody has said."""
        return None if model is None else self.codebooks.extension_for(model, built_on)
