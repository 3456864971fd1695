"""What running processes say of themselves, in a file each under the home: `odocare status` reads them.

They are for people on the same machine, also while the database is away; machines read the metrics.
"""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from ingest.watch import Health


@dataclass(frozen=True, slots=True)
class IngestProcess:
    """One ingest, as it last told."""

    client_id: str
    pid: int
    is_running: bool
    told_at: float
    """Seconds since 1970 UTC."""
    health: Health


def folder(home: Path) -> Path:
    """Where the files lie."""
    return home / "processes"


def tell(home: Path, client_id: str, health: Health) -> bool:
    """Write how an ingest stands, in one step; false where it cannot be written: nobody's data hang on it."""
    file = folder(home) / f"ingest-{quote(client_id, safe='')}.json"
    told = {"client_id": client_id, "pid": os.getpid(), "told_at": time.time(), "health": asdict(health)}
    fresh = file.with_suffix(f".{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(json.dumps(told), encoding="utf-8")
        fresh.replace(file)
    except OSError:
        return False
    return True


def ingests(home: Path) -> Iterator[IngestProcess]:
    """Every ingest that has told of itself here, by client id; a file that is none is passed over."""
    for file in sorted(folder(home).glob("ingest-*.json")):
        try:
            told = json.loads(file.read_text(encoding="utf-8"))
            yield IngestProcess(
                client_id=told["client_id"],
                pid=told["pid"],
                is_running=_runs(told["pid"]),
                told_at=told["told_at"],
                health=Health(**told["health"]),
            )
        except (OSError, ValueError, KeyError, TypeError):
            continue


def _runs(pid: int) -> bool:
    try:
        return b"odocare" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
