"""The flat plan a codebook compiles to: every signal of every message as one row of a few arrays.

Decoding then takes a fixed number of array operations, however many messages and signals there are
(docs/decisions/0003-codebooks-as-flat-plans.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from decoders.field import Field, Fields
from decoders.lookup import EXTENDED as EXTENDED
from decoders.lookup import Lookup, Spans

NEVER: Final = 2**64 - 1
"""As last valid raw value: every value is valid."""
_LARGEST: Final = float(np.finfo(np.float64).max)


@dataclass(frozen=True, slots=True)
class Condition:
    """At which values of a multiplexer something is in a frame."""

    selector: int
    """Position among the message's selectors."""
    ranges: tuple[tuple[int, int], ...]
    """First and last value of each range; rising, apart."""


@dataclass(frozen=True, slots=True)
class Selector:
    """A multiplexer: a field whose raw value says what else is in the frame."""

    field: Field
    when: Condition | None
    """Where it is itself multiplexed; the outer one stands before it."""


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
    when: Condition | None
    """None: in every frame of the message."""
    names: Mapping[float, str] | None = None
    """What values are called, by value in the catalogue's unit."""


@dataclass(frozen=True, slots=True)
class PlannedMessage:
    """One message of the signal files; without mapped signals its frames are known and give no rows."""

    key: int
    length: int
    """Payload bytes a whole frame has."""
    signals: tuple[MappedSignal, ...]
    selectors: tuple[Selector, ...] = ()
    """The multiplexers that mapped signals depend on; an outer one before those inside it."""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Selectors:
    """Multiplexers of all messages, and what is there at which of their values."""

    fields: Fields
    ranges: Spans
    """Ranges of each selector."""
    key: NDArray[np.uint64]
    """Rising: selector << 32 | first value of a range."""
    last: NDArray[np.uint64]
    """Last value of each range."""
    layouts: Spans
    """Of each range, among `layout`."""
    layout: NDArray[np.intp]
    inner: Spans
    """Of each range, among `selector`: the multiplexers that are there only then."""
    selector: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Plan:
    """Messages, their layouts, and layouts as runs of rows, one row per signal.

    A layout is a set of signals that are in a frame together: those always there, or those at the same values
    of the same multiplexer. Each signal is in one.
    """

    lookup: Lookup
    messages: tuple[str, ...]
    """Names."""
    length: NDArray[np.uint8]
    """Payload bytes of each message."""
    layout: NDArray[np.intp]
    """Of each message: what is always there."""
    roots: Spans
    """Of each message: its selectors that are always there."""
    selectors: Selectors
    owner: NDArray[np.intp]
    """Message of each layout."""
    rows: Spans
    """Of each layout; they rise by number."""
    fields: Fields
    """Of each row, like all that follow."""
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
    names: Mapping[int, Mapping[float, str]]
    """What values are called, by `Signal.number` and value in the catalogue's unit."""
    converts: bool
    has_invalid: bool


def compile_plan(messages: Sequence[PlannedMessage], *, by_pgn: bool) -> Plan:
    """The plan of some messages, whose keys differ, and of whose signals no two have one number."""
    ordered = sorted(messages, key=lambda message: message.key)
    draft = _Draft.of(ordered)
    rows = [signal for signals in draft.layouts for signal in signals]
    numbers, rank = np.unique(np.array([row.number for row in rows], np.int16), return_inverse=True)
    return Plan(
        lookup=Lookup.of([message.key for message in ordered], by_pgn=by_pgn),
        messages=tuple(message.name for message in ordered),
        length=np.array([message.length for message in ordered], np.uint8),
        layout=np.array(draft.of_message, np.intp),
        roots=Spans(np.array(draft.first_root, np.intp), np.array(draft.roots, np.intp)),
        selectors=draft.selectors(),
        owner=np.array(draft.owner, np.intp),
        rows=Spans.of([len(signals) for signals in draft.layouts]),
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
        names={row.number: row.names for row in rows if row.names},
        converts=any((row.factor, row.shift) != (1.0, 0.0) for row in rows),
        has_invalid=any(row.last_valid != NEVER for row in rows),
    )


@dataclass(frozen=True, slots=True)
class _Range:
    """Values of one selector at which the same things are there."""

    key: int
    last: int
    layouts: tuple[int, ...]
    inner: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Draft:
    """What `Plan` says about layouts and selectors, before it becomes arrays."""

    layouts: list[tuple[MappedSignal, ...]] = field(default_factory=list)
    owner: list[int] = field(default_factory=list)
    of_message: list[int] = field(default_factory=list)
    first_root: list[int] = field(default_factory=list)
    roots: list[int] = field(default_factory=list)
    fields: list[Field] = field(default_factory=list)
    ranges: list[list[_Range]] = field(default_factory=list)
    """Of each selector."""

    @classmethod
    def of(cls, messages: Sequence[PlannedMessage]) -> "_Draft":
        found = cls()
        for place, message in enumerate(messages):
            found.of_message.append(found._add_layout(place, message.signals, None))
            roots = [k for k, one in enumerate(message.selectors) if one.when is None]
            found.first_root.append(len(found.fields))
            found.roots.append(len(roots))
            inner = [k for k, one in enumerate(message.selectors) if one.when is not None]
            found._add_selectors(place, message, [*roots, *inner])
        return found

    def _add_layout(self, message: int, signals: Sequence[MappedSignal], when: Condition | None) -> int:
        here = sorted((one for one in signals if one.when == when), key=lambda one: one.number)
        self.layouts.append(tuple(here))
        self.owner.append(message)
        return len(self.layouts) - 1

    def _add_selectors(self, place: int, message: PlannedMessage, order: list[int]) -> None:
        """The selectors of one message in this order, and the layouts that depend on them."""
        number = {k: len(self.fields) + n for n, k in enumerate(order)}
        conditions = dict.fromkeys(one.when for one in message.signals if one.when is not None)
        layouts = {when: self._add_layout(place, message.signals, when) for when in conditions}
        for k in order:
            here = [(when.ranges, (layout, -1)) for when, layout in layouts.items() if when.selector == k]
            for other, inner in enumerate(message.selectors):
                if inner.when is not None and inner.when.selector == k:
                    here.append((inner.when.ranges, (-1, number[other])))
            self.ranges.append(_swept(number[k], here))
        self.fields.extend(message.selectors[k].field for k in order)

    def selectors(self) -> Selectors:
        ranges = [one for of_selector in self.ranges for one in of_selector]
        return Selectors(
            fields=Fields.of(self.fields),
            ranges=Spans.of([len(of_selector) for of_selector in self.ranges]),
            key=np.array([one.key for one in ranges], np.uint64),
            last=np.array([one.last for one in ranges], np.uint64),
            layouts=Spans.of([len(one.layouts) for one in ranges]),
            layout=np.array([layout for one in ranges for layout in one.layouts], np.intp),
            inner=Spans.of([len(one.inner) for one in ranges]),
            selector=np.array([selector for one in ranges for selector in one.inner], np.intp),
        )


def _swept(
    selector: int, things: Sequence[tuple[tuple[tuple[int, int], ...], tuple[int, int]]]
) -> list[_Range]:
    """What is there at which values: (ranges, (layout, selector)) of each thing, -1 for neither."""
    begins: dict[int, list[int]] = {}
    ends: dict[int, list[int]] = {}
    for thing, (ranges, _) in enumerate(things):
        for low, high in ranges:
            begins.setdefault(low, []).append(thing)
            ends.setdefault(high + 1, []).append(thing)
    found = []
    there: set[int] = set()
    points = sorted(begins.keys() | ends.keys())
    for low, following in pairwise(points):
        there.difference_update(ends.get(low, ()))
        there.update(begins.get(low, ()))
        if there:
            pairs = [things[thing][1] for thing in sorted(there)]
            layouts = tuple(layout for layout, _ in pairs if layout >= 0)
            inner = tuple(one for _, one in pairs if one >= 0)
            found.append(_Range(selector << 32 | low, following - 1, layouts, inner))
    return found


def _floats(values: list[float]) -> NDArray[np.float64]:
    return np.array(values, np.float64) + 0.0  # no negative zero
