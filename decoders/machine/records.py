"""The kernel's memory by name: a plan's tables, the frames of a batch, room to work in. All pointers."""

from typing import Any, NamedTuple


class Fields(NamedTuple):
    """Bit fields, of rows or of selectors."""

    left: Any
    right: Any
    lane: Any
    spill: Any
    is_big_endian: Any
    form: Any
    needed_bytes: Any


class Rows(NamedTuple):
    """Signals; those of a layout stand together."""

    field: Fields
    flags: Any
    scale: Any
    offset: Any
    factor: Any
    shift: Any
    minimum: Any
    maximum: Any
    last_valid: Any
    rank: Any
    number: Any


class Layouts(NamedTuple):
    """Signals that are in a frame together."""

    first: Any
    count: Any
    needed_bytes: Any
    flags: Any
    mask: Any
    masks: Any
    word: Any
    bits: Any
    of_rank: Any


class Messages(NamedTuple):
    """Messages of the signal files."""

    kept: Any
    """The layout that is always there; -1: none."""
    selector: Any
    selectors: Any
    length: Any


class Selectors(NamedTuple):
    """Multiplexers, and what is there at which of their values."""

    field: Fields
    first: Any
    ranges: Any
    direct: Any
    """Where a selector's values begin in `table`; -1: nowhere."""
    table: Any
    """The range of a value; -1: none."""
    low: Any
    high: Any
    layout: Any
    layouts: Any
    inner: Any
    inners: Any
    gain: Any


class Identifiers(NamedTuple):
    """From identifiers to messages."""

    standard: Any
    key: Any
    message: Any
    simple: Any
    """By 11-bit identifier: layout << 8 | bytes, where frames of so many bytes hold just that; else -1."""
    bits: Any
    by_pgn: Any


class Plan(NamedTuple):
    """All tables."""

    rows: Rows
    layouts: Layouts
    messages: Messages
    selectors: Selectors
    identifiers: Identifiers
    layout_count: Any
    rank_count: Any
    selector_count: Any
    max_layouts: Any
    max_lanes: Any
    max_rows: Any


class Frames(NamedTuple):
    """A batch, see `vehicle.frame.FrameBatch`; payloads have `width` bytes each."""

    n: Any
    width: Any
    message: Any
    t_us: Any
    can_id: Any
    is_extended: Any
    length: Any
    data: Any


class Room(NamedTuple):
    """Where the kernel works. A pair says that a frame holds a layout."""

    unknown: Any
    """Frames of no message."""
    order: Any
    """Frames of a message in the order of time."""
    held: Any
    """Of each frame the layout that it always holds << 32 | its place among those that hold it; -1: none."""
    spare: Any
    pair_layout: Any
    pair_frame: Any
    touched: Any
    """Layouts that occur."""
    count: Any
    """Frames of each layout."""
    is_cut: Any
    """Whether some frame of a layout ends before its last signal."""
    start: Any
    """Of each layout's frames in `frame`."""
    fill: Any
    stack: Any
    frame: Any
    first_word: Any
    """Of the frame in the same place of `frame`."""
    word: Any
    """First words of frames by layout."""
    next: Any
    """Of each layout, where its next frame goes."""
    place: Any
    """Where the next value of each rank goes."""
    seen: Any
    """One bit per rank."""
    t_us: Any
    """Of the frames of one layout."""
    words: Any
    """Of the frames of one layout: all first words, all second words, ..."""
    value: Any
    """Of the frames of one layout, or of the rows of one frame."""


COUNTERS = 5
UNKNOWN, SHORT, NO_MEASUREMENT, OUT_OF_RANGE, PAIRS = range(COUNTERS)
"""Numbers that come out beside the values."""
