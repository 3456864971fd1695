"""The ingest process of a benchmark, and what it tells of itself."""

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench._servers import Servers
from odocare import children
from odocare.children import Child

_STORED: Final = 'odocare_ingest_messages_total{outcome="stored"}'
_VALUES: Final = 'odocare_ingest_details_total{what="values"}'


@dataclass(frozen=True, slots=True)
class Ingest:
    """A running ingest."""

    child: Child
    metrics_port: int

    def told(self) -> dict[str, float]:
        """Its metrics by name and labels."""
        self.child.require_alive()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line[:1] != "#"}

    def done(self) -> int:
        """Messages that it has committed."""
        return int(self.told().get(_STORED, 0))

    def values(self) -> int:
        """Values that it has committed."""
        return int(self.told().get(_VALUES, 0))


@contextmanager
def ingesting(at: Servers, codebooks: Path) -> Iterator[Ingest]:
    """`odocare ingest` as a process of its own, subscribed."""
    port, ready = children.free_port(), at.home / "ingest.ready"
    ready.unlink(missing_ok=True)
    arguments = ["--metrics-port", str(port), "--ready-file", str(ready)]
    environment = at.environment | {"ODOCARE_CODEBOOKS": str(codebooks)}
    with children.running("ingest", arguments, log=at.home / "ingest.log", env=environment) as child:
        children.wait_ready(child, ready)
        yield Ingest(child, port)
