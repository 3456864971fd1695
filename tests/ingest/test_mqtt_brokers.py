"""The door with brokers that are slow, silent, late, stingy, or none at all."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from ingest.batcher import Batcher, Limits
from ingest.mqtt import Broker, Door
from tests.ingest.broker import OwnBroker, until
from tests.ingest.doors import FEW, bodies, numbered, open_door, send
from vehicle.errors import SettingsError


class Between:
    """A cable to the broker that may stop to carry anything, without an end that anybody could see."""

    def __init__(self, broker: OwnBroker) -> None:
        self._broker = broker
        self._carrying = asyncio.TaskGroup()
        self.is_deaf = False
        self.url = ""

    async def __aenter__(self) -> "Between":
        await self._carrying.__aenter__()
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.url = f"mqtt://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *error: Any) -> None:
        self._server.close()
        await self._carrying.__aexit__(*error)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._broker.port)
        self._carrying.create_task(self._carry(reader, back))
        self._carrying.create_task(self._carry(there, writer))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(1 << 16):
                if not self.is_deaf:
                    writer.write(data)
        writer.close()


def slow_broker(listener: socket.socket, heard: list[bytes]) -> None:
    """Give one client ten messages, read a packet at a time and write in between, as Mosquitto does."""
    connection, _ = listener.accept()
    with connection:
        connection.recv(1000)  # CONNECT
        connection.sendall(bytes.fromhex("2003000000"))
        connection.recv(1000)  # SUBSCRIBE
        publish = bytes.fromhex("320c 0003 612f62 0001 00 30303030")
        messages = b"".join(publish[:7] + bytes([0, number]) + publish[9:] for number in range(1, 11))
        connection.sendall(bytes.fromhex("9005 0001 00 01 01") + messages)
        for _ in range(3000):  # until it has said all it has to say
            if connection.recv(1000, socket.MSG_PEEK).endswith(b"\xe0\x00"):
                break
            time.sleep(0.01)
        while not heard or heard[-1][:1] != b"\xe0":
            heard.append(connection.recv(2, socket.MSG_WAITALL))
            if heard[-1] == b"\x40\x02":
                heard[-1] += connection.recv(2, socket.MSG_WAITALL)
            connection.sendall(bytes.fromhex("d000"))


async def test_the_door_waits_until_a_slow_broker_has_read_its_acknowledgements() -> None:
    batcher = Batcher(FEW)
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        reading = asyncio.create_task(asyncio.to_thread(slow_broker, listener, heard))
        async with open_door(f"mqtt://127.0.0.1:{listener.getsockname()[1]}", batcher):
            batcher.done(await asyncio.wait_for(batcher.take(), 30))
        await reading
    assert heard == [*(b"\x40\x02\x00" + bytes([number]) for number in range(1, 11)), b"\xe0\x00"]


async def test_a_broker_that_falls_silent_is_left_and_found_again(own_broker: OwnBroker) -> None:
    batcher = Batcher(FEW)
    async with Between(own_broker) as between, open_door(between.url, batcher, keep_alive_s=1) as door:
        between.is_deaf = True
        await until(lambda: not door.state.connected, "the silence to be noticed")
        between.is_deaf = False
        await until(lambda: door.state.connected, "the reconnect")
        assert door.state.sessions_lost == 0
        await send(own_broker, numbered(3))
        assert bodies(await asyncio.wait_for(batcher.take(), 30)) == [0, 1, 2]


async def test_a_pressed_door_is_not_taken_for_a_silent_broker(own_broker: OwnBroker) -> None:
    batcher = Batcher(Limits(messages=4, age_s=0.01, waiting_bytes=400_000))
    async with open_door(own_broker.url, batcher, receive_maximum=1000, keep_alive_s=1) as door:
        since = door.state.since
        await send(own_broker, numbered(100, size=100_000))
        await until(lambda: batcher.is_pressed, "pressure")
        pressed_at = asyncio.get_running_loop().time()
        await until(lambda: asyncio.get_running_loop().time() > pressed_at + 2.5, "more than the keep-alive")
        seen: list[int] = []
        while len(seen) < 100:
            batch = await asyncio.wait_for(batcher.take(), 30)
            seen += bodies(batch)
            batcher.done(batch)
            door.relieve()
        assert seen == list(range(100))
        assert door.state.since == since, "it stayed connected"


@asynccontextmanager
async def saying(said: str) -> AsyncIterator[Broker]:
    """A broker that says this to everybody, whatever it hears, and hangs up when it hears no more."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes.fromhex(said))
        if said:
            await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield Broker("127.0.0.1", server.sockets[0].getsockname()[1])


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("20 03 00 87 00", "the broker does not let us in: not authorized"),
        ("20 03 00 00 00 90 05 0001 00 87 01", "the broker refuses tbox/v1/+/up/#: not authorized"),
        ("20 03 00 00 00 90 05 0001 00 00 01", "the broker grants tbox/v1/+/up/# at QoS 0"),
        ("20 03 00 00 00 90 04 0001 00 01", "the broker answers two subscriptions with 1 codes"),
        ("20 03 00 00 00 e0 01 8b", "before we had subscribed: the broker ended it: server shutting down"),
        ("20 03 00 00 00 90 05 0002 00 01 01", "PacketError: SUBACK answers nothing that was asked"),
        ("62 02 0001", "PacketError: a subscriber at QoS 1 does not get packets that begin with 0x62"),
        ("", "the broker hung up before it let us in"),
        ("90 05 0001 00 01 01", "PacketError: a connection begins with CONNACK, got SUBACK"),
        ("32 08 0003 612f62 000a 00", "PacketError: a connection begins with CONNACK, got PUBLISH"),
    ],
)
async def test_why_a_broker_is_not_used_is_told(said: str, why: str) -> None:
    async with saying(said) as broker:
        door = Door(broker, Batcher(FEW), client_id="test-door", receive_maximum=20)
        with capture_logs() as told:
            running = asyncio.create_task(door.run())
            await until(lambda: any("error" in line for line in told), "an error")
            running.cancel()
            await asyncio.wait([running])
    assert why in next(line["error"] for line in told if "error" in line)
    assert not door.state.connected


async def test_a_broker_that_keeps_the_session_for_less_is_used_and_told_of() -> None:
    async with saying("20 08 00 00 05 11 00000e10 90 05 0001 00 01 87") as broker:
        with capture_logs() as told:
            async with open_door(f"mqtt://127.0.0.1:{broker.port}", Batcher(FEW)):
                pass
    warned = {line["event"]: line.get("expiry_s") for line in told if line["log_level"] == "warning"}
    assert warned == {
        "the broker keeps our session for less than we ask": 3600,
        "the broker keeps its log to itself: what it refuses is not counted": None,
    }


async def test_a_broker_that_comes_late_is_waited_for(mosquitto: Path, tmp_path: Path) -> None:
    broker = OwnBroker(mosquitto, tmp_path)
    batcher = Batcher(FEW)
    door = Door(Broker.parse(broker.url), batcher, client_id="test-door", receive_maximum=20)
    running = asyncio.create_task(door.run())
    await asyncio.sleep(0.05)
    broker.start()
    try:
        await until(lambda: door.state.connected, "the connection")
    finally:
        running.cancel()
        await asyncio.wait([running])
        broker.stop()


async def test_relieving_a_door_whose_broker_does_not_accept_does_nothing() -> None:
    with ExitStack() as held:
        listener = held.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):  # its queue is full: who connects now waits
            filling = held.enter_context(socket.socket())
            filling.setblocking(False)
            filling.connect_ex(listener.getsockname())
        broker = Broker("127.0.0.1", listener.getsockname()[1])
        door = Door(broker, Batcher(FEW), client_id="test-door", receive_maximum=20)
        running = asyncio.create_task(door.run())
        await until(lambda: door.state.since > 0, "the first attempt")
        door.relieve()
        assert not running.done()
        running.cancel()
        await asyncio.wait([running])
    assert not door.state.connected


@pytest.mark.parametrize("url", ["http://localhost", "mqtt://", "localhost:1883"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="mqtt://user:password@host:port"):
        Broker.parse(url)


def test_an_address_is_read_with_its_secrets() -> None:
    broker = Broker.parse("mqtts://in%40gest:s%2Fcret@broker.example")
    assert (broker.host, broker.port, broker.username, broker.password, broker.tls) == (
        "broker.example",
        8883,
        "in@gest",
        "s/cret",
        True,
    )
    assert "s/cret" not in repr(broker)
