"""The private Mosquitto, configured from deploy/mosquitto: no way in without password or certificate."""

import os
import signal
import socket
import ssl
import struct
import time
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from odocare.stack import process
from odocare.stack.place import Account, last_lines
from odocare.stack.servers import mosquitto_passwd
from odocare.stack.state import INGEST
from vehicle.errors import StackError

if TYPE_CHECKING:
    from odocare.pki.folder import Trust

SHIPPED: Final = Path(__file__).parents[2] / "deploy" / "mosquitto"
"""Configuration that local stack and containers share; a checkout has it, a wheel does not."""
_TRIES: Final = 5
_ANSWER_S: Final = 20
_POLL_S: Final = 0.02
_LAST_WORDS_S: Final = 5
_LOG_LIMIT_BYTES: Final = 16 << 20
_UNREADABLE: Final = "Couldn't open database"


_BARRED: Final = "\n# Vehicles whose certificates are revoked.\n"
"""What comes after it in the access list is written anew with every revocation."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a broker listens."""

    services: int
    vehicles: int
    """Over TLS, certificates required."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What the broker shows to vehicles, as PEM."""

    certificate: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Broker:
    """One broker in one folder."""

    programs: Path
    folder: Path
    """Belongs to `account`; holds configuration, passwords, the message store and the log."""
    account: Account
    extra_access: str = ""
    """Lines added to the access list: tests add an identity that may do everything."""

    @property
    def configuration(self) -> Path:
        """The file that Mosquitto is started with."""
        return self.folder / "mosquitto.conf"

    @property
    def log(self) -> Path:
        """What Mosquitto printed."""
        return self.folder / "mosquitto.log"

    @property
    def queues(self) -> Path:
        """What Mosquitto keeps of its queues between two runs."""
        return self.folder / "mosquitto.db"

    @property
    def queues_aside(self) -> Path:
        """Queues that it could not read: a full disk cuts the file short, and says nothing."""
        return self.folder / "mosquitto.db.unreadable"

    def pid(self) -> int | None:
        """The broker, if it runs."""
        return process.find("mosquitto", self.configuration)

    def start(self, ports: Ports, passwords: Mapping[str, str], identity: Identity, trust: "Trust") -> Ports:
        """Start and wait until it lets ingest in; returns the ports, others where these are taken.

        Queues that it cannot read are set aside (`queues_aside`): vehicles send again what nobody
        acknowledged. Raises `StackError` with the end of the log.
        """
        self._write_access(passwords)
        self.account.write(self.folder / "server.pem", identity.certificate)
        self.account.write(self.folder / "server.key", identity.key)
        self._write_trust(self._granted(), trust)
        for _ in range(_TRIES):
            ports = Ports(
                *(port if process.is_free(port) else process.free_port() for port in astuple(ports))
            )
            self.account.write(self.configuration, self._text(ports))
            said = self._start_once(ports.services, passwords[INGEST])
            if said is None:
                return ports
            if _UNREADABLE in said and self.queues.is_file():
                self.account.must(["mv", "-f", self.queues, self.queues_aside])
                continue
            if "Address already in use" not in said:
                raise StackError(f"Mosquitto did not start; {self.log} ends with{last_lines(said)}")
        raise StackError(f"Mosquitto found no free port in {_TRIES} tries")

    def tell(self, trust: "Trust", port: int, password: str) -> bool:
        """Let the running broker know what was issued and revoked; False where none runs.

        When it returns, certificates of the new list cannot connect any more, and what barred vehicles that
        are connected send is refused. `port` and `password`: ingest's.
        """
        pid = self.pid()
        if pid is None:
            return False
        access = self.account.must(["cat", self.folder / "access.acl"])
        self._write_trust(access.partition(_BARRED)[0], trust)
        os.kill(pid, signal.SIGHUP)
        # it reads its files in its loop, before it looks at who connects after the signal
        if login(process.LOOPBACK, port, INGEST, password) != ACCEPTED:
            raise StackError(f"Mosquitto (process {pid}) does not answer after it was told; see {self.log}")
        return True

    def stop(self) -> bool:
        """Stop it, if it runs; it writes its message store first. True where it ran."""
        pid = self.pid()
        if pid is None:
            return False
        if not process.end(pid, signal.SIGTERM, within_s=30) and not process.end(
            pid, signal.SIGKILL, within_s=10
        ):
            raise StackError(f"Mosquitto (process {pid}) does not stop; see {self.log}")
        return True

    def _write_access(self, passwords: Mapping[str, str]) -> None:
        if not SHIPPED.is_dir():
            raise StackError(
                f"{SHIPPED} is missing: the local stack runs from a checkout; set ODOCARE_DATABASE_URL"
                " and ODOCARE_MQTT_URL to use running servers"
            )
        self.account.must(["mkdir", "-p", self.folder], cwd=self.folder.parent)
        clear = self.folder / "passwords.clear"
        self.account.write(clear, "".join(f"{user}:{word}\n" for user, word in passwords.items()))
        self.account.must([mosquitto_passwd(self.programs), "-U", clear])  # hashes in place
        clear.rename(self.folder / "passwords")

    def _granted(self) -> str:
        return (SHIPPED / "access.acl").read_text(encoding="utf-8") + self.extra_access

    def _write_trust(self, granted: str, trust: "Trust") -> None:
        barred = "".join(f"user {name}\ntopic deny #\n" for name in trust.barred)
        self.account.write(self.folder / "access.acl", granted + _BARRED + barred)
        self.account.write(self.folder / "ca.pem", trust.ca_pem)
        self.account.write(self.folder / "crl.pem", trust.crl_pem)

    def _text(self, ports: Ports) -> str:
        text = (SHIPPED / "broker.conf").read_text(encoding="utf-8")
        words = {
            "PORT": ports.services,
            "TLS_PORT": ports.vehicles,
            "ADDRESS": process.LOOPBACK,
            "TLS_ADDRESS": process.LOOPBACK,
            "FOLDER": self.folder,
            "DATA": self.folder,
            "LOG": f"file {self.log}",
        }
        for word, value in words.items():
            text = text.replace(f"@{word}@", str(value))
        return (
            "# Written by `odocare up` at every start from deploy/mosquitto/broker.conf; changes are lost.\n"
            + text
        )

    def _start_once(self, port: int, password: str) -> str | None:
        """None once it answers, else what it wrote to its log."""
        if self.log.is_file() and self.log.stat().st_size > _LOG_LIMIT_BYTES:
            self.log.replace(self.log.with_suffix(".old.log"))
        before = self.log.stat().st_size if self.log.is_file() else 0
        tool = self.account.run(
            [self.programs / "mosquitto", "-d", "-c", self.configuration], cwd=self.folder
        )
        deadline = time.monotonic() + _ANSWER_S
        while tool.returncode == 0 and time.monotonic() < deadline:
            if login(process.LOOPBACK, port, INGEST, password) == ACCEPTED:
                return None
            if self.pid() is None:
                break
            time.sleep(_POLL_S)
        said = tool.stdout
        if self.log.is_file():
            with self.log.open(encoding="utf-8", errors="replace") as log:
                log.seek(before)
                said = log.read() + said
        return said or self._last_words()

    def _last_words(self) -> str:
        """What it prints where it ends before it opens its log; nothing where it does not end."""
        try:
            return self.account.run(
                [self.programs / "mosquitto", "-c", self.configuration],
                cwd=self.folder,
                timeout_s=_LAST_WORDS_S,
            ).stdout
        except StackError:
            return ""


ACCEPTED: Final = 0
"""Return code of a CONNACK that lets the client in (MQTT 3.1.1, section 3.2.2.3)."""


def is_trusted(host: str, port: int, tls: ssl.SSLContext) -> bool:
    """Whether a broker answers over TLS that `tls` trusts; nobody logs in.

    A login would take over the session of whoever uses the same certificate, and end it.
    """
    try:
        with (
            socket.create_connection((host, port), timeout=5) as connection,
            tls.wrap_socket(connection, server_hostname=host),
        ):
            return True
    except OSError:
        return False


def login(host: str, port: int, user: str | None, password: str | None) -> int | None:
    """The broker's return code to a CONNECT (MQTT 3.1.1, section 3.1); None where it does not answer."""
    flags = 0x02 | (0x80 if user else 0) | (0x40 if password else 0)  # clean session
    texts = ["", *(text for text in (user, password) if text)]  # an empty client id
    payload = b"".join(struct.pack(">H", len(text.encode())) + text.encode() for text in texts)
    body = b"\x00\x04MQTT\x04" + bytes([flags]) + struct.pack(">H", 10) + payload
    length = bytes([len(body)]) if len(body) < 128 else bytes([len(body) & 127 | 128, len(body) >> 7])
    try:
        with socket.create_connection((host, port), timeout=5) as connection:
            connection.sendall(b"\x10" + length + body)
            answer = connection.recv(4)
            connection.sendall(b"\xe0\x00")
    except OSError:
        return None
    return answer[3] if len(answer) == 4 and answer[0] == 0x20 else None
