"""What a local stack remembers: ports and passwords for ever, addresses while it runs."""

import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Final, Self

from odocare.stack.place import Place, give_to_owner
from odocare.stack.process import LOOPBACK, free_port
from vehicle.errors import StackError

SUPERUSER: Final = "postgres"
OWNER: Final = "odocare"
"""Name of the application's database and of the role that owns it, no superuser."""
INGEST: Final = "ingest"
SIMULATOR: Final = "simulator"
_STATE: Final = "state.json"
_ADDRESSES: Final = "stack.json"


@dataclass(frozen=True, slots=True)
class State:
    """Ports and passwords, kept beside the servers' data and as private as these."""

    postgres_port: int
    mqtt_port: int
    passwords: dict[str, str]
    mqtts_port: int = 0
    """0: not chosen yet; stacks of version 0.1 had none."""

    def with_ports(self, postgres_port: int, mqtt_port: int) -> Self:
        """The same, after a port had to change."""
        return replace(self, postgres_port=postgres_port, mqtt_port=mqtt_port)

    def database_url(self, user: str, database: str) -> str:
        """Where `user` finds `database`."""
        return f"postgresql://{user}:{self.passwords[user]}@{LOOPBACK}:{self.postgres_port}/{database}"

    def mqtt_url(self, user: str) -> str:
        """Where `user` finds the broker."""
        return f"mqtt://{user}:{self.passwords[user]}@{LOOPBACK}:{self.mqtt_port}"

    @property
    def vehicle_mqtt_url(self) -> str:
        """Where vehicles find the broker, with their certificates."""
        return f"mqtts://{LOOPBACK}:{self.mqtts_port}"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the running servers are; None: that server is not part of this stack. Holds passwords."""

    database_url: str | None
    admin_database_url: str | None
    """The superuser's, for backups and tests; the application never uses it."""
    mqtt_url: str | None
    simulator_mqtt_url: str | None
    vehicle_mqtt_url: str | None = None
    """Over TLS, for whoever has a certificate; holds no password."""


def keep_state(place: Place, identities: Sequence[str]) -> State:
    """The state of this place, made on the first call; `identities` are the broker's users."""
    users = (SUPERUSER, OWNER, *identities)
    found = read_state(place)
    state = found or State(free_port(), free_port(), {})
    state = replace(state, mqtts_port=state.mqtts_port or free_port())
    fresh = {user: secrets.token_urlsafe(24) for user in users if user not in state.passwords}
    state = replace(state, passwords=state.passwords | fresh)
    if state != found:
        write_state(place, state)
    return state


def read_state(place: Place) -> State | None:
    """The state of this place, if it ever had servers. Raises `StackError` on a broken file."""
    path = place.servers / _STATE
    try:
        return State(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise StackError(f"{path} belongs to the user who set the local stack up") from error
    except (ValueError, TypeError) as error:
        raise StackError(f"{path} is broken ({error}); without it the data beside it stay closed") from error


def write_state(place: Place, state: State) -> None:
    """Replace the state file."""
    place.account.write(place.servers / _STATE, json.dumps(asdict(state), indent=1))


def write_addresses(home: Path, addresses: Addresses) -> None:
    """Publish where the servers are, for this user alone (mode 0600)."""
    path = home / _ADDRESSES
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600, exist_ok=False)
    fresh.write_text(json.dumps(asdict(addresses), indent=1), encoding="utf-8")
    give_to_owner(fresh)
    fresh.replace(path)


def forget_addresses(home: Path) -> None:
    """The servers are down."""
    (home / _ADDRESSES).unlink(missing_ok=True)


def read_addresses(home: Path) -> Addresses | None:
    """Where the servers of `home` are, if `odocare up` started them. Raises `StackError` on a broken file."""
    path = home / _ADDRESSES
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        found.setdefault("vehicle_mqtt_url", None)  # written by version 0.1
        return Addresses(**{field.name: found[field.name] for field in fields(Addresses)})
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise StackError(f"{path} belongs to the user who started the local stack") from error
    except (ValueError, KeyError, TypeError) as error:
        raise StackError(f"{path} is broken ({error}): run `odocare up` again") from error
