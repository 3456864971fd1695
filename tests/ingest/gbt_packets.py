"""GB/T 32960.3 packets for tests: real ones where `ODOCARE_FIXTURES` has them, and made ones."""

import csv
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from decoders.gbt32960 import clock, messages
from decoders.gbt32960 import packet as packets
from decoders.gbt32960.clock import TIME_BYTES
from decoders.gbt32960.packet import Packet, build
from decoders.gbt32960.session import Login, Logout
from decoders.gbt32960.words import Command, Edition
from ingest.delivery import Delivery
from tests.decoders.gbt32960 import files
from vehicle.vin import Vin

ICCID: Final = "89860000000000000001"


def _folder() -> Path:
    folder = os.environ.get("ODOCARE_FIXTURES")
    if folder is None:
        pytest.skip("no real packets: set ODOCARE_FIXTURES to the folder that has gb32960/")
    return Path(folder) / "gb32960"


def streamed() -> list[bytes]:
    """246 packets of one vehicle's day, as received: four of them late."""
    with (_folder() / "stream_packets.csv").open(newline="") as table:
        return [bytes.fromhex(row["hex"]) for row in csv.DictReader(table)]


def golden() -> dict[str, bytes]:
    """Twelve packets of Shanghai's buses by name."""
    cases = json.loads((_folder() / "golden.json").read_text())
    return {case["name"]: bytes.fromhex(case["input"]) for case in cases}


def published(bodies: Sequence[bytes], *, known_us: int) -> list[Delivery]:
    """As the topic brings them, each under the VIN in it."""
    return [
        Delivery(f"tbox/v1/{packets.parse(body).identifier}/up/gbt32960", body, known_us) for body in bodies
    ]


def of_vehicle(body: bytes, vin: Vin, at_us: int | None = None) -> bytes:
    """The same packet of another vehicle, at another time where one is given."""
    one = packets.parse(body)
    when = one.body[:TIME_BYTES] if at_us is None else clock.write(at_us)
    return build(replace(one, identifier=vin, body=when + one.body[TIME_BYTES:]))


def written_report(name: str, vin: Vin, at_us: int) -> bytes:
    """A golden report of ours as a vehicle would send it."""
    return of_vehicle(files.read(name).data, vin, at_us)


def login(vin: Vin, at_us: int, iccid: str = ICCID, edition: Edition = Edition.GBT_2016) -> bytes:
    """A login without battery packs."""
    return build(messages.encode(edition, Command.LOGIN, vin, Login(at_us, 1, iccid)))


def logout(vin: Vin, at_us: int) -> bytes:
    return build(messages.encode(Edition.GBT_2016, Command.LOGOUT, vin, Logout(at_us, 1)))


def plain(command: Command, vin: Vin, body: bytes = b"", *, encryption: int = 1) -> bytes:
    """A packet of 2016 with any body."""
    return build(Packet(Edition.GBT_2016, command, 0xFE, vin, encryption, body))


def alarming(
    vin: Vin, at_us: int, *flags: int, level: int = 0, battery: Sequence[int] = (), reissued: bool = False
) -> bytes:
    """A report of 2016 with nothing but an alarm unit; a level above 3 is none."""
    lists = bytes((len(battery),)) + b"".join(code.to_bytes(4, "big") for code in battery) + bytes(3)
    body = clock.write(at_us) + bytes((7, level)) + sum(1 << bit for bit in flags).to_bytes(4, "big") + lists
    return plain(Command.REISSUE if reissued else Command.REPORT, vin, body)
