"""A plain MQTT subscriber that remembers what it was given."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import gmqtt

DEADLINE_S = 20.0


class Listener:
    """What came in, in order."""

    def __init__(self) -> None:
        self.bodies: list[tuple[str, bytes]] = []
        self._came = asyncio.Event()

    def take(self, _client: Any, topic: str, body: bytes, _qos: int, _properties: dict[str, Any]) -> int:
        self.bodies.append((topic, body))
        self._came.set()
        return 0

    async def until(self, is_enough: Callable[[], bool]) -> None:
        """Wait until enough has come."""
        async with asyncio.timeout(DEADLINE_S):
            while not is_enough():
                self._came.clear()
                await self._came.wait()


@asynccontextmanager
async def listening(url: str, topic: str, *, keeps_session: bool = False) -> AsyncIterator[Listener]:
    """Subscribed to a topic filter at QoS 1 before it is entered."""
    parts = urlsplit(url)
    listener, subscribed = Listener(), asyncio.Event()
    client = gmqtt.Client(
        f"test-{uuid.uuid4().hex[:12]}",
        clean_session=not keeps_session,
        session_expiry_interval=600 if keeps_session else 0,
    )
    client.set_config({"reconnect_delay": 0.1, "reconnect_retries": -1})
    if parts.username:
        client.set_auth_credentials(parts.username, parts.password)
    client.on_message = listener.take
    client.on_subscribe = lambda *_: subscribed.set()
    async with asyncio.timeout(DEADLINE_S):
        await client.connect(parts.hostname, parts.port)
        client.subscribe(topic, qos=1)
        await subscribed.wait()
    try:
        yield listener
    finally:
        await client.disconnect()
