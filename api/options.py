"""What the application is given besides the database."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from vehicle.dtc_table import DtcTable
from vehicle.signal import Catalogue


@dataclass(frozen=True, slots=True)
class FeatureMeaning:
    """What one column of a rule's feature table means, for people."""

    unit: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one caller may ask; generous for a CRM, tight for whoever guesses keys."""

    key_burst: float = 300.0
    """Requests that one key may make at once, and"""
    key_per_s: float = 50.0
    """how many more every second."""
    refused_burst: float = 20.0
    """Refused keys, tickets and log-ins from one address before it is told to wait, and"""
    refused_per_s: float = 0.2
    waits_per_key: int = 8
    """Long polls that one key may have open, and"""
    waits: int = 256
    """all keys together."""
    body_bytes: int = 1 << 20


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class AppOptions:
    """Made by `odocare serve` out of the settings and the shipped data files."""

    assets: Path
    """`node_modules` with htmx.org and uplot, as set-up installs it."""
    catalogue: Catalogue
    dtc: DtcTable
    features: Mapping[str, FeatureMeaning] = field(default_factory=dict)
    """Feature name to meaning, for the evidence on the vehicle page."""
    limits: Limits = Limits()
    now: Callable[[], datetime] = _now
