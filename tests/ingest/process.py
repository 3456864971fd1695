"""`odocare ingest` as a process of a test's own."""

import asyncio
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from odocare.stack.process import free_port
from tests.ingest.broker import OwnBroker, until

DEADLINE_S: Final = 60


class Process:
    """One run of the command."""

    def __init__(
        self,
        folder: Path,
        database_url: str,
        broker: OwnBroker,
        *,
        environment: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
    ) -> None:
        self.ready = folder / "ready"
        self.ready.unlink(missing_ok=True)
        self.log = folder / "ingest.log"
        self.metrics_port = free_port()
        settings = {
            **os.environ,
            "ODOCARE_DATABASE_URL": database_url,
            "ODOCARE_MQTT_URL": broker.url,
            "ODOCARE_HOME": str(folder / "home"),
            **(environment or {}),
        }
        with self.log.open("ab") as sink:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "odocare", "ingest", "--json"),
                    *("--ready-file", str(self.ready), "--metrics-port", str(self.metrics_port)),
                    *arguments,
                ],
                env=settings,
                stdout=subprocess.PIPE,
                stderr=sink,
            )

    async def subscribed(self) -> None:
        await until(lambda: self.ready.exists() or self.process.poll() is not None, "the subscription")
        assert self.process.poll() is None, self.log.read_text()

    async def end(self, by: signal.Signals) -> int:
        self.process.send_signal(by)
        said, _ = await asyncio.wait_for(asyncio.to_thread(self.process.communicate), DEADLINE_S)
        self.said = said.decode()
        return self.process.returncode

    def kill(self) -> None:
        self.process.kill()
        if self.process.stdout is not None and not self.process.stdout.closed:
            self.process.communicate()

    def metrics(self) -> dict[str, float]:
        """Samples by name and labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line[:1] != "#"}


@asynccontextmanager
async def ingesting(folder: Path, database_url: str, broker: OwnBroker) -> AsyncIterator[Process]:
    running = Process(folder, database_url, broker)
    try:
        await running.subscribed()
        yield running
    finally:
        running.kill()
