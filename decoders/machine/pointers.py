"""What numba has no word for: memory at an address, and the bits of a word."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_WORD: Final = ir.IntType(64)
_Codegen = Callable[[Any, Any, Any, Sequence[Any]], Any]


def _pointer_to(kind: types.Type) -> Any:
    """A function of an address and an offset in bytes: a pointer to numbers of that kind."""

    @intrinsic
    def at(_: object, address: types.Type, _offset: types.Type) -> tuple[types.Type, _Codegen]:
        def generate(context: Any, builder: Any, _: Any, args: Sequence[Any]) -> Any:
            value = context.get_data_type(kind).as_pointer()
            return builder.bitcast(builder.gep(args[0], [args[1]]), value)

        return types.CPointer(kind)(address, types.int64), generate

    return at


bytes_at = _pointer_to(types.uint8)
int16_at = _pointer_to(types.int16)
int32_at = _pointer_to(types.int32)
int64_at = _pointer_to(types.int64)
uint32_at = _pointer_to(types.uint32)
uint64_at = _pointer_to(types.uint64)
float64_at = _pointer_to(types.float64)


@intrinsic
def told(_: object, words: types.Type, _place: types.Type) -> tuple[types.Type, _Codegen]:
    """The address that stands in one of the words a function is given."""

    def generate(_context: Any, builder: Any, _: Any, args: Sequence[Any]) -> Any:
        addresses = builder.bitcast(args[0], args[0].type.as_pointer())
        return builder.load(builder.gep(addresses, [args[1]]))

    return types.voidptr(words, types.int64), generate


@intrinsic
def start_of(_: object, array: types.Type, _offset: types.Type) -> tuple[types.Type, _Codegen]:
    """An address so many bytes behind where an array's numbers begin, which stands in its header."""

    def generate(_context: Any, builder: Any, _: Any, args: Sequence[Any]) -> Any:
        start = builder.load(builder.bitcast(args[0], args[0].type.as_pointer()))
        return builder.gep(start, [args[1]])

    return types.voidptr(array, types.int64), generate


@intrinsic
def word_at(_: object, address: types.Type, _offset: types.Type) -> tuple[types.Type, _Codegen]:
    """The eight bytes at an address and offset as a little-endian word, wherever they begin."""

    def generate(_context: Any, builder: Any, _: Any, args: Sequence[Any]) -> Any:
        place = builder.bitcast(builder.gep(args[0], [args[1]]), _WORD.as_pointer())
        word = builder.load(place)
        word.align = 1
        return word

    return types.uint64(address, types.int64), generate


@intrinsic
def swapped(_: object, _word: types.Type) -> tuple[types.Type, _Codegen]:
    """The bytes of a word in the other order."""

    def generate(_context: Any, builder: Any, _: Any, args: Sequence[Any]) -> Any:
        return builder.bswap(args[0])

    return types.uint64(types.uint64), generate


@intrinsic
def lowest_bit(_: object, _word: types.Type) -> tuple[types.Type, _Codegen]:
    """Number of the lowest bit that is set; the word is not zero."""

    def generate(_context: Any, builder: Any, _: Any, args: Sequence[Any]) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


@intrinsic
def as_float64(_: object, _word: types.Type) -> tuple[types.Type, _Codegen]:
    """The number whose bits a word holds (IEEE 754, 64 bits)."""

    def generate(_context: Any, builder: Any, _: Any, args: Sequence[Any]) -> Any:
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.uint64), generate


@intrinsic
def as_float32(_: object, _word: types.Type) -> tuple[types.Type, _Codegen]:
    """The number whose bits the lower half of a word holds (IEEE 754, 32 bits)."""

    def generate(_context: Any, builder: Any, _: Any, args: Sequence[Any]) -> Any:
        return builder.bitcast(builder.trunc(args[0], ir.IntType(32)), ir.FloatType())

    return types.float32(types.uint64), generate
