"""Digits in columns: decimal and hexadecimal text of many lines to numbers, eight characters at a time.

A word of eight characters is worked on as one uint64 (little endian: the first character is its lowest byte).
"""

import binascii
from typing import Final

import numpy as np
from numpy.typing import NDArray

_HIGH: Final = np.uint64(0xF0F0F0F0F0F0F0F0)
_LOW: Final = np.uint64(0x0F0F0F0F0F0F0F0F)
_ZEROS: Final = np.uint64(0x3030303030303030)
_SIXES: Final = np.uint64(0x0606060606060606)
_PAIRS: Final = np.uint64(0x00FF00FF00FF00FF)
_QUADS: Final = np.uint64(0x0000FFFF0000FFFF)
_HALF: Final = np.uint64(0xFFFFFFFF)

DIGITS: Final = 16
"""Characters of a decimal number."""
_HEX: Final = np.zeros(256, np.bool_)
_HEX[list(b"0123456789ABCDEFabcdef")] = True
_ZERO: Final = ord("0")


def decimals(text: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.bool_] | None]:
    """Numbers of sixteen decimal digits, shape (n, 16), and which rows are some; None: all.

    Rows that are none give any number.
    """
    words = text.view("<u8").reshape(-1)
    strange = (words & _HIGH) ^ _ZEROS
    strange |= ((words + _SIXES) & _HIGH) ^ _ZEROS
    value = words & _LOW
    value = (value * np.uint64(10) + (value >> np.uint64(8))) & _PAIRS
    value = (value * np.uint64(100) + (value >> np.uint64(16))) & _QUADS
    value = (value * np.uint64(10_000) + (value >> np.uint64(32))) & _HALF
    value = value.reshape(-1, 2)
    found = (value[:, 0] * np.uint64(100_000_000) + value[:, 1]).view(np.int64)
    if not strange.any():
        return found, None
    strange = strange.reshape(-1, 2)
    return found, (strange[:, 0] | strange[:, 1]) == 0


def hexadecimals(text: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
    """Bytes of hexadecimal digits in either case, (n, 2k) to (n, k), and which rows are some; None: all.

    Rows that are none give any bytes. `text` is overwritten there.
    """
    rows, characters = text.shape
    valid: NDArray[np.bool_] | None = None
    try:
        read = binascii.unhexlify(text.data)
    except (binascii.Error, ValueError):
        valid = np.asarray(_HEX[text].all(axis=1))
        text[~valid] = _ZERO
        read = binascii.unhexlify(text.data)
    return np.frombuffer(read, np.uint8).reshape(rows, characters // 2), valid


def are_decimal(text: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which rows are decimal digits and nothing else, shape (n, k) to (n,)."""
    return np.asarray((text - np.uint8(_ZERO) < 10).all(axis=1))
