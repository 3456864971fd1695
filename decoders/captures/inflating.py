"""Inflating what zlib packed, by ISA-L where it is installed, which takes half the time."""

import zlib
from collections.abc import Callable
from typing import Any, Final

from vehicle.errors import DecodeError


def _makers() -> list[tuple[Callable[[], Any], Any]]:
    """What makes an inflater and the kind of error it raises, the fastest first."""
    zlib_itself = (zlib.decompressobj, zlib.error)
    try:
        from isal import isal_zlib
    except ImportError:
        return [zlib_itself]
    return [(isal_zlib.decompressobj, isal_zlib.error), zlib_itself]


MAKERS: Final = _makers()


class InflateError(DecodeError):
    """Bytes that were not packed by zlib, or not whole ones."""

    reason = "deflate"


def inflated(packed: memoryview, most: int) -> tuple[bytes, bool]:
    """At most so many bytes out of what zlib packed, and whether that was all. Raises `InflateError`."""
    make, error_kind = MAKERS[0]
    inflater = make()
    try:
        return inflater.decompress(packed, most), inflater.eof
    except error_kind as error:
        raise InflateError(f"{error}") from None
