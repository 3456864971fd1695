"""Puts ingest together out of the settings, and runs it until the process is told to stop."""

import asyncio
import gc
import resource
import signal
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog
from prometheus_client import start_http_server

from ingest import fault_points
from ingest import replay as replaying
from ingest import run as ingest_run
from ingest.gbt_limits import ListenerOptions
from ingest.lexicon import Lexicon
from ingest.metrics import Metrics, Tally
from ingest.mqtt import Broker
from ingest.pipeline import Line
from ingest.replay import Replayed
from ingest.run import Options
from ingest.watch import Health
from odocare import broker_tls, dtc_meanings, kernels, process_files, wiring
from odocare.settings import Settings
from store import rejects
from store.pool import Connection
from store.sealed import Seal, read_or_make_key
from vehicle.errors import SettingsError

log = structlog.get_logger(__name__)

_OTHER_FILES = 200
"""Sockets and files of a process besides its terminals'."""
_GARBAGE = 100_000
"""Objects made before garbage is looked for: a batch makes tens of thousands, and hardly any cycle."""
_PAGE = 500
"""Rejects read at once."""


def line(settings: Settings) -> Line:
    """What messages are read and sealed with; makes the key file on first use."""
    codebooks = wiring.codebooks(kernels.decoding(settings), settings.codebooks)
    diagnostics = wiring.diagnostics(settings.codebooks)
    codes = dtc_meanings.table_when_there(wiring.database_url(settings))
    lexicon = Lexicon.of(wiring.catalogue(settings.codebooks), codebooks, codes, diagnostics)
    return Line(lexicon, seal(settings))


def seal(settings: Settings) -> Seal:
    """What refused messages are sealed with."""
    return Seal(read_or_make_key(key_file(settings)))


def key_file(settings: Settings) -> Path:
    """Where the sealing key lies."""
    return settings.key_file or settings.home / "keys" / "store.key"


def options(settings: Settings, client_id: str, gbt32960_port: int | None = None) -> Options:
    """Where to listen and to write. Raises `SettingsError`."""
    return Options(
        database_url=wiring.database_url(settings),
        broker=Broker.parse(url := wiring.mqtt_url(settings), broker_tls.incoming(settings, url)),
        client_id=client_id,
        gbt32960=None if gbt32960_port is None else _listener(settings, gbt32960_port),
    )


def _listener(settings: Settings, port: int) -> ListenerOptions:
    return ListenerOptions(
        host=settings.gbt32960_host,
        port=port,
        tls=_tls(settings.gbt32960_certificate, settings.gbt32960_private_key),
        connections=settings.gbt32960_connections,
    )


def _tls(certificate: Path | None, private_key: Path | None) -> ssl.SSLContext | None:
    if certificate is None:
        if private_key is not None:
            raise SettingsError("ODOCARE_GBT32960_PRIVATE_KEY needs ODOCARE_GBT32960_CERTIFICATE")
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, private_key)
    except OSError as error:  # which ssl.SSLError is, too
        raise SettingsError(f"{certificate} is no PEM certificate with its key: {error.strerror}") from error
    return context


def _allow_connections(n: int) -> None:
    """Let this process open so many sockets and its own files, as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = n + _OTHER_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    if wanted < n + _OTHER_FILES:
        log.warning("fewer connections than set", set=n, allowed=max(wanted - _OTHER_FILES, 0))


def arm(fault: str) -> None:
    """Let the process kill itself at a fault point. Raises `SettingsError`."""
    fault_points.arm(fault)
    log.warning("armed: this process will kill itself", fault=fault)


async def serve(
    wanted: Options,
    by: Line,
    *,
    home: Path,
    metrics_port: int | None,
    on_ready: Callable[[], None],
) -> Tally:
    """Ingest until SIGTERM or SIGINT, the batch in hand finished; what was done.

    How it stands is told under `home` every second, for `odocare status`.
    """
    stop = asyncio.Event()
    gc.freeze()  # codebooks and code tables stay: no collection has to walk through them again
    gc.set_threshold(_GARBAGE)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    metrics = Metrics()
    if wanted.gbt32960 is not None:
        _allow_connections(wanted.gbt32960.connections)
    if metrics_port is not None:
        start_http_server(metrics_port, addr="127.0.0.1", registry=metrics.registry)
        log.info("metrics", url=f"http://127.0.0.1:{metrics_port}/metrics")
    return await ingest_run.run(
        wanted,
        by,
        metrics,
        stop=stop,
        on_ready=on_ready,
        told=_teller(home, wanted.client_id),
    )


def _teller(home: Path, client_id: str) -> Callable[[Health], None]:
    """Writes how ingest stands; where that fails, as on a full disk, the log says so once."""
    is_told = True

    def tell(health: Health) -> None:
        nonlocal is_told
        was_told, is_told = is_told, process_files.tell(home, client_id, health)
        if was_told and not is_told:
            log.warning("status cannot be written", folder=str(process_files.folder(home)))

    return tell


async def replay(
    conn: Connection,
    by: Line,
    reject_ids: Sequence[int],
    reason: str | None,
    advance: Callable[[int], None],
) -> list[Replayed]:
    """Replay the rejects of these numbers; without numbers, all that wait, or those of one reason.

    Raises `NotFoundError` for a number that is none; what was replayed before it stays replayed.
    """
    done = []
    if reject_ids:
        for reject_id in reject_ids:
            done.append(await replaying.replay(conn, await rejects.one(conn, reject_id), by))
            advance(1)
        return done
    after = 0
    while page := await rejects.waiting(conn, reason=reason, after=after, limit=_PAGE):
        for one in page:
            done.append(await replaying.replay(conn, one, by))
            advance(1)
        after = page[-1].id
    return done
