"""The local stack as a whole: up, down, what runs, and gone without a trace."""

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from odocare.stack import process
from odocare.stack.broker import Broker, Identity, Ports
from odocare.stack.place import OUTSIDE, Place, find_place, locked
from odocare.stack.postgres import Cluster, Size
from odocare.stack.servers import Program, find_mosquitto, find_postgres
from odocare.stack.state import (
    INGEST,
    OWNER,
    SIMULATOR,
    SUPERUSER,
    Addresses,
    State,
    forget_addresses,
    keep_state,
    read_addresses,
    read_state,
    write_addresses,
    write_state,
)

if TYPE_CHECKING:
    from odocare.pki.folder import PkiFolder

PKI_NAME: Final = "odocare development CA"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a stack shall consist of."""

    database: bool = True
    broker: bool = True
    size: Size = field(default_factory=Size)
    runtime: Path | None = None
    """Where set-up's servers lie, if not in the stack's own place."""
    tester: str | None = None
    """A broker identity that may do everything, for tests."""


@dataclass(frozen=True, slots=True)
class Server:
    """One server of a stack."""

    name: str
    version: str | None
    """None: its programs are missing."""
    host: str
    port: int | None
    """None: it was never started."""
    pid: int | None
    """None: it does not run."""
    folder: Path
    disk_bytes: int


def up(home: Path, wanted: Wanted, tell: Callable[[str], None]) -> Addresses:
    """Start what is wanted and does not run, wait until it answers, publish the addresses.

    `tell` gets a line per server. Raises `StackError`.
    """
    place = find_place(home)
    with locked(place.home):
        place.open_servers()
        identities = (INGEST, SIMULATOR, *((wanted.tester,) if wanted.tester else ()))
        state = keep_state(place, identities)
        if wanted.database:
            state = _start_postgres(place, wanted, state, tell)
        if wanted.broker:
            state = _start_mosquitto(place, wanted, state, identities, tell)
        addresses = Addresses(
            database_url=state.database_url(OWNER, OWNER) if wanted.database else None,
            admin_database_url=state.database_url(SUPERUSER, SUPERUSER) if wanted.database else None,
            mqtt_url=state.mqtt_url(INGEST) if wanted.broker else None,
            simulator_mqtt_url=state.mqtt_url(SIMULATOR) if wanted.broker else None,
            vehicle_mqtt_url=state.vehicle_mqtt_url
            if wanted.broker and not process.is_free(state.mqtts_port)
            else None,
        )
        write_addresses(place.home, addresses)
        return addresses


def pki_folder(home: Path) -> "PkiFolder":
    """Where the development CA of `home` is, or would be."""
    from odocare.pki.folder import PkiFolder  # set-up and clean-up stop servers where no package is installed

    return PkiFolder(home.absolute() / "keys" / "pki")


def tell_broker(home: Path) -> bool:
    """Let the broker of `home` know what was issued and revoked; False where none runs."""
    if not (home / "servers").is_dir() and not read_addresses(home):
        return False
    place = find_place(home)
    with locked(place.home):
        state = read_state(place)
        if state is None:
            return False
        trust = pki_folder(home).trust(datetime.now(UTC))
        return _broker(place, Path(), "").tell(trust, state.mqtt_port, state.passwords[INGEST])


def down(home: Path, tell: Callable[[str], None]) -> list[str]:
    """Stop what runs; the names of what ran. Nothing running, or no stack at all, is fine."""
    if not home.is_dir():
        return []
    place = find_place(home)
    stopped = []
    with locked(place.home):
        forget_addresses(place.home)
        broker, cluster = _broker(place, Path(), ""), _cluster(place, Path(), Size())
        for name, server in (("Mosquitto", broker), ("PostgreSQL", cluster)):
            if server.stop():
                tell(f"{name} stopped")
                stopped.append(name)
    return stopped


def servers(home: Path) -> list[Server]:
    """The stack's servers as they are now; starts and changes nothing."""
    if not home.is_dir():
        return []
    place = find_place(home)
    state = read_state(place)
    postgres = find_postgres(place.account, place.runtime).found
    mosquitto = find_mosquitto(place.account, place.runtime).found
    cluster, broker = _cluster(place, Path(), Size()), _broker(place, Path(), "")
    return [
        _server("PostgreSQL", postgres, state.postgres_port if state else None, cluster),
        _server("Mosquitto", mosquitto, state.mqtt_port if state else None, broker),
    ]


def remove(home: Path) -> None:
    """Stop the stack of `home` and delete it with its data, set-up's servers included."""
    if not home.is_dir():
        return
    down(home, lambda _: None)
    folder = find_place(home).folder
    if folder.parent == OUTSIDE:
        shutil.rmtree(folder)
    shutil.rmtree(home)


def _start_postgres(place: Place, wanted: Wanted, state: State, tell: Callable[[str], None]) -> State:
    from store import cluster as contents

    program = find_postgres(place.account, wanted.runtime or place.runtime).require(
        "PostgreSQL 17 with TimescaleDB", "ODOCARE_DATABASE_URL"
    )
    cluster = _cluster(place, program.folder, wanted.size)
    running = cluster.pid() is not None
    if not running:
        if not cluster.data.is_dir():
            tell(f"PostgreSQL {program.version}: making a cluster in {cluster.folder}")
            cluster.create(state.passwords[SUPERUSER])
        state = replace(state, postgres_port=cluster.start(state.postgres_port))
        write_state(place, state)
    tell(_line("PostgreSQL", program, state.postgres_port, running=running))
    asyncio.run(
        contents.prepare(
            state.database_url(SUPERUSER, SUPERUSER), owner=OWNER, password=state.passwords[OWNER]
        )
    )
    return state


def _start_mosquitto(
    place: Place, wanted: Wanted, state: State, identities: tuple[str, ...], tell: Callable[[str], None]
) -> State:
    program = find_mosquitto(place.account, wanted.runtime or place.runtime).require(
        "Mosquitto 2", "ODOCARE_MQTT_URL"
    )
    everything = f"\nuser {wanted.tester}\ntopic readwrite #\ntopic read $SYS/#\n" if wanted.tester else ""
    broker = _broker(place, program.folder, everything)
    running = broker.pid() is not None
    if not running:
        passwords = {user: state.passwords[user] for user in identities}
        pki, now = pki_folder(place.home), datetime.now(UTC)
        if not pki.exists:
            pki.make(name=PKI_NAME, now=now)
            tell(f"a development CA for vehicles' certificates was made in {pki.root}")
        identity = Identity(*pki.local_server([process.LOOPBACK], now=now))
        aside = _file_number(broker.queues_aside)
        ports = broker.start(Ports(state.mqtt_port, state.mqtts_port), passwords, identity, pki.trust(now))
        if _file_number(broker.queues_aside) != aside:
            tell(f"Mosquitto could not read its queues: they are set aside in {broker.queues_aside}")
        state = replace(state, mqtt_port=ports.services, mqtts_port=ports.vehicles)
        write_state(place, state)
    door = "" if process.is_free(state.mqtts_port) else f", for vehicles {state.vehicle_mqtt_url}"
    tell(_line("Mosquitto", program, state.mqtt_port, running=running) + door)
    return state


def _file_number(file: Path) -> int | None:
    """What tells it from another of the same name; None: there is none."""
    return file.stat().st_ino if file.is_file() else None


def _cluster(place: Place, programs: Path, size: Size) -> Cluster:
    return Cluster(programs, place.servers / "postgres", place.account, size)


def _broker(place: Place, programs: Path, extra_access: str) -> Broker:
    return Broker(programs, place.servers / "mosquitto", place.account, extra_access)


def _server(name: str, program: Program | None, port: int | None, server: Cluster | Broker) -> Server:
    used = sum(file.lstat().st_size for file in server.folder.rglob("*") if not file.is_dir())
    version = program.version if program else None
    return Server(name, version, process.LOOPBACK, port, server.pid(), server.folder, used)


def _line(name: str, program: Program, port: int, *, running: bool) -> str:
    how = "was already running" if running else "started"
    return f"{name} {program.version} {how} on {process.LOOPBACK}:{port}"
