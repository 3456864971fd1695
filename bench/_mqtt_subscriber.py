"""A subscriber's process, seen from the benchmark."""

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Timer
from typing import IO, Any, Final

from bench import _mqtt_clients, _packets
from bench._mqtt_clients import Session
from vehicle.errors import StackError

_PATIENCE_S: Final = 120.0


@dataclass(slots=True)
class Subscriber:
    """One that is subscribed."""

    process: "subprocess.Popen[str]"
    _errors: IO[bytes]

    def told(self) -> dict[str, Any]:
        """What it says next. Raises `StackError` where it ends or says nothing any more."""
        assert self.process.stdout is not None
        patience = Timer(_PATIENCE_S, self.process.kill)
        patience.start()
        line = self.process.stdout.readline()
        patience.cancel()
        if not line:
            self._errors.seek(0)
            said = self._errors.read().decode(errors="replace")[-2000:]
            raise StackError(f"a subscriber of the benchmark tells nothing more; it said {said!r}")
        found: dict[str, Any] = json.loads(line)
        return found


@contextmanager
def subscribing(url: str, client: str, client_id: str, task: str, messages: int = 0) -> Iterator[Subscriber]:
    """A process that has subscribed; at the end it gets SIGKILL. Its session stays."""
    environment = os.environ | {
        _mqtt_clients.URL: url,
        _mqtt_clients.CLIENT: client,
        _mqtt_clients.CLIENT_ID: client_id,
        _mqtt_clients.TASK: task,
        _mqtt_clients.MESSAGES: str(messages),
    }
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench._mqtt_clients"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        subscriber = Subscriber(process, errors)
        try:
            subscriber.told()  # that it is ready
            yield subscriber
        finally:
            process.kill()
            process.communicate()


def forget(url: str, client_id: str) -> None:
    """End a session, so that nothing is queued for it any more."""
    session = Session.of(client_id, url)
    with socket.create_connection((session.host, session.port), timeout=10) as broker:
        broker.sendall(_packets.connect(client_id, session.username, session.password))
        _packets.receive_maximum(broker.recv(4096))  # let in: the old session is gone, ours goes with us
