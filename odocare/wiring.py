"""Builds what the commands need out of the settings and the shipped data files."""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import SecretStr

import dbc
from odocare.settings import Settings
from odocare.stack import process
from odocare.stack.state import read_addresses
from vehicle.dtc_table import DtcTable
from vehicle.errors import SettingsError
from vehicle.signal import Catalogue

if TYPE_CHECKING:
    from decoders.codebook import Codebooks


def database_url(settings: Settings) -> str:
    """Where PostgreSQL is: the setting, else the running local stack's. Raises `SettingsError`."""
    return _url(settings, "database_url", "database")


def mqtt_url(settings: Settings) -> str:
    """Where the broker is for ingest: the setting, else the running local stack's. Raises `SettingsError`."""
    return _url(settings, "mqtt_url", "broker")


def simulator_mqtt_url(settings: Settings) -> str:
    """Where the broker is for test fleets: the setting, else the running stack's. Raises `SettingsError`."""
    return _url(settings, "simulator_mqtt_url", "broker for test fleets")


def _url(settings: Settings, name: str, what: str) -> str:
    given: SecretStr | None = getattr(settings, name)
    if given is not None:
        return given.get_secret_value()
    running = read_addresses(settings.home)
    url: str | None = getattr(running, name) if running else None
    if url is None or process.is_free(urlsplit(url).port or 0):
        raise SettingsError(f"no {what}: run `odocare up`, or set ODOCARE_{name.upper()}")
    return url


def catalogue() -> Catalogue:
    """The signal catalogue that ships with this version."""
    return Catalogue.from_toml(dbc.read("signals.toml"), where="dbc/signals.toml")


def codebooks() -> "Codebooks":
    """The codebooks that ship with this version, and which models use which."""
    from decoders import manifest  # cantools takes a third of a second, which `--help` does not have

    texts = {name: dbc.read(name) for suffix in (".dbc", ".toml") for name in dbc.names(suffix)}
    return manifest.load(dbc.read("manifest.toml"), texts, catalogue())


def dtc_table() -> DtcTable:
    """What the fault codes mean that this version knows."""
    return DtcTable.from_toml(dbc.read("dtc.toml"), where="dbc/dtc.toml")
