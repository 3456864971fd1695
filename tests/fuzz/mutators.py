"""How a case is made out of kept ones: near misses, seldom noise."""

from collections.abc import Callable, Sequence
from typing import Final

from tests.fuzz.dice import Dice
from tests.fuzz.target import Target

Mutator = Callable[[bytearray, Dice, Sequence[bytes], Target], None]

_EDGES: Final = (0x00, 0x01, 0x02, 0x06, 0x07, 0x08, 0x0F, 0x10, 0x20, 0x3F, 0x40, 0x7E, 0x7F, 0x80, 0x81,
    0xBF,
                 0xC0, 0xC1, 0xFB, 0xFC, 0xFD, 0xFE, 0xFF)  # fmt: skip
_WIDE_EDGES: Final = (
    0, 1, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFD, 0xFFFE, 0xFFFF, 0x10000, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF,
    (1 << 53) + 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1,
)  # fmt: skip
_SIZES: Final = (2, 4, 8)
_MOST_CHANGES: Final = 6
_RECENT: Final = 24


def mutated(target: Target, kept: Sequence[bytes], dice: Dice) -> bytes:
    """A new case: one of the kept ones, changed in one to six ways and, mostly, made right again."""
    # what was kept last reaches furthest
    recent = kept[-_RECENT:] if dice.below(2) else kept
    case = bytearray(dice.one_of(recent))
    mutators = MUTATORS if target.record_bytes else MUTATORS[: -len(_OF_RECORDS)]
    for _ in range(1 + min(dice.below(_MOST_CHANGES), dice.below(_MOST_CHANGES))):
        dice.one_of(mutators)(case, dice, kept, target)
    data = bytes(case[: target.max_bytes])
    return target.repair(data) if target.repair and dice.below(8) else data


def _flip(case: bytearray, dice: Dice, _: Sequence[bytes], __: Target) -> None:
    if case:
        case[dice.below(len(case))] ^= 1 << dice.below(8)


def _any_byte(case: bytearray, dice: Dice, _: Sequence[bytes], __: Target) -> None:
    if case:
        case[dice.below(len(case))] = dice.below(256)


def _edge(case: bytearray, dice: Dice, _: Sequence[bytes], __: Target) -> None:
    if case:
        case[dice.below(len(case))] = dice.one_of(_EDGES)


def _nearby(case: bytearray, dice: Dice, _: Sequence[bytes], __: Target) -> None:
    """A length or a count that lies by a little."""
    if case:
        place = dice.below(len(case))
        case[place] = (case[place] + dice.below(9) - 4) & 0xFF


def _wide_edge(case: bytearray, dice: Dice, _: Sequence[bytes], __: Target) -> None:
    size = dice.one_of(_SIZES)
    order = ("big", "little")[dice.below(2)]
    number = dice.one_of(_WIDE_EDGES) & (1 << 8 * size) - 1
    place = dice.below(len(case) + 1)
    case[place : place + size] = number.to_bytes(size, "big" if order == "big" else "little")


def _stretch(case: bytearray, dice: Dice) -> slice:
    """A part, short ones more often."""
    start = dice.below(len(case) + 1)
    longest = max(1, min(len(case) - start, 1 << dice.below(8)))
    return slice(start, start + 1 + dice.below(longest))


def _delete(case: bytearray, dice: Dice, _: Sequence[bytes], __: Target) -> None:
    del case[_stretch(case, dice)]


def _double(case: bytearray, dice: Dice, _: Sequence[bytes], __: Target) -> None:
    part = _stretch(case, dice)
    case[part.stop : part.stop] = case[part]


def _move(case: bytearray, dice: Dice, _: Sequence[bytes], __: Target) -> None:
    part = _stretch(case, dice)
    taken = case[part]
    del case[part]
    place = dice.below(len(case) + 1)
    case[place:place] = taken


def _noise(case: bytearray, dice: Dice, _: Sequence[bytes], __: Target) -> None:
    place = dice.below(len(case) + 1)
    case[place:place] = dice.octets(1 + dice.below(12))


def _cut(case: bytearray, dice: Dice, _: Sequence[bytes], __: Target) -> None:
    del case[dice.below(len(case) + 1) :]


def _splice(case: bytearray, dice: Dice, kept: Sequence[bytes], _: Target) -> None:
    """The beginning of one, the end of another."""
    other = dice.one_of(kept)
    case[dice.below(len(case) + 1) :] = other[dice.below(len(other) + 1) :]


def _borrow(case: bytearray, dice: Dice, kept: Sequence[bytes], _: Target) -> None:
    """A part of another one in the middle."""
    other = bytearray(dice.one_of(kept))
    place = dice.below(len(case) + 1)
    case[place:place] = other[_stretch(other, dice)]


def _word(case: bytearray, dice: Dice, _: Sequence[bytes], target: Target) -> None:
    if target.words:
        word = dice.one_of(target.words)
        place = dice.below(len(case) + 1)
        case[place : place + (len(word) if dice.below(2) else 0)] = word


def _records(case: bytearray, dice: Dice, target: Target) -> tuple[int, slice]:
    """How long a record is, and where one of them stands."""
    size = target.record_bytes
    start = size * dice.below(len(case) // size + 1)
    return size, slice(start, start + size)


def _double_record(case: bytearray, dice: Dice, _: Sequence[bytes], target: Target) -> None:
    size, one = _records(case, dice, target)
    place = size * dice.below(len(case) // size + 1)
    case[place:place] = case[one]


def _delete_record(case: bytearray, dice: Dice, _: Sequence[bytes], target: Target) -> None:
    del case[_records(case, dice, target)[1]]


def _swap_records(case: bytearray, dice: Dice, _: Sequence[bytes], target: Target) -> None:
    size, one = _records(case, dice, target)
    other = slice(one.start + size, one.stop + size)
    if other.stop <= len(case):
        case[one], case[other] = case[other], case[one]


def _interleave(case: bytearray, dice: Dice, kept: Sequence[bytes], target: Target) -> None:
    """Records of two cases by turns."""
    size, other = target.record_bytes, dice.one_of(kept)
    mixed = bytearray()
    for start in range(0, max(len(case), len(other)), size):
        mixed += case[start : start + size] + other[start : start + size]
    case[:] = mixed


def _same_field(case: bytearray, dice: Dice, _: Sequence[bytes], target: Target) -> None:
    """One column of all records from here on becomes the same."""
    size, one = _records(case, dice, target)
    column = dice.below(size)
    value = dice.one_of(_EDGES)
    for place in range(one.start + column, len(case), size):
        case[place] = value


_OF_RECORDS: Final[tuple[Mutator, ...]] = (
    _double_record, _delete_record, _swap_records, _interleave, _double_record, _same_field,
)  # fmt: skip
MUTATORS: Final[tuple[Mutator, ...]] = (
    _flip, _any_byte, _edge, _nearby, _nearby, _wide_edge, _delete, _double, _move, _noise, _cut, _splice,
    _borrow,
    _word, _word, _word, *_OF_RECORDS,
)  # fmt: skip
"""Those of records stand last."""
