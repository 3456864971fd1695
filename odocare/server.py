"""Runs the HTTP application: one process, one pool, no log of addresses."""

import socket
from collections.abc import Callable, Mapping
from typing import Final

import uvicorn
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from api.main import create_app
from api.options import AppOptions, FeatureMeaning
from odocare import dtc_meanings, logs, wiring
from odocare.settings import Settings
from rules.feature_tables import CAMPAIGN, COMPONENT, FAULT, SERVICE_ITEM, VEHICLE
from store import health
from store.pool import connect, open_pool
from vehicle.errors import SettingsError

_CONNECTIONS: Final = 8
_STATEMENT_TIMEOUT: Final = "15s"
"""A query that takes longer is given up: it would hold a connection that others need."""
_BACKLOG: Final = 2048


async def run(settings: Settings, *, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; `ready` is told the address once requests are answered."""
    logs.configure()
    url = wiring.database_url(settings)
    async with connect(url) as conn:
        await health.require_ready(conn)
    async with open_pool(_limited(url), most=_CONNECTIONS) as pool:
        listener = _listen(host, port)
        app = create_app(pool, options(settings))
        config = uvicorn.Config(
            app,
            access_log=False,  # addresses hold tickets and searches
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=3,
            timeout_keep_alive=30,
            lifespan="on",
        )
        server = _Server(
            config, up=lambda: ready(_address(host, listener)), down=app.state.context.watch.close
        )
        await server.serve(sockets=[listener])


def _limited(url: str) -> str:
    """The address of the database with a limit on every statement; options it names already stay."""
    given = str(conninfo_to_dict(url).get("options") or "")
    limit = f"-c statement_timeout={_STATEMENT_TIMEOUT}"
    return make_conninfo(url, application_name="odocare serve", options=f"{given} {limit}".strip())


def options(settings: Settings) -> AppOptions:
    """What the application is given, out of the settings and the shipped files."""
    return AppOptions(
        assets=settings.home / "assets" / "node_modules",
        catalogue=wiring.catalogue(settings.codebooks),
        dtc=dtc_meanings.table(wiring.database_url(settings)),
        features=features(),
    )


def features() -> Mapping[str, FeatureMeaning]:
    """What the rules' feature columns mean, by name; columns of one name mean the same in every table."""
    return {
        feature.name: FeatureMeaning(feature.unit, feature.meaning_zh, feature.meaning_en)
        for table in (VEHICLE, SERVICE_ITEM, COMPONENT, FAULT, CAMPAIGN)
        for feature in table.features
    }


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket, opened before the service starts so that a taken port is said plainly."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # with the protocol named, asyncio switches Nagle's algorithm off, which costs 40 ms an answer
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise SettingsError(f"cannot listen on {host} port {port}: {error.strerror}") from error
    listener.listen(_BACKLOG)
    return listener


def _address(host: str, listener: socket.socket) -> str:
    port = listener.getsockname()[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """Says when it is up, and when it begins to end."""

    def __init__(self, config: uvicorn.Config, *, up: Callable[[], None], down: Callable[[], None]) -> None:
        super().__init__(config)
        self._up = up
        self._down = down

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, and then `up`."""
        await super().startup(sockets)
        if self.started:
            self._up()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """First `down`, so that those who wait for events are answered; then as uvicorn's."""
        self._down()
        await super().shutdown(sockets)
