"""Where the kernel's records are in memory."""

from numba import njit

from decoders.machine.pointers import (
    bytes_at,
    float64_at,
    int16_at,
    int32_at,
    int64_at,
    start_of,
    told,
    uint32_at,
    uint64_at,
)
from decoders.machine.records import (
    COUNTERS,
    Fields,
    Frames,
    Identifiers,
    Layouts,
    Messages,
    Plan,
    Room,
    Rows,
    Selectors,
)
from decoders.tables import COUNTERS_BYTES, HEADER, ROW_BYTES, ROW_MULTIPLE, WORDS


@njit
def fields_at(address, left, right, lane, spill, is_big_endian, form, needed_bytes):
    """Bit fields whose columns begin there."""
    return Fields(
        bytes_at(address, left),
        bytes_at(address, right),
        bytes_at(address, lane),
        bytes_at(address, spill),
        bytes_at(address, is_big_endian),
        bytes_at(address, form),
        bytes_at(address, needed_bytes),
    )


@njit
def rows_at(address, h):
    """Rows of the tables with header h."""
    return Rows(
        fields_at(
            address,
            h[HEADER.row_left],
            h[HEADER.row_right],
            h[HEADER.row_lane],
            h[HEADER.row_spill],
            h[HEADER.row_is_big_endian],
            h[HEADER.row_form],
            h[HEADER.row_needed_bytes],
        ),
        bytes_at(address, h[HEADER.row_flags]),
        float64_at(address, h[HEADER.row_scale]),
        float64_at(address, h[HEADER.row_offset]),
        float64_at(address, h[HEADER.row_factor]),
        float64_at(address, h[HEADER.row_shift]),
        float64_at(address, h[HEADER.row_minimum]),
        float64_at(address, h[HEADER.row_maximum]),
        uint64_at(address, h[HEADER.row_last_valid]),
        int32_at(address, h[HEADER.row_rank]),
        int16_at(address, h[HEADER.row_number]),
    )


@njit
def layouts_at(address, h):
    """Layouts of the tables with header h."""
    return Layouts(
        int32_at(address, h[HEADER.layout_first]),
        int32_at(address, h[HEADER.layout_count]),
        int32_at(address, h[HEADER.layout_needed_bytes]),
        bytes_at(address, h[HEADER.layout_flags]),
        int32_at(address, h[HEADER.layout_mask]),
        int32_at(address, h[HEADER.layout_masks]),
        int32_at(address, h[HEADER.mask_word]),
        uint64_at(address, h[HEADER.mask]),
        int32_at(address, h[HEADER.rank_layout]),
    )


@njit
def messages_at(address, h):
    """Messages of the tables with header h."""
    return Messages(
        int32_at(address, h[HEADER.message_kept]),
        int32_at(address, h[HEADER.message_selector]),
        int32_at(address, h[HEADER.message_selectors]),
        int32_at(address, h[HEADER.message_length]),
    )


@njit
def selectors_at(address, h):
    """Multiplexers of the tables with header h."""
    return Selectors(
        fields_at(
            address,
            h[HEADER.selector_left],
            h[HEADER.selector_right],
            h[HEADER.selector_lane],
            h[HEADER.selector_spill],
            h[HEADER.selector_is_big_endian],
            h[HEADER.selector_form],
            h[HEADER.selector_needed_bytes],
        ),
        int32_at(address, h[HEADER.selector_range]),
        int32_at(address, h[HEADER.selector_ranges]),
        int32_at(address, h[HEADER.selector_direct]),
        int32_at(address, h[HEADER.direct]),
        uint64_at(address, h[HEADER.range_low]),
        uint64_at(address, h[HEADER.range_high]),
        int32_at(address, h[HEADER.range_layout]),
        int32_at(address, h[HEADER.range_layouts]),
        int32_at(address, h[HEADER.range_inner]),
        int32_at(address, h[HEADER.range_inners]),
        int32_at(address, h[HEADER.gain]),
    )


@njit
def plan_of(words):
    """The packed tables."""
    return plan_at(told(words, WORDS.tables))


@njit
def plan_at(address):
    """The tables packed at an address."""
    h = int64_at(address, 0)
    identifiers = Identifiers(
        int16_at(address, h[HEADER.standard]),
        uint32_at(address, h[HEADER.slot_key]),
        int32_at(address, h[HEADER.slot_message]),
        int32_at(address, h[HEADER.simple]),
        h[HEADER.slot_bits],
        h[HEADER.by_pgn],
    )
    return Plan(
        rows_at(address, h),
        layouts_at(address, h),
        messages_at(address, h),
        selectors_at(address, h),
        identifiers,
        h[HEADER.n_layouts],
        h[HEADER.n_ranks],
        h[HEADER.n_selectors],
        h[HEADER.max_layouts],
        h[HEADER.max_lanes],
        h[HEADER.max_rows],
    )


@njit
def frames_of(words):
    """The columns of a batch, each given by its header."""
    number = int64_at(words, 0)
    return Frames(
        number[WORDS.frames],
        number[WORDS.width],
        int32_at(start_of(told(words, WORDS.message), 0), 0),
        int64_at(start_of(told(words, WORDS.t_us), 0), 0),
        uint32_at(start_of(told(words, WORDS.can_id), 0), 0),
        bytes_at(start_of(told(words, WORDS.is_extended), 0), 0),
        bytes_at(start_of(told(words, WORDS.length), 0), 0),
        start_of(told(words, WORDS.data), 0),
    )


@njit
def cleared(plan, room, counters):
    """No layout and no rank seen, nothing counted."""
    for k in range(COUNTERS):
        counters[k] = 0
    for k in range(plan.layout_count):
        room.count[k] = 0
    for k in range((plan.rank_count >> 6) + 1):
        room.seen[k] = 0


@njit
def room_of(words, plan, n, capacity):
    """Room for n frames behind counters and so many long rows, and the counters."""
    block = told(words, WORDS.block)
    address = start_of(block, COUNTERS_BYTES + ROW_BYTES * capacity)
    return room_at(address, plan, (n + 1) & -2)[0], int64_at(start_of(block, 0), 0)


@njit
def room_at(address, plan, n):
    """Room for n frames, and its size in bytes, which is linear in n; n is even."""
    pairs, layouts = n * plan.max_layouts, (plan.layout_count + 2) & -2
    unknown = int32_at(address, 0)  # `Reader` looks for it there
    at = 4 * n
    words = uint64_at(address, at)
    at += 8 * n * plan.max_lanes
    value = float64_at(address, at)
    at += 8 * (n + ((plan.max_rows + ROW_MULTIPLE) & -ROW_MULTIPLE))
    t_us = int64_at(address, at)
    at += 8 * n
    word = uint64_at(address, at)
    at += 8 * pairs
    next_frame = int64_at(address, at)
    at += 8 * plan.layout_count
    place = int64_at(address, at)
    at += 8 * plan.rank_count
    seen = uint64_at(address, at)
    at += 8 * ((plan.rank_count >> 6) + 1)
    order = int32_at(address, at)
    at += 4 * n
    held = int64_at(address, at)
    at += 8 * n
    first_word = uint64_at(address, at)
    at += 8 * pairs
    spare = int32_at(address, at)
    pair_layout = int32_at(address, at + 4 * pairs)
    pair_frame = int32_at(address, at + 8 * pairs)
    frame = int32_at(address, at + 12 * pairs)
    at += 16 * pairs
    touched = int32_at(address, at)
    count = int32_at(address, at + 4 * layouts)
    is_cut = int32_at(address, at + 8 * layouts)
    start = int32_at(address, at + 12 * layouts)
    fill = int32_at(address, at + 16 * layouts)
    at += 20 * layouts
    stack = int32_at(address, at)
    at += 4 * ((plan.selector_count + 2) & -2)
    room = Room(
        unknown,
        order,
        held,
        spare,
        pair_layout,
        pair_frame,
        touched,
        count,
        is_cut,
        start,
        fill,
        stack,
        frame,
        first_word,
        word,
        next_frame,
        place,
        seen,
        t_us,
        words,
        value,
    )
    return room, at
