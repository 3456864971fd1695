"""Real servers for every test: a private database per test, cloned from a migrated template."""

import os
import uuid
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from store import migrate
from store.pool import Connection, connect


@pytest.fixture(scope="session")
def server_url() -> str:
    """A PostgreSQL 17 with TimescaleDB where databases can be created."""
    url = os.environ.get("ODOCARE_DATABASE_URL")
    if url is None:
        pytest.skip("no PostgreSQL: run `make up`, or set ODOCARE_DATABASE_URL")
    return url


@pytest.fixture(scope="session")
def broker_url() -> str:
    """A Mosquitto 2 that lets the test write every topic."""
    url = os.environ.get("ODOCARE_MQTT_URL")
    if url is None:
        pytest.skip("no Mosquitto: run `make up`, or set ODOCARE_MQTT_URL")
    return url


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
        for migration in migrate.read_migrations():
            conn.execute(migration.body)
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
