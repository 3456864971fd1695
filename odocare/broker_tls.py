"""How clients of the broker meet it over TLS: whom they trust and what they show."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from odocare.pki.names import SERVICES
from odocare.settings import Settings
from odocare.stack.local import pki_folder
from odocare.stack.state import read_addresses
from vehicle.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Paths:
    """PEM files; None: the system's authorities, no certificate, the key in the certificate's file."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class Meeting:
    """A broker's address and how it is met."""

    url: str
    trust: ssl.SSLContext | None


def context(paths: Paths) -> ssl.SSLContext:
    """TLS 1.2 or newer, the broker's name checked. Raises `SettingsError` that names the file."""
    if paths.key is not None and paths.certificate is None:
        raise SettingsError("a key needs its certificate: ODOCARE_MQTT_KEY without ODOCARE_MQTT_CERTIFICATE")
    try:
        trust = ssl.create_default_context(cafile=paths.ca)
    except OSError as error:  # which ssl.SSLError is, too
        raise SettingsError(f"{paths.ca} holds no PEM certificates: {_why(error)}") from error
    if paths.certificate is not None:
        try:
            trust.load_cert_chain(paths.certificate, paths.key)
        except OSError as error:
            raise SettingsError(
                f"{paths.certificate} is no PEM certificate with its key: {_why(error)}"
            ) from error
    return trust


def incoming(settings: Settings, url: str) -> ssl.SSLContext | None:
    """How ingest meets the broker at this address; None where that is not over TLS.

    Raises `SettingsError` where a certificate is set that a plain connection would never show.
    """
    paths = _paths(settings)
    if urlsplit(url).scheme == "mqtts":
        return context(paths)
    if settings.mqtt_url is not None and paths != Paths():
        raise SettingsError("ODOCARE_MQTT_CA, _CERTIFICATE and _KEY need ODOCARE_MQTT_URL to be mqtts://…")
    return None


def outgoing(settings: Settings, url: str) -> Meeting:
    """How test fleets meet the broker at this address."""
    return Meeting(url, context(_paths(settings)) if urlsplit(url).scheme == "mqtts" else None)


def of_vehicle(settings: Settings, name: str) -> Meeting:
    """The local stack's door for vehicles, with the certificate that its CA issued to `name`.

    Raises `SettingsError` where the stack is down or there is no certificate.
    """
    running = read_addresses(settings.home)
    if running is None or running.vehicle_mqtt_url is None:
        raise SettingsError("the local broker has no door for vehicles: run `odocare up`")
    folder = pki_folder(settings.home)
    certificate, key = (folder.issued / f"{name}.{end}" for end in ("pem", "key"))
    if not certificate.is_file():
        how = f"--service {name}" if name in SERVICES else name
        raise SettingsError(f"{name} has no certificate: run `odocare pki issue {how}`")
    return Meeting(running.vehicle_mqtt_url, context(Paths(folder.certificate, certificate, key)))


def _paths(settings: Settings) -> Paths:
    return Paths(settings.mqtt_ca, settings.mqtt_certificate, settings.mqtt_key)


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    return error.strerror or str(error)
