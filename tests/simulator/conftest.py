"""A broker of this room's own, which a test may stop, and vehicles that are lived once."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from pathlib import Path

import pytest

from odocare.stack import local
from odocare.stack.place import find_place
from odocare.stack.temporary import TESTER, Temporary, temporary_stack
from simulator.days import Life, live
from simulator.fleet import vehicle_at
from vehicle.errors import StackError

REPOSITORY = Path(__file__).parents[2]
UNTIL = date(2026, 10, 31)


@dataclass(frozen=True)
class OwnBroker:
    """A private broker with the shipped passwords and access list."""

    stack: Temporary
    wanted: local.Wanted

    @property
    def simulator_url(self) -> str:
        url = self.stack.addresses.simulator_mqtt_url
        assert url is not None
        return url

    @property
    def tester_url(self) -> str:
        assert self.stack.tester_mqtt_url is not None
        return self.stack.tester_mqtt_url

    def stop(self) -> None:
        """It writes its sessions down first."""
        local.down(self.stack.home, lambda _: None)

    def start(self) -> None:
        local.up(self.stack.home, self.wanted, lambda _: None)


@pytest.fixture(scope="session")
def own_broker() -> Iterator[OwnBroker]:
    home = REPOSITORY / os.environ.get("ODOCARE_HOME", ".odocare")
    wanted = local.Wanted(database=False)
    try:
        with temporary_stack(home, wanted) as stack:
            yield OwnBroker(stack, replace(wanted, runtime=find_place(home).runtime, tester=TESTER))
    except StackError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@lru_cache(maxsize=256)
def life_of(slot: int, seed: int = 1) -> Life:
    """The life of a place's vehicle, lived once for all tests."""
    return live(vehicle_at(seed, slot, UNTIL))
