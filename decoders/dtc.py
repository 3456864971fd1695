"""Spelling of fault codes: SAE J2012 two bytes and text, J1939 SPN and FMI."""

import re
from typing import Final

from vehicle.errors import DecodeError

_LETTERS: Final = "PCBU"
_SHAPE: Final = re.compile(r"[PCBU][0-3][0-9A-F]{3}")
MAX_SPN: Final = 0x7FFFF
MAX_FMI: Final = 31


def parse(text: str) -> int:
    """The two bytes of a J2012 code as one number: `P0301` is 0x0301. Raises `DecodeError`.

    Bits 15 and 14 are the letter, 13 and 12 the first digit, then three hexadecimal digits.
    """
    if not _SHAPE.fullmatch(text):
        raise DecodeError(f"a J2012 code is P, C, B or U, a digit 0-3 and three of 0-9A-F, got {text!r}")
    return _LETTERS.index(text[0]) << 14 | int(text[1:], 16)


def spell(code: int) -> str:
    """The J2012 code of two bytes: 0x0301 is `P0301`. Raises `DecodeError`."""
    if not 0 <= code <= 0xFFFF:
        raise DecodeError(f"a J2012 code has two bytes, got {code}")
    return f"{_LETTERS[code >> 14]}{code & 0x3FFF:04X}"


def spell_j1939(spn: int, fmi: int) -> str:
    """How a J1939 code is written here: `SPN 980 FMI 9`."""
    return f"SPN {spn} FMI {fmi}"


_J1939_SHAPE: Final = re.compile(r"SPN (0|[1-9][0-9]{0,5}) FMI (0|[1-9][0-9]?)")


def find_j1939(text: str) -> tuple[int, int] | None:
    """SPN and FMI of what `spell_j1939` writes; None for a text that it does not write."""
    shape = _J1939_SHAPE.fullmatch(text)
    if shape is None or int(shape[1]) > MAX_SPN or int(shape[2]) > MAX_FMI:
        return None
    return int(shape[1]), int(shape[2])
