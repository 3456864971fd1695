"""The pieces of the local stack that need no server."""

import json
import os
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from odocare import wiring
from odocare.settings import Settings
from odocare.stack import place, process
from odocare.stack.broker import login
from odocare.stack.place import Account, find_place
from odocare.stack.servers import find_mosquitto, find_postgres
from odocare.stack.state import (
    Addresses,
    forget_addresses,
    keep_state,
    read_addresses,
    read_state,
    write_addresses,
)
from vehicle.errors import SettingsError, StackError

US = Account(os.geteuid(), os.getegid(), dropped=False)
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root drops its rights")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can enter; pytest's own are closed."""
    with tempfile.TemporaryDirectory(prefix="odocare-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def program(path: Path, says: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def no_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")


def test_postgres_needs_the_right_version_and_timescaledb(tmp_path: Path, no_path: None) -> None:
    system, runtime = tmp_path / "system", tmp_path / "runtime"
    assert find_postgres(US, runtime, system).misses == ()
    program(system / "usr/lib/postgresql/15/bin/postgres", "postgres (PostgreSQL) 15.18")
    bare = program(system / "usr/lib/postgresql/17/bin/postgres", "postgres (PostgreSQL) 17.11 (Debian)")
    search = find_postgres(US, runtime, system)
    assert search.found is None
    assert search.misses == (
        f"PostgreSQL 17.11 in {bare.parent} has no timescaledb.control",
        f"{system}/usr/lib/postgresql/15/bin has PostgreSQL 15.18, 17 is needed",
    )
    with pytest.raises(
        StackError, match=r"no PostgreSQL .*15\.18, 17 is needed.*make setup.*ODOCARE_DATABASE_URL"
    ):
        search.require("PostgreSQL", "ODOCARE_DATABASE_URL")


def test_the_systems_servers_win_over_those_that_set_up_brought(tmp_path: Path, no_path: None) -> None:
    for root in ("system", "runtime"):
        program(
            tmp_path / root / "usr/lib/postgresql/17/bin/postgres", f"postgres (PostgreSQL) 17.{len(root)}"
        )
        control = tmp_path / root / "usr/share/postgresql/17/extension/timescaledb.control"
        control.parent.mkdir(parents=True)
        control.touch()
        program(tmp_path / root / "usr/sbin/mosquitto", f"mosquitto version 2.0.{len(root)}")
        program(tmp_path / root / "usr/bin/mosquitto_passwd", "")
    postgres = find_postgres(US, tmp_path / "runtime", tmp_path / "system").found
    mosquitto = find_mosquitto(US, tmp_path / "runtime", tmp_path / "system").found
    assert postgres is not None
    assert mosquitto is not None
    assert (postgres.version, mosquitto.version) == ("17.6", "2.0.6")
    brought = find_postgres(US, tmp_path / "runtime", tmp_path / "nothing").found
    assert brought is not None
    assert brought.folder == tmp_path / "runtime/usr/lib/postgresql/17/bin"


def test_an_old_or_broken_mosquitto_is_named(tmp_path: Path, no_path: None) -> None:
    old = program(tmp_path / "usr/sbin/mosquitto", "mosquitto version 1.6.9")
    assert find_mosquitto(US, tmp_path / "r", tmp_path).misses == (f"{old} is Mosquitto 1.6.9, 2 is needed",)
    program(old, "Segmentation fault")
    assert "does not run as user" in find_mosquitto(US, tmp_path / "r", tmp_path).misses[0]


def test_a_place_is_inside_home_and_stays_there(open_folder: Path) -> None:
    home = open_folder / "home"
    first = find_place(home)
    assert (first.folder, first.home) == (home, home)
    assert find_place(home) == first


def test_a_copied_checkout_gets_a_place_of_its_own(open_folder: Path) -> None:
    find_place(open_folder / "one")
    subprocess.run(["cp", "-a", open_folder / "one", open_folder / "two"], check=True)
    assert find_place(open_folder / "two").folder == open_folder / "two"


@ROOT_ONLY
def test_root_becomes_nobody_and_leaves_a_closed_folder(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "OUTSIDE", open_folder)
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    found = find_place(closed / "home")
    assert found.account.uid != 0
    assert found.folder.parent == open_folder
    assert found.is_reachable()
    assert find_place(closed / "home") == found
    found.open_servers()
    assert found.servers.stat().st_uid == found.account.uid
    assert found.account.must(["id", "-u"]).strip() == str(found.account.uid)


@ROOT_ONLY
def test_root_becomes_the_owner_of_a_users_folder(open_folder: Path) -> None:
    home = open_folder / "home"
    home.mkdir()
    os.chown(home, 1, 1)  # daemon, on every system
    found = find_place(home)
    assert (found.account.uid, found.account.dropped) == (1, True)
    assert (home / "place").stat().st_uid == 1


@ROOT_ONLY
def test_a_folder_that_was_closed_since_is_refused_with_advice(open_folder: Path) -> None:
    parent = open_folder / "parent"
    parent.mkdir(mode=0o755)
    found = find_place(parent / "home")
    parent.chmod(0o700)
    with pytest.raises(StackError, match=r"can no longer enter .*make clean"):
        found.open_servers()


def test_a_file_is_written_in_one_step_and_for_its_owner_alone(tmp_path: Path) -> None:
    US.write(tmp_path / "it's a secret", "first")
    US.write(tmp_path / "it's a secret", "second\n")
    assert (tmp_path / "it's a secret").read_text(encoding="utf-8") == "second\n"
    assert stat.S_IMODE((tmp_path / "it's a secret").stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["it's a secret"]


def test_a_failing_program_is_quoted(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho the disk is full\nexit 3\n", encoding="utf-8")
    broken.chmod(0o755)
    with pytest.raises(StackError, match=r"broken failed \(3\):\s+the disk is full"):
        US.must([broken])
    with pytest.raises(StackError, match="cannot run"):
        US.run([tmp_path / "missing"])


def test_ports_and_passwords_are_made_once(open_folder: Path) -> None:
    here = find_place(open_folder / "home")
    here.open_servers()
    assert read_state(here) is None
    first = keep_state(here, ["ingest"])
    assert keep_state(here, ["ingest"]) == first
    assert len(set(first.passwords.values())) == 3
    more = keep_state(here, ["ingest", "simulator"])
    assert more.passwords["ingest"] == first.passwords["ingest"]
    assert "simulator" in more.passwords
    assert stat.S_IMODE((here.servers / "state.json").stat().st_mode) == 0o600


def test_addresses_are_private_and_forgotten(tmp_path: Path) -> None:
    addresses = Addresses("postgresql://a:b@127.0.0.1:1/a", None, "mqtt://c:d@127.0.0.1:2", None)
    write_addresses(tmp_path, addresses)
    assert read_addresses(tmp_path) == addresses
    assert stat.S_IMODE((tmp_path / "stack.json").stat().st_mode) == 0o600
    (tmp_path / "stack.json").write_text("{", encoding="utf-8")
    with pytest.raises(StackError, match=r"stack\.json is broken .* run `odocare up`"):
        read_addresses(tmp_path)
    forget_addresses(tmp_path)
    assert read_addresses(tmp_path) is None


def test_addresses_and_ports_of_a_version_without_a_door_for_vehicles_are_read(open_folder: Path) -> None:
    home = open_folder / "home"
    here = find_place(home)
    here.open_servers()
    old = {"postgres_port": 1, "mqtt_port": 2, "passwords": {}}
    (here.servers / "state.json").write_text(json.dumps(old), encoding="utf-8")
    kept = keep_state(here, ["ingest"])
    assert (kept.postgres_port, kept.mqtt_port) == (1, 2)
    assert kept.mqtts_port > 0
    addresses = {"database_url": "a", "admin_database_url": "b", "mqtt_url": "c", "simulator_mqtt_url": "d"}
    (home / "stack.json").write_text(json.dumps(addresses), encoding="utf-8")
    assert read_addresses(home) == Addresses("a", "b", "c", "d", None)


def test_a_given_address_wins_over_the_stacks(tmp_path: Path) -> None:
    given = Settings(home=tmp_path, mqtt_url=SecretStr("mqtt://given:1"))
    assert wiring.mqtt_url(given) == "mqtt://given:1"


def test_the_stacks_address_counts_only_while_somebody_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DATABASE_URL", "MQTT_URL", "SIMULATOR_MQTT_URL"):
        monkeypatch.delenv(f"ODOCARE_{name}", raising=False)
    settings = Settings(home=tmp_path)
    with pytest.raises(SettingsError, match="odocare up"):
        wiring.database_url(settings)
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"mqtt://ingest:x@127.0.0.1:{server.getsockname()[1]}"
        write_addresses(tmp_path, Addresses(None, None, url, None))
        assert wiring.mqtt_url(settings) == url
    with pytest.raises(SettingsError, match="no broker: run `odocare up`, or set ODOCARE_MQTT_URL"):
        wiring.mqtt_url(settings)
    with pytest.raises(SettingsError, match="ODOCARE_SIMULATOR_MQTT_URL"):
        wiring.simulator_mqtt_url(settings)


def test_a_process_is_found_by_what_it_was_started_with(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    marker.touch()
    assert process.find("tail", marker) is None
    with subprocess.Popen(["tail", "-f", marker]) as child:
        while process.arguments(child.pid)[:1] != ["tail"]:  # until exec is done
            assert child.poll() is None
        assert process.find("tail", marker) == child.pid
        assert process.find("sleep", marker) is None
        child.terminate()
        assert process.wait_gone(child.pid, within_s=10)
    assert process.find("tail", marker) is None


def test_a_taken_port_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not process.is_free(server.getsockname()[1])
    assert process.is_free(process.free_port())


def test_what_is_no_broker_does_not_answer() -> None:
    assert login("127.0.0.1", process.free_port(), None, None) is None
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as threads:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400")

        answered = threads.submit(answer)
        assert login("127.0.0.1", server.getsockname()[1], "a", "b") is None
        answered.result(timeout=10)
