"""Fields of data units: how bytes become measurements, and which bytes are none.

All numbers are unsigned and big-endian. The two largest raw values of a field say that its source is out of
order (`abnormal`) or that there is nothing to say (`invalid`); they are checked before anything is scaled.
"""

from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vehicle.errors import WrongTypeError

BYTE: Final = 1
WORD: Final = 2
DWORD: Final = 4
FORMATS: Final = {BYTE: "B", WORD: "H", DWORD: "I"}


class Why(Enum):
    """Why a field holds no measurement."""

    ABNORMAL = "abnormal"
    """The largest raw value but one: its source is out of order."""
    INVALID = "invalid"
    """The largest raw value: there is nothing to say."""
    OUT_OF_RANGE = "out of range"
    """A raw value that the standard reserves."""


class Missing(NamedTuple):
    """A field without a measurement."""

    why: Why
    raw: int


Value = float | int | str | bytes
"""What a field can measure: a number, a bit field, a word, raw bytes."""


def sentinel(raw: int, size: int) -> Why | None:
    """What one of the two largest values of a size says; None for a value that is neither."""
    below_top = (1 << 8 * size) - 1 - raw
    return None if below_top > 1 else Why.ABNORMAL if below_top else Why.INVALID


@dataclass(frozen=True)
class Number:
    """A measured number: `value = (raw - zero) * times / per`, rounded once."""

    name: str
    """Ends in its unit."""
    size: int
    per: int = 1
    """Raw counts in one unit."""
    zero: int = 0
    """The raw value that means 0."""
    times: int = 1
    """Units in one raw count, where that is a whole number."""
    last: int | None = None
    """The largest raw value that is a measurement; None: everything below the sentinels."""
    source: str = ""
    """Where it is from, if not from where its unit is."""

    @cached_property
    def last_valid(self) -> int:
        """The largest raw value that is a measurement."""
        return (1 << 8 * self.size) - 3 if self.last is None else self.last

    @property
    def format(self) -> str:
        """For `struct`."""
        return FORMATS[self.size]

    def read(self, raw: int) -> float | Missing:
        """The measurement of a raw value, or why it is none."""
        if raw > self.last_valid:
            return Missing(sentinel(raw, self.size) or Why.OUT_OF_RANGE, raw)
        return (raw - self.zero) * self.times / self.per

    def named(self, name: str) -> "Number":
        """The same under another name."""
        return replace(self, name=name)

    def write(self, value: Value) -> int:
        """The raw value nearest to a measurement. Raises `WrongTypeError` outside the field's range."""
        if not isinstance(value, float | int):
            raise WrongTypeError(f"{self.name} is a number, got {value!r}")
        raw = round(value * self.per / self.times) + self.zero
        if not 0 <= raw <= self.last_valid:
            raise WrongTypeError(f"{self.name} has raw values 0 to {self.last_valid}, {value} needs {raw}")
        return raw


@dataclass(frozen=True)
class State:
    """One byte that stands for one of a few words."""

    name: str
    words: dict[int, str] = field(hash=False)
    source: str = ""

    size = BYTE
    format = FORMATS[BYTE]

    @cached_property
    def raws(self) -> dict[str, int]:
        """The byte of each word."""
        return {word: raw for raw, word in self.words.items()}

    def read(self, raw: int) -> str | Missing:
        """The word of a byte, or why there is none."""
        word = self.words.get(raw)
        return Missing(sentinel(raw, BYTE) or Why.OUT_OF_RANGE, raw) if word is None else word

    def write(self, value: Value) -> int:
        """The byte of a word. Raises `WrongTypeError`."""
        if isinstance(value, str) and value in self.raws:
            return self.raws[value]
        raise WrongTypeError(f"{self.name} is one of {', '.join(self.raws)}, got {value!r}")


@dataclass(frozen=True)
class Bits:
    """Flags or an ordinal, left as they are."""

    name: str
    size: int
    invalid_mask: int = 0
    """Bits that say that the others mean nothing."""
    has_sentinels: bool = True
    source: str = ""

    @property
    def format(self) -> str:
        """For `struct`."""
        return FORMATS[self.size]

    def read(self, raw: int) -> int | Missing:
        """The raw value, or why it means nothing."""
        why = sentinel(raw, self.size) if self.has_sentinels else None
        if raw & self.invalid_mask:
            why = Why.INVALID
        return raw if why is None else Missing(why, raw)

    def write(self, value: Value) -> int:
        """The raw value itself. Raises `WrongTypeError` for what `read` would not give."""
        if isinstance(value, int) and 0 <= value < 1 << 8 * self.size and self.read(value) == value:
            return value
        raise WrongTypeError(f"{self.name} is a bit field of {self.size} bytes, got {value!r}")


@dataclass(frozen=True)
class Mark:
    """A byte that is always the same; another one means that the bytes are something else."""

    raw: int

    name = ""
    size = BYTE
    format = FORMATS[BYTE]

    def read(self, raw: int) -> int:
        """The byte. Raises `WrongTypeError` for another one."""
        if raw != self.raw:
            raise WrongTypeError(f"a byte of an extension is always {self.raw:02X}, got {raw:02X}")
        return raw


Fixed = Number | State | Bits | Mark
"""Fields of a fixed size."""


@dataclass(frozen=True, slots=True)
class Series:
    """Equal numbers one behind the other, such as the voltages of cells; kept raw until asked for."""

    element: Number
    raw: bytes = field(repr=False)

    def __len__(self) -> int:
        return len(self.raw) // self.element.size

    @property
    def raws(self) -> NDArray[np.int64]:
        """As they came."""
        return np.frombuffer(self.raw, f">u{self.element.size}").astype(np.int64)

    @property
    def values(self) -> NDArray[np.float64]:
        """Measurements; NaN where there is none."""
        raws = self.raws
        values = (raws - self.element.zero) * self.element.times / self.element.per
        values[raws > self.element.last_valid] = np.nan
        return values

    def missing_n(self) -> tuple[int, int]:
        """How many sentinels there are, and how many reserved values."""
        raws = np.frombuffer(self.raw, f">u{self.element.size}")
        if not len(raws) or int(raws.max()) <= self.element.last_valid:
            return 0, 0
        beyond = raws[raws > self.element.last_valid]
        sentinels = int(np.count_nonzero(beyond >= (1 << 8 * self.element.size) - 2))
        return sentinels, len(beyond) - sentinels

    @classmethod
    def of(cls, element: Number, values: list[float | Missing]) -> "Series":
        """The series of these measurements. Raises `WrongTypeError`."""
        raws = [one.raw if isinstance(one, Missing) else element.write(one) for one in values]
        return cls(element, b"".join(raw.to_bytes(element.size, "big") for raw in raws))
