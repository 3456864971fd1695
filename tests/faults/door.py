"""The door for vehicles as it is shipped: the local stack's broker with its certificates and access list."""

import os
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from odocare import broker_tls
from odocare.pki.authority import Kind
from odocare.pki.folder import PkiFolder
from odocare.stack import local
from odocare.stack.place import find_place
from odocare.stack.temporary import Temporary, temporary_stack
from tests.faults.conftest import REPOSITORY
from tests.ingest.broker import OwnBroker
from vehicle.errors import StackError


class Shipped(OwnBroker):
    """The shipped broker, where `ingesting` wants one."""

    def __init__(self, url: str) -> None:
        self._url = url

    @property
    def url(self) -> str:
        return self._url


@dataclass(frozen=True, slots=True)
class VehicleDoor:
    """A running broker, and the CA it trusts."""

    stack: Temporary
    pki: PkiFolder
    runtime: Path
    """Where set-up brought the programs to."""

    @property
    def port(self) -> int:
        """For vehicles, over TLS."""
        return urlsplit(self.stack.addresses.vehicle_mqtt_url or "").port or 0

    @property
    def ingest_url(self) -> str:
        """For ingest, with its password."""
        assert self.stack.addresses.mqtt_url is not None
        return self.stack.addresses.mqtt_url

    def close_folder(self, *, closed: bool) -> None:
        """Let the broker write nothing into the folder of its queues any more, or again."""
        place = find_place(self.stack.home)
        place.account.must(["chmod", "0500" if closed else "0700", place.servers / "mosquitto"])

    def certificate(self, vin: str) -> ssl.SSLContext:
        """What a vehicle shows, freshly issued."""
        self.pki.issue_clients([vin], Kind.VEHICLE, now=datetime.now(UTC), again=True)
        paths = broker_tls.Paths(
            self.pki.certificate, self.pki.issued / f"{vin}.pem", self.pki.issued / f"{vin}.key"
        )
        return broker_tls.context(paths)


@contextmanager
def vehicle_door() -> Iterator[VehicleDoor]:
    """Open it, in a temporary folder; skips where there is no Mosquitto."""
    home = REPOSITORY / os.environ.get("ODOCARE_HOME", ".odocare")
    with ExitStack() as opened:
        try:
            stack = opened.enter_context(temporary_stack(home, local.Wanted(database=False)))
        except StackError as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(str(error))
        yield VehicleDoor(stack, local.pki_folder(stack.home), find_place(home).runtime)
