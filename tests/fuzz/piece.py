"""One piece of a run: so many cases of one target, and what they found."""

import signal
import traceback
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final

from tests.fuzz.dice import Dice
from tests.fuzz.minimise import minimised
from tests.fuzz.mutators import mutated
from tests.fuzz.target import BrokenPromiseError, Mark, Target

LONGEST_S: Final = 5.0
"""Of the processor's time for one case of some hundred bytes; a thousand times what most take."""
MOST_KEPT: Final = 1_500
_THOROUGH_EVERY: Final = 16
_HERE: Final = Path(__file__)
_REPOSITORY: Final = _HERE.parents[2]


class TookTooLongError(Exception):
    """A case that is not done after `LONGEST_S`."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A case that broke something."""

    key: str
    """What broke and where: the same for all cases that break the same."""
    story: str
    """The traceback."""
    data: bytes


@dataclass(slots=True)
class Piece:
    """What came out of some cases."""

    kept: list[bytes]
    """Cases to go on from."""
    cases: int = 0
    refused: int = 0
    findings: list[Finding] = field(default_factory=list)


def run(target: Target, kept: Sequence[bytes], *, seed: int, number: int, cases: int) -> Piece:
    """Piece `number` of a run with this seed; the same again gives the same."""
    dice = Dice(seed, zlib.crc32(target.name.encode()), number)
    piece = Piece(list(kept))
    seen: set[Mark] = set()
    found: dict[str, Finding] = {}
    with _watched():
        for data in kept:
            _try(target, data, seen, found, thorough=True)
        for n in range(cases):
            data = mutated(target, piece.kept, dice)
            is_new = _try(target, data, seen, found, thorough=n % _THOROUGH_EVERY == 0)
            if is_new and len(piece.kept) < MOST_KEPT:
                piece.kept.append(data)
                _try(target, data, seen, found, thorough=True)
    piece.cases = cases
    piece.findings = [smallest(target, one) for one in found.values()]
    return piece


def _try(target: Target, data: bytes, seen: set[Mark], found: dict[str, Finding], *, thorough: bool) -> bool:
    """Whether a case reached something that none has before; what it broke is noted."""
    signal.setitimer(signal.ITIMER_VIRTUAL, LONGEST_S)
    try:
        marks = target.check(data, thorough)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what we are looking for
        key = key_of(error)
        if key not in found:
            found[key] = Finding(key, "".join(traceback.format_exception(error)), data)
        return False
    if seen.issuperset(marks):
        return False
    seen.update(marks)
    return True


def key_of(error: Exception) -> str:
    """The kind of an error and the line it comes from; of a broken promise, its text."""
    if isinstance(error, BrokenPromiseError):
        return f"broken promise: {error}"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_relative_to(_REPOSITORY) and ".venv" not in path.parts and path != _HERE:
            return f"{type(error).__name__} in {path.relative_to(_REPOSITORY)}:{frame.name}"
    return type(error).__name__


def broken_by(target: Target, data: bytes) -> Finding | None:
    """What a case breaks, with all checks."""
    found: dict[str, Finding] = {}
    with _watched():
        _try(target, data, set(), found, thorough=True)
    return next(iter(found.values()), None)


def smallest(target: Target, finding: Finding) -> Finding:
    """The same finding with as few bytes as can be found."""

    def still_breaks(data: bytes) -> bool:
        again = broken_by(target, data)
        return again is not None and again.key == finding.key

    if not still_breaks(finding.data):
        return finding
    data = minimised(finding.data, still_breaks)
    return broken_by(target, data) or finding


@contextmanager
def _watched() -> Iterator[None]:
    """Cases that go on for ever are interrupted."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise TookTooLongError

    before = signal.signal(signal.SIGVTALRM, interrupt)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
