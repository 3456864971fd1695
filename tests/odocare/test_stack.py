"""The local stack itself: real servers, started, hurt and stopped."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from odocare.stack import local, process
from odocare.stack.broker import ACCEPTED, login
from odocare.stack.place import find_place
from odocare.stack.servers import find_mosquitto, find_postgres
from odocare.stack.state import Addresses, read_addresses
from odocare.stack.temporary import SMALL, temporary_stack
from vehicle.errors import StackError

REPOSITORY = Path(__file__).parents[2]
SETUP = REPOSITORY / os.environ.get("ODOCARE_HOME", ".odocare")
NOT_AUTHORIZED = 5
"""Return code of a CONNACK (MQTT 3.1.1, section 3.2.2.3)."""
SILENT = {key: value for key, value in os.environ.items() if not key.startswith("ODOCARE_")}


def quiet(_: str) -> None:
    pass


@pytest.fixture(scope="module")
def runtime() -> Path:
    """Where set-up's servers lie; without servers the tests skip, in CI they fail."""
    place = find_place(SETUP)
    try:
        find_postgres(place.account, place.runtime).require("PostgreSQL", "ODOCARE_DATABASE_URL")
        find_mosquitto(place.account, place.runtime).require("Mosquitto", "ODOCARE_MQTT_URL")
    except StackError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    return place.runtime


@pytest.fixture(scope="module")
def wanted(runtime: Path) -> local.Wanted:
    return local.Wanted(size=SMALL, runtime=runtime)


@pytest.fixture(scope="module")
def home(runtime: Path) -> Iterator[Path]:
    """A stack's folder, shared by this module's tests; each starts what it needs."""
    with tempfile.TemporaryDirectory(prefix="odocare-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "home").mkdir()
        (folder / "home/runtime").symlink_to(runtime)  # what set-up leaves there
        try:
            yield folder / "home"
        finally:
            local.remove(folder / "home")


@pytest.fixture
def running(home: Path, wanted: local.Wanted) -> Addresses:
    return local.up(home, wanted, quiet)


def pids(home: Path) -> list[int]:
    return [server.pid for server in local.servers(home) if server.pid is not None]


def scalar(url: str, query: str) -> object:
    with psycopg.connect(url, connect_timeout=10) as conn:
        row = conn.execute(query).fetchone()
    assert row is not None
    return row[0]


def answers(addresses: Addresses) -> bool:
    assert addresses.database_url is not None
    assert addresses.mqtt_url is not None
    broker = urlsplit(addresses.mqtt_url)
    code = login(broker.hostname or "", broker.port or 0, broker.username, broker.password)
    return scalar(addresses.database_url, "select 1") == 1 and code == ACCEPTED


def test_up_twice_leaves_the_servers_alone(home: Path, wanted: local.Wanted, running: Addresses) -> None:
    before, said = pids(home), list[str]()
    assert local.up(home, wanted, said.append) == running
    assert pids(home) == before
    assert len(before) == 2
    assert all("was already running" in line for line in said)
    assert answers(running)


def test_no_server_runs_as_root(home: Path, running: Addresses) -> None:
    assert {Path(f"/proc/{pid}").stat().st_uid for pid in pids(home)} == {find_place(home).account.uid}
    assert find_place(home).account.uid != 0


def test_servers_listen_on_the_loopback_address_only(home: Path, running: Addresses) -> None:
    door = urlsplit(running.vehicle_mqtt_url or "").port
    assert door is not None
    ports = {server.port for server in local.servers(home)} | {door}
    listening = set()
    for table in ("tcp", "tcp6"):
        lines = Path(f"/proc/net/{table}").read_text(encoding="utf-8").splitlines()[1:]
        for words in map(str.split, lines):
            address, _, port = words[1].partition(":")
            if words[3] == "0A" and int(port, 16) in ports:  # LISTEN
                listening.add((address, int(port, 16)))
    assert listening == {("0100007F", port) for port in ports}


def test_no_command_line_shows_a_password(home: Path, running: Addresses) -> None:
    state = json.loads((home / "servers/state.json").read_text(encoding="utf-8"))
    lines = " ".join(word for pid in pids(home) for word in process.arguments(pid))
    assert not any(password in lines for password in state["passwords"].values())
    hashed = (home / "servers/mosquitto/passwords").read_text(encoding="utf-8")
    assert not any(password in hashed for password in state["passwords"].values())


def test_the_application_is_no_superuser_but_owns_its_database(running: Addresses) -> None:
    assert running.database_url is not None
    assert scalar(running.database_url, "show is_superuser") == "off"
    owner = "select pg_get_userbyid(datdba) from pg_database where datname = current_database()"
    assert scalar(running.database_url, owner) == "odocare"
    assert scalar(
        running.database_url, "select extversion like '2.%' from pg_extension where extname = 'timescaledb'"
    )
    assert scalar(running.database_url, "select now() at time zone 'Asia/Shanghai' is not null")
    for setting, value in {"fsync": "on", "synchronous_commit": "on", "jit": "off"}.items():
        assert scalar(running.database_url, f"show {setting}") == value


def test_a_wrong_password_is_refused_by_both(running: Addresses) -> None:
    assert running.database_url is not None
    assert running.mqtt_url is not None
    parts = urlsplit(running.database_url)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(f"postgresql://{parts.username}:wrong@{parts.hostname}:{parts.port}/odocare")
    broker = urlsplit(running.mqtt_url)
    for user, password in ((None, None), ("ingest", "wrong"), ("nobody", broker.password)):
        assert login(broker.hostname or "", broker.port or 0, user, password) == NOT_AUTHORIZED


def test_down_leaves_nothing_running_and_down_of_nothing_is_fine(
    home: Path, wanted: local.Wanted, running: Addresses
) -> None:
    before = pids(home)
    assert local.down(home, quiet) == ["Mosquitto", "PostgreSQL"]
    assert not any(process.arguments(pid) for pid in before)
    assert pids(home) == []
    assert read_addresses(home) is None
    assert local.down(home, quiet) == []
    assert local.down(home / "never", quiet) == []


def test_data_and_addresses_outlive_a_restart(home: Path, wanted: local.Wanted, running: Addresses) -> None:
    assert running.database_url is not None
    with psycopg.connect(running.database_url) as conn:
        conn.execute("create table if not exists kept ()")
    local.down(home, quiet)
    assert local.up(home, wanted, quiet) == running
    assert scalar(running.database_url, "select to_regclass('kept') is not null")


def test_servers_that_were_killed_come_back(home: Path, wanted: local.Wanted, running: Addresses) -> None:
    killed = pids(home)
    for pid in killed:
        assert process.end(pid, signal.SIGKILL, within_s=10)
    assert answers(local.up(home, wanted, quiet))
    assert not set(pids(home)) & set(killed)


def test_a_pid_file_whose_number_belongs_to_somebody_else_is_no_obstacle(
    home: Path, wanted: local.Wanted, running: Addresses
) -> None:
    place = find_place(home)
    file = home / "servers/postgres/data/postmaster.pid"
    stale = file.read_text(encoding="utf-8").split("\n", 1)[1]
    local.down(home, quiet)
    with subprocess.Popen(place.account.command(["sleep", "1000"])) as other:
        place.account.write(file, f"{other.pid}\n{stale}")
        try:
            assert answers(local.up(home, wanted, quiet))
            assert other.poll() is None
        finally:
            other.kill()


def test_a_port_taken_meanwhile_is_replaced(home: Path, wanted: local.Wanted, running: Addresses) -> None:
    local.down(home, quiet)
    ports = [urlsplit(url or "").port or 0 for url in (running.database_url, running.mqtt_url)]
    with socket.create_server(("127.0.0.1", ports[0])), socket.create_server(("127.0.0.1", ports[1])):
        moved = local.up(home, wanted, quiet)
    now = [urlsplit(url or "").port for url in (moved.database_url, moved.mqtt_url)]
    assert not set(now) & set(ports)
    assert answers(moved)
    local.down(home, quiet)
    assert local.up(home, wanted, quiet) == moved


def test_a_start_that_fails_quotes_the_log(home: Path, wanted: local.Wanted, running: Addresses) -> None:
    local.down(home, quiet)
    control = home / "servers/postgres/data/global/pg_control"
    control.rename(control.with_name("away"))
    try:
        with pytest.raises(
            StackError, match=r"PostgreSQL did not start; .*postgres\.log ends with[^$]*pg_control"
        ):
            local.up(home, wanted, quiet)
    finally:
        control.with_name("away").rename(control)
    assert answers(local.up(home, wanted, quiet))


def test_a_cluster_that_was_half_made_is_made_anew(wanted: local.Wanted) -> None:
    with tempfile.TemporaryDirectory(prefix="odocare-") as name:
        Path(name).chmod(0o755)
        half = find_place(Path(name) / "home")
        half.open_servers()
        half.account.must(["mkdir", "-p", half.servers / "postgres/data.new/base"])
        try:
            addresses = local.up(half.home, replace(wanted, broker=False), quiet)
            assert addresses.mqtt_url is None
            assert addresses.database_url is not None
            assert scalar(addresses.database_url, "select 1") == 1
        finally:
            local.remove(half.home)
        assert not half.home.exists()


def test_a_temporary_stack_dies_with_its_owner_even_by_sigkill(runtime: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from odocare.stack.local import Wanted\n"
        "from odocare.stack.temporary import temporary_stack\n"
        f"with temporary_stack(Path({str(SETUP)!r}), Wanted(database=False)) as stack:\n"
        "    print(stack.home, flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    ) as owner:
        assert owner.stdout is not None
        home = Path(owner.stdout.readline().strip())
        broker = process.find("mosquitto", home / "servers/mosquitto/mosquitto.conf")
        assert broker is not None
        owner.kill()
    assert process.wait_gone(broker, within_s=30)
    deadline = time.monotonic() + 30
    while home.exists():
        assert time.monotonic() < deadline, f"{home} was left behind"


def test_a_temporary_stack_is_gone_after_an_error(runtime: Path) -> None:
    homes = []

    def fail() -> None:
        with temporary_stack(SETUP, local.Wanted(database=False)) as stack:
            assert stack.tester_mqtt_url is not None
            homes.append(stack.home)
            raise ValueError("of the test")

    with pytest.raises(ValueError, match="of the test"):
        fail()
    assert not homes[0].exists()


def odocare(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "odocare", *words],
        env=SILENT | {"ODOCARE_HOME": str(home)},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_commands_print_one_json_object_each(home: Path, running: Addresses) -> None:
    up = odocare(home, "up", "--json")
    assert up.returncode == 0, up.stderr
    assert [server["name"] for server in json.loads(up.stdout)["servers"]] == ["PostgreSQL", "Mosquitto"]
    status = json.loads(odocare(home, "status", "--json").stdout)
    assert status["problem"] is None
    assert status["broker"].endswith("answers")
    assert status["database"]["vehicles"] == 0
    assert all(server["disk_bytes"] > 0 and server["pid"] for server in status["servers"])
    assert status["vehicle_mqtt_url"].startswith("mqtts://127.0.0.1:")
    text = odocare(home, "status").stdout
    assert running.database_url is not None
    assert str(urlsplit(running.database_url).password) not in text + json.dumps(status)
    assert "contents: 0 vehicles" in text
    assert json.loads(odocare(home, "down", "--json").stdout) == {"stopped": ["Mosquitto", "PostgreSQL"]}
    after = odocare(home, "status")
    assert after.returncode == 0
    assert "is down" in after.stdout
    assert "no database: run `odocare up`" in after.stdout
    assert odocare(home, "down").stdout == "nothing was running\n"


def test_up_without_servers_says_what_to_do(runtime: Path) -> None:
    if runtime not in find_postgres(find_place(SETUP).account, runtime).require("", "").folder.parents:
        pytest.skip("this system has PostgreSQL 17 with TimescaleDB of its own")
    with tempfile.TemporaryDirectory(prefix="odocare-") as name:
        Path(name).chmod(0o755)
        refused = odocare(Path(name), "up")
    assert refused.returncode == 1
    assert "run `make setup`, or point ODOCARE_DATABASE_URL at a running server" in refused.stderr
