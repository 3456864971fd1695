"""Who may log in over GB/T 32960: registered vehicles, each with its own SIM card."""

import asyncio
from typing import Final

from decoders.gbt32960 import messages
from decoders.gbt32960.packet import Packet
from decoders.gbt32960.session import Login
from store import vehicles
from store.pool import AWAY, LastingConnection
from store.vehicles import Terminal
from vehicle.errors import UnknownVehicleError, WrongTerminalError
from vehicle.vin import Vin

_LONGEST_S: Final = 10.0
_PAUSE_S: Final = 0.5


class Gate:
    """Asks the database on a connection of its own, made anew whenever it fails."""

    def __init__(self, database_url: str) -> None:
        self._conn = LastingConnection(database_url)
        self._alone = asyncio.Lock()

    async def __aenter__(self) -> "Gate":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._conn.drop()

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
                        return await vehicles.terminal(await self._conn.get(), vin)
                except AWAY:
                    await self._conn.drop()
                await asyncio.sleep(_PAUSE_S)
