"""What an authority issued and revoked: a file that only grows, one JSON object a line."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from odocare.pki.authority import Credential, Kind, Revoked
from vehicle.errors import PkiError

_ISSUED: Final = "issued"
_REVOKED: Final = "revoked"


@dataclass(frozen=True, slots=True)
class Issued:
    """One certificate."""

    name: str
    kind: Kind
    serial: str
    not_before: datetime
    not_after: datetime
    revoked_at: datetime | None = None

    def is_in_force(self, now: datetime) -> bool:
        """Whether the broker would take it now."""
        return self.revoked_at is None and now <= self.not_after


class Index:
    """The file; whoever writes holds the folder's lock."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> list[Issued]:
        """All certificates, in the order they were issued. Raises `PkiError` on a line that is none.

        A last line without its end was never finished: what it told of never left the folder.
        """
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        found: dict[str, Issued] = {}
        for number, line in enumerate(text.splitlines(keepends=True), 1):
            if not line.endswith("\n"):
                break
            try:
                _fold(found, json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise PkiError(f"{self._path}, line {number}: no entry of the index ({error!r})") from error
        return list(found.values())

    def add_issued(self, credentials: Sequence[Credential]) -> None:
        """Write certificates down, on disk when it returns: before anybody gets them."""
        self._append(
            [
                {
                    "event": _ISSUED,
                    "serial": one.serial,
                    "name": one.name,
                    "kind": one.kind.value,
                    "not_before": one.not_before.isoformat(),
                    "not_after": one.not_after.isoformat(),
                }
                for one in credentials
            ]
        )

    def add_revoked(self, revoked: Sequence[Revoked]) -> None:
        """Write revocations down."""
        self._append([{"event": _REVOKED, "serial": one.serial, "at": one.at.isoformat()} for one in revoked])

    def _append(self, entries: list[dict[str, str]]) -> None:
        with self._path.open("a+b") as file:
            whole = _whole_bytes(self._path)
            if whole < file.seek(0, os.SEEK_END):
                file.truncate(whole)
            file.write("".join(json.dumps(entry) + "\n" for entry in entries).encode())
            file.flush()
            os.fsync(file.fileno())


def _whole_bytes(path: Path) -> int:
    """Length of the lines that are complete."""
    return path.read_bytes().rfind(b"\n") + 1


def _fold(found: dict[str, Issued], entry: dict[str, str]) -> None:
    serial = entry["serial"]
    if entry["event"] == _ISSUED:
        found[serial] = Issued(
            name=entry["name"],
            kind=Kind(entry["kind"]),
            serial=serial,
            not_before=datetime.fromisoformat(entry["not_before"]),
            not_after=datetime.fromisoformat(entry["not_after"]),
        )
    elif entry["event"] == _REVOKED:
        found[serial] = replace(found[serial], revoked_at=datetime.fromisoformat(entry["at"]))
    else:
        raise ValueError(entry["event"])
