"""`odocare ingest --gbt32960` as a process: killed between commit and answer, stopped, over TLS."""

import asyncio
import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from decoders.gbt32960.words import AckFlag
from odocare.stack.process import free_port
from store.pool import Connection
from tests.ingest.broker import OwnBroker, until
from tests.ingest.gbt_packets import ICCID, alarming, login
from tests.ingest.gbt_terminal import Terminal
from tests.ingest.senders import SECOND_US, T0_US, vin

A: Final = vin(1)
OK: Final = AckFlag.OK
DEADLINE_S: Final = 60


def started(
    folder: Path, ready: Path, port: int, database_url: str, broker_url: str, settings: dict[str, str]
) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "ODOCARE_DATABASE_URL": database_url,
        "ODOCARE_MQTT_URL": broker_url,
        "ODOCARE_HOME": str(folder / "home"),
        **settings,
    }
    command = [sys.executable, "-m", "odocare", "ingest", "--json", "--gbt32960", str(port)]
    with (folder / "ingest.log").open("ab") as sink:
        return subprocess.Popen(
            [*command, "--ready-file", str(ready)], env=environment, stdout=subprocess.PIPE, stderr=sink
        )


def certified(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, pem_key = folder / "certificate.pem", folder / "key.pem"
    pem.write_bytes(certificate.public_bytes(Encoding.PEM))
    pem_key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return pem, pem_key


async def answers_left(terminal: Terminal) -> list[AckFlag]:
    """What is answered before the platform hangs up."""
    flags = []
    try:
        while True:
            flags.append(AckFlag((await terminal.answer()).flag))
    except (asyncio.IncompleteReadError, ConnectionError):
        return flags


@asynccontextmanager
async def ingesting(
    folder: Path, database_url: str, broker: OwnBroker, **settings: str
) -> AsyncIterator[tuple[subprocess.Popen[bytes], int]]:
    """The command and its port for terminals."""
    port, ready = free_port(), folder / "ready"
    ready.unlink(missing_ok=True)
    process = started(folder, ready, port, database_url, broker.url, settings)
    try:
        await until(lambda: ready.exists() or process.poll() is not None, "the process to be ready")
        assert process.poll() is None, (folder / "ingest.log").read_text()
        yield process, port
    finally:
        process.kill()
        if process.stdout is not None and not process.stdout.closed:
            process.communicate()


@pytest.fixture
async def registered(conn: Connection) -> None:
    await conn.execute("insert into vehicle (vin, iccid, registered_at) values (%s, %s, now())", [A, ICCID])


async def count(conn: Connection) -> int:
    row = await (await conn.execute("select count(*) from message")).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.usefixtures("registered")
async def test_killed_between_commit_and_answer_the_vehicle_sends_again_and_nothing_doubles(
    conn: Connection, database_url: str, own_broker: OwnBroker, tmp_path: Path
) -> None:
    reports = [alarming(A, T0_US + n * SECOND_US, 3) for n in range(200)]
    for _ in range(3):
        async with (
            ingesting(tmp_path, database_url, own_broker) as (process, port),
            Terminal(port) as terminal,
        ):
            assert await terminal.log_in(A, T0_US) == OK
            before = await count(conn)
            # its kernel takes everything and it answers nothing that we read: the answers die with it
            await terminal.send(*reports[: 60 + before])
            async with asyncio.timeout(DEADLINE_S):
                while await count(conn) <= before:  # noqa: ASYNC110  # another process writes it
                    await asyncio.sleep(0.005)
            process.send_signal(signal.SIGKILL)
            process.wait(DEADLINE_S)
    async with ingesting(tmp_path, database_url, own_broker) as (process, port), Terminal(port) as terminal:
        assert await terminal.log_in(A, T0_US) == OK
        sending = asyncio.create_task(terminal.send(*reports))
        assert await terminal.flags(200) == [OK] * 200
        await sending
        process.send_signal(signal.SIGTERM)
        said, _ = await asyncio.to_thread(process.communicate, timeout=DEADLINE_S)
        assert process.returncode == 0
    told = json.loads(said)
    assert told["received"] == told["stored"] + told["doubled"] == 201
    assert told["doubled"] >= 2
    assert await count(conn) == 201
    cur = await conn.execute("select sum(samples_n) from vehicle_day")
    assert await cur.fetchone() == (200,)  # a level each
    cur = await conn.execute("select count(*) from fault_report")
    assert await cur.fetchone() == (1,)
    assert A not in (tmp_path / "ingest.log").read_text()


@pytest.mark.usefixtures("registered")
async def test_told_to_stop_it_stores_and_answers_what_it_has_read(
    conn: Connection, database_url: str, own_broker: OwnBroker, tmp_path: Path
) -> None:
    async with ingesting(tmp_path, database_url, own_broker) as (process, port), Terminal(port) as terminal:
        assert await terminal.log_in(A, T0_US) == OK
        await terminal.send(*(alarming(A, T0_US + n * SECOND_US) for n in range(30)))
        first = await terminal.answer()
        process.send_signal(signal.SIGTERM)
        flags = [AckFlag(first.flag), *await answers_left(terminal)]
        await asyncio.to_thread(process.communicate, timeout=DEADLINE_S)
        assert process.returncode == 0
    assert set(flags) == {OK}
    assert await count(conn) == 1 + len(flags)


@pytest.mark.usefixtures("registered")
async def test_terminals_may_come_over_tls(
    conn: Connection, database_url: str, own_broker: OwnBroker, tmp_path: Path
) -> None:
    certificate, key = certified(tmp_path)
    settings = {
        "ODOCARE_GBT32960_CERTIFICATE": str(certificate),
        "ODOCARE_GBT32960_PRIVATE_KEY": str(key),
    }
    trusting = ssl.create_default_context(cafile=str(certificate))
    async with ingesting(tmp_path, database_url, own_broker, **settings) as (_, port):
        async with Terminal(port, tls=trusting) as terminal:
            assert await terminal.log_in(A, T0_US) == OK
        async with Terminal(port) as plain_one:
            await plain_one.send(login(A, T0_US))
            assert await plain_one.is_hung_up()
    assert await count(conn) == 1
