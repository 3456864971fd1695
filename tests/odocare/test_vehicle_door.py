"""The door for vehicles: certificates and the access list, with real clients on a broker of our own."""

import asyncio
import json
import os
import ssl
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import gmqtt
import pytest
from gmqtt.mqtt.constants import MQTTv50, MQTTv311
from structlog.testing import capture_logs
from typer.testing import CliRunner

from ingest.batcher import Batcher, Limits
from ingest.mqtt import Broker, Door
from odocare import broker_tls
from odocare.cli import cli
from odocare.pki.authority import Authority, Kind
from odocare.pki.folder import PkiFolder
from odocare.stack import local
from odocare.stack.broker import is_trusted
from odocare.stack.temporary import Temporary, temporary_stack
from simulator.outgoing import Outgoing
from simulator.publish import Publisher, PublishError
from tests.simulator.listener import DEADLINE_S, listening
from vehicle.errors import StackError

SETUP = Path(__file__).parents[2] / os.environ.get("ODOCARE_HOME", ".odocare")
OURS, OTHERS = "1G4AH59H45G118341", "LRW3E7FA7NC000001"


def up(vin: str) -> str:
    return f"tbox/v1/{vin}/up/can"


def down(vin: str) -> str:
    return f"tbox/v1/{vin}/down/ack"


@dataclass(frozen=True)
class Site:
    """A running stack and its development CA."""

    stack: Temporary
    pki: PkiFolder

    @property
    def url(self) -> str:
        assert self.stack.addresses.vehicle_mqtt_url is not None
        return self.stack.addresses.vehicle_mqtt_url

    @property
    def tester(self) -> str:
        assert self.stack.tester_mqtt_url is not None
        return self.stack.tester_mqtt_url

    def issue(self, name: str, kind: Kind = Kind.VEHICLE) -> ssl.SSLContext:
        """What a client with a fresh certificate of this name shows."""
        self.pki.issue_clients([name], kind, now=datetime.now(UTC), again=True)
        return self.shown(self.pki.issued / f"{name}.pem", self.pki.issued / f"{name}.key")

    def shown(self, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
        trust = broker_tls.context(broker_tls.Paths(self.pki.certificate, certificate, key))
        trust.verify_flags |= ssl.VERIFY_X509_STRICT  # the default from Python 3.13 on
        return trust

    def foreign(
        self, authority: Authority, name: str, folder: Path, *, now: datetime, kind: Kind = Kind.VEHICLE
    ) -> ssl.SSLContext:
        """What a client shows that got its certificate past the folder."""
        made = authority.issue(name, kind, now=now, days=30, hosts=[name] if kind is Kind.SERVER else [])
        (folder / "one.pem").write_text(made.certificate_pem + made.key_pem)
        return self.shown(folder / "one.pem")

    def authority(self) -> Authority:
        return Authority.load(self.pki.certificate.read_text(), (self.pki.root / "ca.key").read_text())


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    try:
        with temporary_stack(SETUP, local.Wanted(database=False)) as stack:
            yield Site(stack, local.pki_folder(stack.home))
    except StackError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@asynccontextmanager
async def vehicle(
    site: Site, trust: ssl.SSLContext, *, version: int = MQTTv50, client_id: str | None = None
) -> AsyncIterator[Any]:
    """A connected client that remembers what it `heard` and whether it is `lost`."""
    parts = urlsplit(site.url)
    one = gmqtt.Client(client_id or f"test-{uuid.uuid4().hex[:12]}")
    one.set_config({"reconnect_retries": -2})
    one.lost, one.heard, one.hears = asyncio.Event(), [], asyncio.Event()
    one.on_disconnect = lambda *_: one.lost.set()

    def hear(_client: Any, topic: str, *_: Any) -> int:
        one.heard.append(topic)
        one.hears.set()
        return 0

    one.on_message = hear
    async with asyncio.timeout(DEADLINE_S):
        await one.connect(parts.hostname, parts.port, ssl=trust, version=version)
    try:
        yield one
    finally:
        await one.disconnect()


async def is_let_in(site: Site, trust: ssl.SSLContext) -> bool:
    """Whether the broker lets a client in that shows this."""
    try:
        async with Publisher(site.url, trust=trust):
            return True
    except PublishError as error:
        if "does not let the simulator in" not in str(error):
            raise
        return False


async def test_a_vehicle_speaks_for_itself_and_for_no_other(site: Site) -> None:
    async with listening(site.tester, "tbox/#") as listener:
        async with Publisher(site.url, trust=site.issue(OURS)) as publisher:
            for topic in (up(OTHERS), down(OURS), f"tbox/v1/{OURS}", up(OURS)):
                await publisher.send(Outgoing(topic, b"x"))
            await publisher.drain()
        await listener.until(lambda: bool(listener.bodies))
    assert publisher.delivery.refused == {"not authorized": 3}
    assert publisher.delivery.reconnects == 0
    assert [topic for topic, _ in listener.bodies] == [up(OURS)]


async def test_an_old_client_is_acknowledged_but_what_it_says_for_others_does_not_arrive(site: Site) -> None:
    async with (
        listening(site.tester, "tbox/#") as listener,
        vehicle(site, site.issue(OURS), version=MQTTv311) as one,
    ):
        one.publish(up(OTHERS), b"x", qos=1)
        one.publish(up(OURS), b"x", qos=1)
        await listener.until(lambda: any(topic == up(OURS) for topic, _ in listener.bodies))
    assert [topic for topic, _ in listener.bodies] == [up(OURS)]


async def test_a_vehicle_hears_its_own_down_only_whatever_it_subscribes_to(site: Site) -> None:
    async with vehicle(site, site.issue(OURS)) as one:
        granted = asyncio.Event()
        one.on_subscribe = lambda *_: granted.set()
        one.subscribe([gmqtt.Subscription("#", qos=1), gmqtt.Subscription("$SYS/#", qos=1)])
        async with asyncio.timeout(DEADLINE_S):
            await granted.wait()
            async with Publisher(site.tester) as tester:
                for topic in (down(OTHERS), up(OTHERS), up(OURS), down(OURS)):
                    await tester.send(Outgoing(topic, b"x"))
                await tester.drain()
            await one.hears.wait()
    assert one.heard == [down(OURS)]


async def test_nobody_connects_without_a_certificate(site: Site) -> None:
    assert not await is_let_in(site, site.shown())


async def test_a_password_is_no_certificate(site: Site) -> None:
    ingest = urlsplit(site.stack.addresses.mqtt_url or "")
    url = site.url.replace("://", f"://{ingest.username}:{ingest.password}@")
    with pytest.raises(PublishError, match="hung up: is the certificate in force"):
        async with Publisher(url, trust=site.shown()):
            pass


async def test_another_authoritys_certificate_is_refused(site: Site, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    name = site.authority().certificate.subject.rfc4514_string().removeprefix("CN=")
    foreign = Authority.make(name, now=now, days=365)
    assert not await is_let_in(site, site.foreign(foreign, OURS, tmp_path, now=now))


async def test_an_expired_certificate_is_refused(site: Site, tmp_path: Path) -> None:
    then = datetime.now(UTC) - timedelta(days=31)
    assert not await is_let_in(site, site.foreign(site.authority(), OURS, tmp_path, now=then))


async def test_a_servers_certificate_is_no_clients(site: Site, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    shown = site.foreign(site.authority(), "ingest", tmp_path, now=now, kind=Kind.SERVER)
    assert not await is_let_in(site, shown)


@pytest.mark.parametrize("name", ["+", "#", "x/up"])
async def test_a_name_with_wildcards_opens_no_topic(site: Site, tmp_path: Path, name: str) -> None:
    shown = site.foreign(site.authority(), name, tmp_path, now=datetime.now(UTC))
    try:
        async with Publisher(site.url, trust=shown) as publisher:
            await publisher.send(Outgoing(up(OTHERS), b"x"))
            await publisher.drain()
    except PublishError:
        return  # not even let in
    assert publisher.delivery.refused == {"not authorized": 1}


async def test_a_revoked_certificate_is_refused_and_a_new_one_of_the_vehicle_is_not(site: Site) -> None:
    vin = "1G4AH59H45G118342"
    old = site.issue(vin)
    assert await is_let_in(site, old)
    for _ in range(2):  # the second list takes the first one's place within the same second
        assert len(site.pki.revoke(vin, now=datetime.now(UTC))) == 1
        assert local.tell_broker(site.stack.home)
        assert not await is_let_in(site, old)
        new = site.issue(vin)
        assert local.tell_broker(site.stack.home)
        assert await is_let_in(site, new)
        old = new


async def test_what_is_connected_when_it_is_revoked_is_not_heard_any_more(site: Site) -> None:
    vin = "1G4AH59H45G118343"
    async with (
        listening(site.tester, up(vin)) as listener,
        Publisher(site.url, trust=site.issue(vin)) as publisher,
    ):
        await publisher.send(Outgoing(up(vin), b"before"))
        await publisher.drain()
        site.pki.revoke(vin, now=datetime.now(UTC))
        assert local.tell_broker(site.stack.home)
        await publisher.send(Outgoing(up(vin), b"after"))
        await publisher.drain()
        assert publisher.delivery.refused == {"not authorized": 1}
        assert publisher.delivery.reconnects == 0
        await listener.until(lambda: bool(listener.bodies))
    assert [body for _, body in listener.bodies] == [b"before"]


async def test_a_session_is_its_certificates_whatever_client_id_another_names(site: Site) -> None:
    async with (
        vehicle(site, site.issue(OURS), client_id="same") as one,
        vehicle(site, site.issue(OTHERS), client_id="same"),
    ):
        async with vehicle(site, site.issue(OTHERS), client_id=OURS) as thief:
            acknowledged = asyncio.Event()
            thief.on_subscribe = lambda *_: acknowledged.set()
            thief.subscribe("x", qos=0)
            async with asyncio.timeout(DEADLINE_S):
                await acknowledged.wait()
        assert not one.lost.is_set()


async def test_asking_whether_the_broker_answers_takes_nobodys_session_over(site: Site) -> None:
    parts, shown = urlsplit(site.url), site.issue(OURS)
    async with vehicle(site, shown) as one:
        assert await asyncio.to_thread(is_trusted, parts.hostname or "", parts.port or 0, shown)
        one.subscribe("x", qos=0)
        granted = asyncio.Event()
        one.on_subscribe = lambda *_: granted.set()
        async with asyncio.timeout(DEADLINE_S):
            await granted.wait()
        assert not one.lost.is_set()


async def test_a_vehicle_does_not_talk_to_a_broker_of_another_authority(site: Site, tmp_path: Path) -> None:
    ours = Authority.make("another", now=datetime.now(UTC), days=365)
    (tmp_path / "ca.pem").write_text(ours.certificate_pem)
    trust = broker_tls.context(broker_tls.Paths(ca=tmp_path / "ca.pem"))
    with pytest.raises(PublishError, match="is not to be trusted"):
        async with Publisher(site.url, trust=trust):
            pass


async def test_ingest_hears_vehicles_over_tls_with_a_certificate_of_its_own(site: Site) -> None:
    vin = "1G4AH59H45G118344"
    batcher, ready = Batcher(Limits(messages=1)), asyncio.Event()
    door = Door(
        Broker.parse(site.url, site.issue("ingest", Kind.SERVICE)),
        batcher,
        client_id="over-tls",
        receive_maximum=10,
        on_ready=ready.set,
    )
    running = asyncio.create_task(door.run())
    try:
        async with asyncio.timeout(DEADLINE_S):
            await ready.wait()
            async with Publisher(site.url, trust=site.issue(vin)) as publisher:
                await publisher.send(Outgoing(up(vin), b"over tls"))
                await publisher.drain()
            while True:
                batch = await batcher.take()
                batcher.done(batch)
                if any(one.topic == up(vin) for one in batch.deliveries):
                    break
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_ingest_says_why_it_is_not_let_in_and_tries_again(site: Site) -> None:
    broker = Broker.parse(site.url, site.shown())
    door = Door(broker, Batcher(Limits()), client_id="refused", receive_maximum=10)
    with capture_logs() as said:
        running = asyncio.create_task(door.run())
        async with asyncio.timeout(DEADLINE_S):
            while sum(line["event"] == "broker not reached" for line in said) < 2:  # noqa: ASYNC110  # a log
                await asyncio.sleep(0.02)
        running.cancel()
        await asyncio.wait([running])
    errors = {line["error"] for line in said if line["event"] == "broker not reached"}
    assert errors == {"_RefusedError: the broker hung up before it let us in: is our certificate in force?"}


def test_a_capture_goes_through_the_door_until_its_vehicle_is_revoked(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("ODOCARE_MQTT")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ODOCARE_HOME", str(site.stack.home))
    capture, vin = tmp_path / "short.log", "1G4AH59H45G118345"
    capture.write_text("(1700000000.000000) can0 123#0102\n", encoding="ascii")
    replay = ["replay", str(capture), "--vin", vin, "--fast", "--tls"]

    def run(*words: str) -> Any:
        return CliRunner().invoke(cli, words)

    assert "run `odocare pki issue 1G4AH59H45G118345`" in str(run(*replay).exception)
    assert run("pki", "issue", vin).exit_code == 0
    sent = run(*replay, "--json")
    assert (json.loads(sent.stdout)["accepted"], sent.exit_code) == (1, 0)
    assert json.loads(run("pki", "revoke", vin, "--json").stdout)["broker_told"]
    refused = run(*replay)
    assert "does not let the simulator in" in str(refused.exception)
    assert run(*replay, "--broker", site.url).exit_code == 2
