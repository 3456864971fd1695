"""Who may log in over GB/T 32960: registered vehicles, each with its own SIM card."""

import asyncio
from contextlib import AsyncExitStack
from typing import Final

import psycopg

from decoders.gbt32960 import messages
from decoders.gbt32960.packet import Packet
from decoders.gbt32960.session import Login
from store import vehicles
from store.pool import Connection, connect
from store.vehicles import Terminal
from vehicle.errors import UnknownVehicleError, WrongTerminalError
from vehicle.vin import Vin

_AWAY: Final = (psycopg.OperationalError, psycopg.InterfaceError, TimeoutError, OSError)
_LONGEST_S: Final = 10.0
_PAUSE_S: Final = 0.5


class Gate:
    """Asks the database on a connection of its own, made anew whenever it fails."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._stack = AsyncExitStack()
        self._conn: Connection | None = None
        self._alone = asyncio.Lock()

    async def __aenter__(self) -> "Gate":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._disconnect()

    async def admit(self, packet: Packet) -> Vin:
        """The vehicle that logs in. Raises `DecodeError`; waits while the database is away."""
        vin, login = packet.vin, messages.decode(packet)
        assert isinstance(login, Login)
        found = await self._terminal(vin)
        if found is None:
            raise UnknownVehicleError("a login is a registered vehicle's, got another VIN")
        if found.iccid is None:
            raise WrongTerminalError("the vehicle has no SIM card: import its iccid")
        if login.iccid.upper() != found.iccid.upper():
            raise WrongTerminalError("a login comes from the vehicle's own SIM card, got another ICCID")
        return vin

    async def _terminal(self, vin: Vin) -> Terminal | None:
        async with self._alone:
            while True:
                try:
                    async with asyncio.timeout(_LONGEST_S):
                        return await vehicles.terminal(await self._connected(), vin)
                except _AWAY:
                    await self._disconnect()
                await asyncio.sleep(_PAUSE_S)

    async def _connected(self) -> Connection:
        if self._conn is None or self._conn.closed:
            await self._disconnect()
            self._conn = await self._stack.enter_async_context(connect(self._database_url))
        return self._conn

    async def _disconnect(self) -> None:
        conn, self._conn = self._conn, None
        try:
            await self._stack.aclose()
        except _AWAY:
            return
        finally:
            if conn is not None:
                await conn.close()  # also where it was given up in the middle of a statement
