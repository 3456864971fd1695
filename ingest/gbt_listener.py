"""The second door of ingest: terminals that speak GB/T 32960.3 over TCP, each on a connection of its own."""

import asyncio
import traceback
from types import TracebackType
from typing import Final

import structlog

from decoders.gbt32960.packet import Packet
from ingest.batcher import Batcher
from ingest.delivery import Delivery
from ingest.gbt_gate import Gate
from ingest.gbt_limits import ListenerOptions
from ingest.gbt_session import Session
from ingest.metrics import Metrics
from vehicle.errors import RepeatedLoginError, SettingsError
from vehicle.vin import Vin

log: Final = structlog.get_logger(__name__)

_HANDSHAKE_S: Final = 10.0
_BACKLOG: Final = 1024
_READ_AHEAD_BYTES: Final = 16 * 1024
_MINUTE_S: Final = 60.0
_FLUSH_S: Final = 5.0
"""Longest time that answers to what is stored have to leave at the end."""


class Listener:
    """Accepts connections, knows who is online, and puts what they say into the batches of the other door."""

    def __init__(self, options: ListenerOptions, batcher: Batcher, gate: Gate, metrics: Metrics) -> None:
        self.options = options
        self._batcher = batcher
        self._gate = gate
        self._metrics = metrics
        self._sessions: dict[Session, asyncio.Task[None]] = {}
        self._online: dict[Vin, Session] = {}
        self._server: asyncio.Server | None = None
        self._strangers_since = 0.0
        self._strangers_n = 0
        self.port = 0
        """Where it listens."""

    async def __aenter__(self) -> "Listener":
        options = self.options
        try:
            self._server = await asyncio.start_server(
                self._serve,
                options.host,
                options.port,
                ssl=options.tls,
                ssl_handshake_timeout=None if options.tls is None else _HANDSHAKE_S,
                backlog=_BACKLOG,
                limit=_READ_AHEAD_BYTES,
            )
        except OSError as error:
            raise SettingsError(
                f"GB/T 32960 cannot be listened for at {options.host}:{options.port}: {error.strerror}"
            ) from error
        self.port = self._server.sockets[0].getsockname()[1]
        log.info("listening for GB/T 32960", host=options.host, port=self.port, tls=options.tls is not None)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        tasks = set(self._sessions.values())
        if tasks and kind is None:
            await asyncio.wait(tasks, timeout=_FLUSH_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def stop(self) -> None:
        """Accept and read no more."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for session in self._sessions:
            session.stop()

    async def admit(self, session: Session, packet: Packet) -> Vin:
        """The vehicle that logs in, online from now on; see `Gate.admit`. Raises `DecodeError`."""
        vin = await self._gate.admit(packet)
        other = self._online.get(vin)
        if other is not None and other is not session:
            silent_s = asyncio.get_running_loop().time() - other.heard_at
            if silent_s < self.options.fresh_s:
                raise RepeatedLoginError(f"the vehicle is online, heard of {silent_s:.0f} s ago")
            self._sessions[other].cancel()
        self._online[vin] = session
        self._tell()
        return vin

    def leave(self, session: Session) -> None:
        """Its vehicle is offline, if it was online here."""
        if session.vin is not None and self._online.get(session.vin) is session:
            del self._online[session.vin]
            self._tell()

    @property
    def is_pressed(self) -> bool:
        """Whether more must not be put for now."""
        return self._batcher.is_pressed

    async def room(self) -> None:
        """Wait until more may be put."""
        await self._batcher.room()

    def put(self, delivery: Delivery) -> asyncio.Future[None]:
        """Into the batch; done when it is settled."""
        return self._batcher.put(delivery).settled

    def keeps_stranger(self) -> bool:
        """Whether another packet of somebody who is not admitted is to be kept."""
        now = asyncio.get_running_loop().time()
        if now - self._strangers_since >= _MINUTE_S:
            self._strangers_since, self._strangers_n = now, 0
        self._strangers_n += 1
        return self._strangers_n <= self.options.strangers_kept

    def count_refused(self, reason: str) -> None:
        """A packet refused at the door."""
        self._metrics.terminals_refused.labels(reason).inc()

    def count_answer(self, reason: str | None) -> None:
        """An answer sent."""
        self._metrics.terminal_answers.labels(reason or "ok").inc()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._sessions) >= self.options.connections or self._server is None:
            self._metrics.terminals_closed.labels("too many").inc()
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        session = Session(self, reader, writer)
        self._sessions[session] = task
        self._tell()
        try:
            why = await session.run()
        except asyncio.CancelledError:
            why = "taken over" if self._server is not None else "stopped"
        except Exception as error:  # noqa: BLE001  # the outermost loop of a connection: no other may suffer
            _report(error)
            why = "error"
        finally:
            del self._sessions[session]
            self._tell()
        self._metrics.terminals_closed.labels(why).inc()
        self._metrics.terminal_garbage_bytes.inc(session.dropped_bytes)

    def _tell(self) -> None:
        self._metrics.terminals_connected.set(len(self._sessions))
        self._metrics.terminals_online.set(len(self._online))


def _report(error: Exception) -> None:
    """Without its text, which may hold a VIN."""
    at = traceback.extract_tb(error.__traceback__)[-1]
    log.error("connection ended", error=type(error).__name__, where=f"{at.name}, line {at.lineno}")
