"""Vehicle identification numbers (ISO 3779; check digit of 49 CFR 565.15)."""

import re
from typing import Final, NewType

from vehicle.errors import DecodeError

Vin = NewType("Vin", str)
"""Seventeen characters of ISO 3779, upper case; only `parse_vin` makes one."""

_SHAPE: Final = re.compile(r"[A-HJ-NPR-Z0-9]{17}")
_VALUES: Final = dict(
    zip("ABCDEFGHJKLMNPRSTUVWXYZ", [*range(1, 9), *range(1, 6), 7, 9, *range(2, 10)], strict=True)
) | {str(digit): digit for digit in range(10)}
_WEIGHTS: Final = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
_CHECK_POSITION: Final = 8


def parse_vin(text: str) -> Vin:
    """Read a VIN; letters I, O and Q never occur in one. Raises `DecodeError`."""
    vin = text.strip().upper()
    if not _SHAPE.fullmatch(vin):
        raise DecodeError(f"a VIN has 17 characters of A-Z without I, O, Q and 0-9, got {text!r}")
    return Vin(vin)


def check_digit(vin: Vin) -> str:
    """The check digit that position 9 should hold: weighted sum modulo 11, 10 written X.

    Mandatory in North America and China, not in Europe: a difference is a warning, never a refusal.
    """
    total = sum(_VALUES[char] * weight for char, weight in zip(vin, _WEIGHTS, strict=True))
    return "X" if total % 11 == 10 else str(total % 11)


def has_valid_check_digit(vin: Vin) -> bool:
    """Whether position 9 holds the check digit; one random VIN in eleven passes."""
    return vin[_CHECK_POSITION] == check_digit(vin)


def with_check_digit(vin: Vin) -> Vin:
    """The same VIN with position 9 corrected; for generators of test fleets."""
    return Vin(vin[:_CHECK_POSITION] + check_digit(vin) + vin[_CHECK_POSITION + 1 :])


def tail(vin: Vin) -> str:
    """The last six characters, which is what a service advisor is shown."""
    return vin[-6:]
