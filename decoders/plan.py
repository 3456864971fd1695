"""The flat plan a codebook compiles to: every signal of every message as one row of a few arrays.

Decoding then takes a fixed number of array operations, however many messages and signals there are
(docs/decisions/0003-codebooks-as-flat-plans.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

WORD_BITS: Final = 64
EXTENDED: Final = 0x8000_0000
"""Bit 31 of a key: a 29-bit identifier, or a parameter group."""
NEVER: Final = 2**64 - 1
"""As last valid raw value: every value is valid."""
_LARGEST: Final = float(np.finfo(np.float64).max)


class Form(IntEnum):
    """What the bits of a field are."""

    UNSIGNED = 0
    SIGNED = 1
    FLOAT32 = 2
    FLOAT64 = 3


@dataclass(frozen=True, slots=True)
class Field:
    """One bit field: where it stands in a payload and how it is read."""

    start: int
    """As in DBC: the least significant bit (little-endian) or the most significant (big-endian)."""
    bits: int
    """1 to 64."""
    is_big_endian: bool
    form: Form

    @property
    def first_bit(self) -> int:
        """Distance from the payload's first bit, in the field's own direction of counting."""
        if self.is_big_endian:
            return 8 * (self.start // 8) + 7 - self.start % 8
        return self.start

    @property
    def needed_bytes(self) -> int:
        """Payload bytes that must be there."""
        return (self.first_bit + self.bits - 1) // 8 + 1


@dataclass(frozen=True, slots=True)
class MappedSignal:
    """A field and what its raw value means in the catalogue."""

    field: Field
    scale: float
    offset: float
    """raw * scale + offset, in two roundings, is the value in the signal file's unit."""
    factor: float
    shift: float
    """value * factor + shift is the value in the catalogue's unit."""
    last_valid: int
    """Raw values above it are no measurements."""
    minimum: float
    maximum: float
    """In the catalogue's unit; values outside are dropped."""
    number: int
    """`Signal.number`."""
    when: frozenset[int] | None
    """Values of the message's selector at which the field is there; None: always."""


@dataclass(frozen=True, slots=True)
class PlannedMessage:
    """One message of the signal files; without mapped signals its frames are known and give no rows."""

    key: int
    length: int
    """Payload bytes a whole frame has."""
    signals: tuple[MappedSignal, ...]
    selector: Field | None
    """The multiplexer, where a mapped signal depends on it."""


@dataclass(frozen=True, slots=True)
class Fields:
    """Bit fields as columns, each of length s."""

    lane: NDArray[np.intp]
    """Which 64-bit word of the payload the field starts in."""
    left: NDArray[np.uint64]
    """Shift that brings the field's first bit to the top of that word."""
    right: NDArray[np.uint64]
    """Shift from there down to its place: 64 - bits."""
    spill: NDArray[np.uint64]
    """Bits of the field that stand in the next word; 0 for most."""
    is_big_endian: NDArray[np.bool_]
    form: NDArray[np.uint8]
    needed_bytes: NDArray[np.uint8]
    any_big_endian: bool
    any_spill: bool
    forms: frozenset[int]

    @classmethod
    def of(cls, all_fields: Sequence[Field]) -> "Fields":
        """The columns of some fields."""
        first = np.array([one.first_bit for one in all_fields], np.int64)
        bits = np.array([one.bits for one in all_fields], np.int64)
        big = np.array([one.is_big_endian for one in all_fields], np.bool_)
        form = np.array([one.form for one in all_fields], np.uint8)
        at = first % WORD_BITS
        spill = np.maximum(at + bits - WORD_BITS, 0)
        left = np.where(big, at, np.maximum(WORD_BITS - at - bits, 0))
        return cls(
            lane=(first // WORD_BITS).astype(np.intp),
            left=left.astype(np.uint64),
            right=(WORD_BITS - bits).astype(np.uint64),
            spill=spill.astype(np.uint64),
            is_big_endian=big,
            form=form,
            needed_bytes=np.array([one.needed_bytes for one in all_fields], np.uint8),
            any_big_endian=bool(big.any()),
            any_spill=bool(spill.any()),
            forms=frozenset(form.tolist()),
        )


@dataclass(frozen=True, slots=True)
class Lookup:
    """From identifier to message; -1 is none. Tables, because a search costs as much as decoding a signal."""

    standard: NDArray[np.int16]
    """By 11-bit identifier."""
    group: NDArray[np.int16] | None
    """By J1939 parameter group number; None where 29-bit identifiers are matched whole."""
    extended_id: NDArray[np.uint32]
    """29-bit identifiers, rising; empty where `group` is there."""
    extended: NDArray[np.int16]
    """By position in `extended_id`."""

    @classmethod
    def of(cls, keys: Sequence[int], *, by_pgn: bool) -> "Lookup":
        """Of keys with bit 31 for 29-bit identifiers or, `by_pgn`, for parameter groups."""
        standard = np.full(2**11, -1, np.int16)
        group = np.full(2**18, -1, np.int16) if by_pgn else None
        extended = sorted((key & 0x1FFF_FFFF, place) for place, key in enumerate(keys) if key & EXTENDED)
        for place, key in enumerate(keys):
            if not key & EXTENDED:
                standard[key] = place
            elif group is not None:
                group[key & 0x3FFFF] = place
        found = [] if by_pgn else extended
        return cls(
            standard=standard,
            group=group,
            extended_id=np.array([key for key, _ in found], np.uint32),
            extended=np.array([place for _, place in found], np.int16),
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """Messages, their layouts as runs of signal rows.

    A layout is what one frame holds: a message's signals, or for a multiplexed message those of one value
    of its selector. Signals of layout k are rows `first[k]` to `first[k] + count[k]`.
    """

    lookup: Lookup
    length: NDArray[np.uint8]
    """Payload bytes of each message."""
    layout: NDArray[np.intp]
    """Layout of each message; of a multiplexed one, with those signals that are always there."""
    selector: NDArray[np.intp]
    """Row of `selectors` for each message; -1: not multiplexed."""
    selectors: Fields
    choice: NDArray[np.uint64]
    """Rising: selector << 32 | value."""
    choice_layout: NDArray[np.intp]
    first: NDArray[np.intp]
    count: NDArray[np.intp]
    fields: Fields
    scale: NDArray[np.float64]
    offset: NDArray[np.float64]
    factor: NDArray[np.float64]
    shift: NDArray[np.float64]
    last_valid: NDArray[np.uint64]
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]
    rank: NDArray[np.uint16]
    """Position of the row's signal among `numbers`."""
    number: NDArray[np.int16]
    """`Signal.number` of the row's signal."""
    numbers: NDArray[np.int16]
    """Every signal that can occur, rising."""
    converts: bool
    has_invalid: bool


def compile_plan(messages: Sequence[PlannedMessage], *, by_pgn: bool) -> Plan:
    """The plan of some messages, whose keys differ."""
    ordered = sorted(messages, key=lambda message: message.key)
    layouts = _Layouts.of(ordered)
    count = np.array([len(signals) for signals in layouts.signals], np.intp)
    rows = [signal for signals in layouts.signals for signal in signals]
    numbers, rank = np.unique(np.array([row.number for row in rows], np.int16), return_inverse=True)
    return Plan(
        lookup=Lookup.of([message.key for message in ordered], by_pgn=by_pgn),
        length=np.array([message.length for message in ordered], np.uint8),
        layout=np.array(layouts.of_message, np.intp),
        selector=np.array(layouts.selector_of_message, np.intp),
        selectors=Fields.of(layouts.selectors),
        choice=np.array([choice for choice, _ in layouts.choices], np.uint64),
        choice_layout=np.array([where for _, where in layouts.choices], np.intp),
        first=np.cumsum(count) - count,
        count=count,
        fields=Fields.of([row.field for row in rows]),
        scale=_floats([row.scale for row in rows]),
        offset=_floats([row.offset for row in rows]),
        factor=_floats([row.factor for row in rows]),
        shift=_floats([row.shift for row in rows]),
        last_valid=np.array([row.last_valid for row in rows], np.uint64),
        minimum=np.clip(_floats([row.minimum for row in rows]), -_LARGEST, _LARGEST),
        maximum=np.clip(_floats([row.maximum for row in rows]), -_LARGEST, _LARGEST),
        rank=rank.astype(np.uint16),
        number=numbers[rank],
        numbers=numbers,
        converts=any((row.factor, row.shift) != (1.0, 0.0) for row in rows),
        has_invalid=any(row.last_valid != NEVER for row in rows),
    )


@dataclass(frozen=True, slots=True)
class _Layouts:
    """What `Plan` says about layouts, before it becomes arrays."""

    signals: list[tuple[MappedSignal, ...]] = field(default_factory=list)
    of_message: list[int] = field(default_factory=list)
    selector_of_message: list[int] = field(default_factory=list)
    selectors: list[Field] = field(default_factory=list)
    choices: list[tuple[int, int]] = field(default_factory=list)

    @classmethod
    def of(cls, messages: Sequence[PlannedMessage]) -> "_Layouts":
        found = cls()
        for message in messages:
            found.of_message.append(len(found.signals))
            found.signals.append(tuple(one for one in message.signals if one.when is None))
            found.selector_of_message.append(-1 if message.selector is None else len(found.selectors))
            if message.selector is not None:
                found.add_choices(message)
                found.selectors.append(message.selector)
        return found

    def add_choices(self, message: PlannedMessage) -> None:
        """One layout per value of the message's selector, which comes next among `selectors`."""
        for value in sorted({value for one in message.signals for value in one.when or ()}):
            self.choices.append((len(self.selectors) << 32 | value, len(self.signals)))
            self.signals.append(
                tuple(one for one in message.signals if one.when is None or value in one.when)
            )


def _floats(values: list[float]) -> NDArray[np.float64]:
    return np.array(values, np.float64)
