"""An authority in a folder: its key, what it issued, and what the broker needs of it.

`ca.pem`, `ca.key`, `issued.jsonl` and `issued/NAME.{pem,key}` belong to whoever runs the authority; `broker/`
holds all that a broker needs (`ca.pem`, `crl.pem`, and `server.pem`, `server.key` once they are issued).
"""

import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from odocare.pki.authority import Authority, Credential, Kind, Revoked, serials
from odocare.pki.index import Index, Issued
from vehicle.errors import PkiError

AUTHORITY_DAYS: Final = 3650
CLIENT_DAYS: Final = 730
SERVER_DAYS: Final = 397
_RENEWED_BEFORE: Final = timedelta(days=30)
_AT_ONCE: Final = 500
"""Certificates written to the index together."""
_PRIVATE, _PUBLIC = 0o600, 0o644


@dataclass(frozen=True, slots=True)
class Trust:
    """What a broker is told about vehicles."""

    ca_pem: str
    crl_pem: str
    barred: tuple[str, ...]
    """Vehicles whose certificates are revoked and that got no other; they may do nothing any more."""


@dataclass(frozen=True, slots=True)
class Made:
    """What became of a wish for certificates."""

    issued: list[Issued]
    kept: list[Issued]
    """Not issued: there is one in force."""


class PkiFolder:
    """The authority of one folder; every change holds its lock."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.certificate = root / "ca.pem"
        self.broker = root / "broker"
        self.issued = root / "issued"
        self._index = Index(root / "issued.jsonl")

    @property
    def exists(self) -> bool:
        """Whether there is an authority."""
        return self.root.is_dir()

    def make(self, *, name: str, now: datetime, days: int = AUTHORITY_DAYS) -> Authority:
        """Make the authority, whole or not at all. Raises `PkiError` where there is one already."""
        authority = Authority.make(name, now=now, days=days)
        _open_folder(self.root.parent, 0o700)
        fresh = self.root.with_name(f".{self.root.name}.{secrets.token_hex(4)}")
        _open_folder(fresh, 0o700)
        try:
            _open_folder(fresh / "broker", 0o755)
            _open_folder(fresh / "issued", 0o700)
            _write(fresh / "ca.key", authority.key_pem, _PRIVATE)
            _write(fresh / "ca.pem", authority.certificate_pem, _PUBLIC)
            _write(fresh / "issued.jsonl", "", _PRIVATE)
            _write(fresh / "broker" / "ca.pem", authority.certificate_pem, _PUBLIC)
            _write(fresh / "broker" / "crl.pem", authority.revocation_list([], now=now), _PUBLIC)
            fresh.rename(self.root)
        except OSError as error:
            if self.root.exists():
                raise PkiError(f"{self.root} has an authority already; nothing was changed") from error
            raise
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        return authority

    def issue_clients(
        self,
        names: Sequence[str],
        kind: Kind,
        *,
        now: datetime,
        days: int = CLIENT_DAYS,
        again: bool = False,
        out: Path | None = None,
        advance: Callable[[int], None] = lambda _: None,
    ) -> Made:
        """A certificate for each name, in files `out`/NAME.pem and NAME.key.

        A name that has one in force keeps it, unless `again`. Raises `PkiError`.
        """
        target = out or self.issued
        with self._locked():
            authority = self._authority()
            have = {one.name: one for one in self._index.read() if one.kind is kind and one.is_in_force(now)}
            names = list(dict.fromkeys(names))
            wanted = names if again else [name for name in names if name not in have]
            kept = [] if again else [have[name] for name in names if name in have]
            advance(len(kept))
            _open_folder(target, 0o700)
            issued = []
            for start in range(0, len(wanted), _AT_ONCE):
                chunk = [
                    authority.issue(name, kind, now=now, days=days)
                    for name in wanted[start : start + _AT_ONCE]
                ]
                self._index.add_issued(chunk)
                for one in chunk:
                    _write_credential(target / f"{one.name}.pem", target / f"{one.name}.key", one)
                issued += [_entry(one) for one in chunk]
                advance(len(chunk))
        return Made(issued, kept)

    def issue_server(
        self, hosts: Sequence[str], *, now: datetime, days: int = SERVER_DAYS, again: bool = False
    ) -> Made:
        """A certificate for a broker reached by these names, in `broker/server.pem` and `server.key`."""
        with self._locked():
            have = [
                one
                for one in self._index.read()
                if one.kind is Kind.SERVER and one.name == hosts[0] and one.is_in_force(now)
            ]
            if have and not again and (self.broker / "server.pem").is_file():
                return Made([], have[-1:])
            return Made([self._server("broker/server", hosts, now, days)], [])

    def local_server(self, hosts: Sequence[str], *, now: datetime) -> tuple[str, str]:
        """Certificate and key of the local stack's broker, renewed a month before they end."""
        with self._locked():
            names = {one.name: one for one in self._index.read() if one.kind is Kind.SERVER}
            own = names.get(_LOCAL)
            files = [self.root / "local.pem", self.root / "local.key"]
            is_good = own is not None and own.is_in_force(now + _RENEWED_BEFORE)
            if not is_good or not all(file.is_file() for file in files):
                days = min(SERVER_DAYS, (self._authority().not_after - now).days)
                self._server("local", [_LOCAL, *hosts], now, days)
            certificate, key = (file.read_text(encoding="ascii") for file in files)
            return certificate, key

    def revoke(self, word: str, *, now: datetime) -> list[Issued]:
        """Revoke all certificates of a name, or the one of a serial number, that are not revoked yet.

        The list in `broker/crl.pem` is replaced in one step. Raises `PkiError` where there are none.
        """
        with self._locked():
            meant = [one for one in self._index.read() if word.upper() in (one.name.upper(), one.serial)]
            if not meant:
                raise PkiError(f"no certificate of {self.root} has the name or the serial number {word!r}")
            fresh = [one for one in meant if one.revoked_at is None]
            self._index.add_revoked([Revoked(one.serial, now) for one in fresh])
            self._publish(now)
            if not fresh:
                raise PkiError(f"{word} was revoked {meant[-1].revoked_at:%Y-%m-%d %H:%M:%S} UTC already")
        return fresh

    def certificates(self) -> list[Issued]:
        """All that were issued, oldest first. Raises `PkiError` where there is no authority."""
        self._require()
        return self._index.read()

    def trust(self, now: datetime) -> Trust:
        """What a broker has to be told at this moment."""
        with self._locked():
            self._publish(now)
            vehicles = [one for one in self._index.read() if one.kind is Kind.VEHICLE]
        free = {one.name for one in vehicles if one.is_in_force(now)}
        barred = {one.name for one in vehicles if one.revoked_at is not None} - free
        return Trust(
            ca_pem=(self.broker / "ca.pem").read_text(encoding="ascii"),
            crl_pem=(self.broker / "crl.pem").read_text(encoding="ascii"),
            barred=tuple(sorted(barred)),
        )

    def _publish(self, now: datetime) -> None:
        """Bring the list up to the index, in one step, also where a revocation was cut off in between."""
        revoked = [Revoked(one.serial, one.revoked_at) for one in self._index.read() if one.revoked_at]
        crl = self.broker / "crl.pem"
        before = crl.read_text(encoding="ascii")
        if serials(before) != {one.serial for one in revoked}:
            _write(crl, self._authority().revocation_list(revoked, now=now, before=before), _PUBLIC)

    def _server(self, stem: str, hosts: Sequence[str], now: datetime, days: int) -> Issued:
        made = self._authority().issue(hosts[0], Kind.SERVER, now=now, days=days, hosts=hosts)
        self._index.add_issued([made])
        _write_credential(self.root / f"{stem}.pem", self.root / f"{stem}.key", made)
        return _entry(made)

    def _authority(self) -> Authority:
        certificate = self.certificate.read_text(encoding="ascii")
        return Authority.load(certificate, (self.root / "ca.key").read_text(encoding="ascii"))

    def _require(self) -> None:
        if not self.exists:
            raise PkiError(f"no authority in {self.root}: run `odocare pki init`")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._require()
        try:
            file = (self.root / "lock").open("w", encoding="ascii")
        except PermissionError as error:
            raise PkiError(f"no permission for {error.filename}: the authority is another user's") from error
        with file:
            _give_to_owner(self.root / "lock")
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


_LOCAL: Final = "localhost"


def _entry(one: Credential) -> Issued:
    return Issued(one.name, one.kind, one.serial, one.not_before, one.not_after)


def _write_credential(certificate: Path, key: Path, one: Credential) -> None:
    _write(key, one.key_pem, _PRIVATE)
    _write(certificate, one.certificate_pem, _PUBLIC)


def _write(path: Path, text: str, mode: int) -> None:
    """Replace a file in one step; never open to others for a moment."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "w") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
        _give_to_owner(fresh)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def _open_folder(path: Path, mode: int) -> None:
    """Make a folder, if it is not there, with the parents it needs."""
    if path.is_dir():
        return
    if not path.parent.is_dir():
        _open_folder(path.parent, 0o755)
    path.mkdir(exist_ok=True)
    path.chmod(mode)  # whatever the umask
    _give_to_owner(path)


def _give_to_owner(path: Path) -> None:
    """Let what root made inside another user's folder belong to that user."""
    owner = path.parent.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.chown(path, owner.st_uid, owner.st_gid)
