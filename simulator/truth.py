"""The truth file: what was really sent, one JSON line per message, for `odocare reconcile`.

The last line says what the vehicles still hold, and what they had to drop; without it the sender was killed,
and all it had sent must be found.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from decoders.envelope import Message
from simulator.outgoing import Outgoing
from vehicle.errors import OdocareError

Key = tuple[str, int, int]
"""VIN, boot, sequence number."""


class TruthError(OdocareError):
    """A truth file that cannot be read."""


@dataclass(frozen=True, slots=True)
class Told:
    """One message as it was sent first."""

    vin: str
    boot: int
    seq: int
    kind: str
    t0_us: int
    frames: int
    body_bytes: int
    sha256: str
    """Of the body, in hexadecimal."""
    body: bytes | None = None
    """None: the file was written without bodies."""

    @property
    def key(self) -> Key:
        """Its name."""
        return (self.vin, self.boot, self.seq)


@dataclass(slots=True)
class Truth:
    """A whole file."""

    messages: list[Told] = field(default_factory=list)
    buffered: set[Key] = field(default_factory=set)
    """Still in a vehicle's buffer at the end."""
    dropped: set[Key] = field(default_factory=set)
    """Pushed out of a buffer that was full."""
    is_closed: bool = False
    """Whether the sender came to its end."""

    @property
    def has_bodies(self) -> bool:
        """Whether it can be decoded again."""
        return all(one.body is not None for one in self.messages)


class TruthWriter:
    """Writes a line before each message leaves: `with TruthWriter(path) as truth: truth.sent(…)`."""

    def __init__(self, path: Path, *, with_bodies: bool = False) -> None:
        self._path = path
        self._with_bodies = with_bodies
        self._file: TextIO | None = None

    def __enter__(self) -> Self:
        self._file = self._path.open("w", encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._file is not None, "entered"
        self._file.close()

    def sent(self, message: Message, ready: Outgoing) -> None:
        """Say that a message is about to leave for the first time."""
        head = message.envelope
        line: dict[str, Any] = {
            "vin": head.vin,
            "boot": head.boot,
            "seq": head.seq,
            "kind": message.kind,
            "t0_us": head.t0_us,
            "frames": ready.frames_n,
            "bytes": len(ready.body),
            "sha256": hashlib.sha256(ready.body).hexdigest(),
        }
        if self._with_bodies:
            line["body"] = base64.b64encode(ready.body).decode()
        self._write(line)

    def end(self, *, buffered: Iterable[Key] = (), dropped: Iterable[Key] = ()) -> None:
        """Say that nothing more comes, and what the vehicles still hold."""
        self._write({"end": True, "buffered": sorted(buffered), "dropped": sorted(dropped)})

    def _write(self, line: Mapping[str, Any]) -> None:
        assert self._file is not None, "entered"
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()  # who sends may be killed


def read(path: Path) -> Truth:
    """Read a file. Raises `TruthError` with the line; a last line that was cut off is no error."""
    truth = Truth()
    lines = path.read_text(encoding="utf-8").split("\n")
    for number, text in enumerate(lines, start=1):
        if not text:
            continue
        try:
            line = json.loads(text)
            if line.get("end"):
                truth.is_closed = True
                truth.buffered |= {_key(one) for one in line["buffered"]}
                truth.dropped |= {_key(one) for one in line["dropped"]}
            else:
                truth.messages.append(_told(line))
        except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
            if number == len(lines):
                break  # killed in the middle of a line: that message never left
            raise TruthError(f"{path}, line {number}: {type(error).__name__}: {error}") from error
    return truth


def _key(one: list[Any]) -> Key:
    vin, boot, seq = one
    return (str(vin), int(boot), int(seq))


def _told(line: Mapping[str, Any]) -> Told:
    body = line.get("body")
    return Told(
        vin=str(line["vin"]),
        boot=int(line["boot"]),
        seq=int(line["seq"]),
        kind=str(line["kind"]),
        t0_us=int(line["t0_us"]),
        frames=int(line["frames"]),
        body_bytes=int(line["bytes"]),
        sha256=str(line["sha256"]),
        body=None if body is None else base64.b64decode(body, validate=True),
    )
