"""Real servers for every test: a private stack for the run, a private database for each test.

`ODOCARE_DATABASE_URL` and `ODOCARE_MQTT_URL` name running servers instead.
"""

import os
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from odocare.stack.local import Wanted
from odocare.stack.place import find_place
from odocare.stack.servers import find_mosquitto
from odocare.stack.temporary import SMALL, Temporary, temporary_stack
from store import migrate
from store.pool import Connection, connect
from vehicle.errors import StackError

REPOSITORY = Path(__file__).parent.parent
# what is compiled once serves every test, whatever home it has
os.environ.setdefault("ODOCARE_CACHE", str(REPOSITORY / os.environ.get("ODOCARE_HOME", ".odocare") / "cache"))


@pytest.fixture(scope="session")
def private_stack() -> Iterator[Temporary]:
    """Servers in a temporary folder, for what the environment does not name; gone after the run."""
    home = REPOSITORY / os.environ.get("ODOCARE_HOME", ".odocare")
    wanted = Wanted(
        database="ODOCARE_DATABASE_URL" not in os.environ,
        broker="ODOCARE_MQTT_URL" not in os.environ,
        size=SMALL,
    )
    try:
        with temporary_stack(home, wanted) as stack:
            yield stack
    except StackError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def mosquitto() -> Path:
    """The program, for brokers that a test may kill."""
    place = find_place(REPOSITORY / os.environ.get("ODOCARE_HOME", ".odocare"))
    try:
        return find_mosquitto(place.account, place.runtime).require("Mosquitto", "-").folder / "mosquitto"
    except StackError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def server_url(request: pytest.FixtureRequest) -> str:
    """A PostgreSQL 17 with TimescaleDB, as a role that may create databases with it."""
    if url := os.environ.get("ODOCARE_DATABASE_URL"):
        return url
    stack: Temporary = request.getfixturevalue("private_stack")
    assert stack.addresses.admin_database_url is not None
    return stack.addresses.admin_database_url


@pytest.fixture(scope="session")
def broker_url(request: pytest.FixtureRequest) -> str:
    """A Mosquitto 2 that lets the test read and write every topic."""
    if url := os.environ.get("ODOCARE_MQTT_URL"):
        return url
    stack: Temporary = request.getfixturevalue("private_stack")
    assert stack.tester_mqtt_url is not None
    return stack.tester_mqtt_url


def _create(server_url: str, name: str, template: str) -> str:
    with psycopg.connect(server_url, autocommit=True) as conn:
        conn.execute(
            sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(template))
        )
    return make_conninfo(server_url, dbname=name)


def _drop(server_url: str, name: str) -> None:
    with psycopg.connect(server_url, autocommit=True) as conn:
        conn.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def template_database(server_url: str) -> Iterator[str]:
    """The name of a migrated, empty database that the tests clone."""
    name = f"odocare_template_{uuid.uuid4().hex[:8]}"
    url = _create(server_url, name, "template0")
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("create extension if not exists timescaledb")
    with psycopg.connect(url) as conn:
        conn.execute(migrate.CREATE_LEDGER)
        for migration in migrate.read_migrations():
            conn.execute(migration.body)
            conn.execute(migrate.RECORD, migration.record)
    yield name
    _drop(server_url, name)


@pytest.fixture
def database_url(server_url: str, template_database: str) -> Iterator[str]:
    """A migrated, empty database of this test's own."""
    name = f"odocare_test_{uuid.uuid4().hex[:12]}"
    yield _create(server_url, name, template_database)
    _drop(server_url, name)


@pytest.fixture
async def conn(database_url: str) -> AsyncIterator[Connection]:
    """A connection in autocommit mode to this test's database."""
    async with connect(database_url) as connection:
        yield connection
