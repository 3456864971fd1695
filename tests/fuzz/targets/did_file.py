"""Files of data identifiers."""

from collections.abc import Collection, Sequence
from functools import cache
from typing import Final

from decoders import did_file
from odocare import wiring
from tests.fuzz.target import Mark, Target, place_of, require
from vehicle.errors import CodebookError
from vehicle.signal import Catalogue

WHERE: Final = "maker.toml"
_FILE: Final = """[dids]
name = "maker"
origin = "ours"
[[did]]
did = 0x0101
ecu = "7ec"
name = "battery"
bytes = 59
[[did.signal]]
path = "Vehicle.Speed"
unit = "km/h"
byte = 4
scale = 0.5
[[did.signal]]
path = "Vehicle.TraveledDistance"
unit = "km"
byte = 5
bits = 32
order = "little"
form = "float"
scale = "100/255"
minimum = 0
maximum = 100
alternative = true
[[did]]
did = 2
name = "n"
identity = "serial"
"""


@cache
def catalogue() -> Catalogue:
    return wiring.catalogue()


def check(case: bytes, thorough: bool) -> Collection[Mark]:  # noqa: FBT001 - as every target's
    """It is read, or all its mistakes are named with file and line."""
    text = case.decode("utf-8", errors="replace")
    try:
        found = did_file.parse(text, catalogue(), where=WHERE)
    except CodebookError as error:
        problems = str(error).splitlines()
        require("a mistake has its file", holds=problems[0].startswith(f"{WHERE}:"))
        return [(place_of(error), problems[0].partition(" ")[2][:12])]
    return [("read", len(found), sum(len(one.signals) for one in found))]


def _starts() -> Sequence[bytes]:
    parts = _FILE.split("[[did]]")
    whole = _FILE.encode()
    changes = {
        b'form = "float"': [b'form = "float"\nbits = 64', b'form = "signed"\nbits = 7'],
        b"byte = 4": [b"byte = 58\nbits = 64", b"byte = 4\nlast_valid = 250"],
        b'"100/255"': [b'"1/0"', b'"1e999999999"', b'"x"', b'"-1.5"'],
        b'"km/h"': [b'"V"', b'"kmh"'],
        b"did = 2": [b'did = 0x0101\necu = "7ec"'],
        b"Vehicle.TraveledDistance": [b"Vehicle.Speed"],
    }
    crooked = [whole.replace(old, new) for old, several in changes.items() for new in several]
    plain = whole.replace(b"alternative = true\n", b"")
    return [
        whole,
        plain,
        plain.replace(b"Vehicle.TraveledDistance", b"Vehicle.Speed"),
        *crooked,
        "[[did]]".join(parts[:2]).encode(),
        "[[did]]".join([parts[0], parts[2]]).encode(),
    ]


_WORDS: Final = tuple(one.encode() for one in (
    "[[did]]\n", "[did]\n", "[[did.signal]]\n", "[dids]\n", "bits = 64\n", "bits = 0\n", "byte = 4091\n",
    "bit = 7\n",
    'scale = "1/0"\n', 'scale = "1e400"\n', 'scale = "-1/3"\n', "scale = inf\n", "scale = nan\n",
    "offset = -1e308\n",
    "last_valid = -1\n", "last_valid = 9223372036854775807\n", 'order = "big"\n', 'form = "signed"\n',
    "did = 65536\n",
    'unit = "m"\n', 'path = "Vehicle.Sped"\n', "signal = 3\n", "signal = [1]\n", "did = 1\n", '"""',
    "\\u0000", "{", "}",
    'scale = "1e9999999"\n', 'minimum = "1_0"\n', "= ", "\n", "é",
))  # fmt: skip
TARGETS: Final = (Target("did-file", check, _starts, _WORDS, max_bytes=900),)
