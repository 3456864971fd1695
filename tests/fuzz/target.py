"""What is fuzzed: a parser, what must hold for whatever it is given, and where to begin."""

from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass
from typing import Final

from vehicle.errors import OdocareError


class BrokenPromiseError(Exception):
    """A parser did something else than decode or refuse; the text says what it promised."""


def require(promise: str, *, holds: bool) -> None:
    """Raise `BrokenPromiseError` unless it holds."""
    if not holds:
        raise BrokenPromiseError(promise)


Mark = Hashable
"""Something that a case reached: a place where it was refused, a feature of what it was read as."""


@dataclass(frozen=True)
class Target:
    """One parser under fire."""

    name: str
    check: Callable[[bytes, bool], Collection[Mark]]
    """Feeds a case to the parser and raises unless it decodes or is refused as promised. The second argument
    asks for the dearer checks too, which a run makes for some of its cases only. Returns what was reached: a
    case that reaches something new is kept and mutated further."""
    starts: Callable[[], Sequence[bytes]]
    """Good cases, of our own making."""
    words: Sequence[bytes] = ()
    """What the format is made of; put in as a whole."""
    record_bytes: int = 0
    """Length of the records that cases are made of; mutated as a whole, too. 0: there are none."""
    max_bytes: int = 600
    slow: int = 1
    """How many times fewer cases the tests' short run makes."""
    repair: Callable[[bytes], bytes] | None = None
    """Makes lengths and checksums right again; done to most cases."""


_NOWHERE: Final = ("", 0)


def place_of(error: OdocareError) -> Mark:
    """Where a refusal was raised: the last line of ours that it came through."""
    where = error.__traceback__
    if where is None:
        return _NOWHERE
    while where.tb_next is not None:
        where = where.tb_next
    return where.tb_frame.f_code.co_name, where.tb_lineno
