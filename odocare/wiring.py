"""Builds what the commands need out of the settings and the shipped data files."""

import dbc
from odocare.settings import Settings
from vehicle.errors import SettingsError
from vehicle.signal import Catalogue


def database_url(settings: Settings) -> str:
    """Where PostgreSQL is: the setting. Raises `SettingsError`."""
    if settings.database_url is None:
        raise SettingsError("no database: run `odocare up`, or set ODOCARE_DATABASE_URL")
    return settings.database_url.get_secret_value()


def catalogue() -> Catalogue:
    """The signal catalogue that ships with this version."""
    return Catalogue.from_toml(dbc.read("signals.toml"), where="dbc/signals.toml")
