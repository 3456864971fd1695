"""Lines of one shape read by the kernel."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.captures.compiled import Compiled
from decoders.captures.part import Part
from decoders.captures.shape import Kind, Shape

_WORD = 8
_MOST_WHOLE_DIGITS = 2 * _WORD


def is_for(shape: Shape) -> bool:
    """Whether the kernel reads lines of a shape."""
    whole, fraction, can_id = (end - start for start, end in (shape.whole, shape.fraction, shape.can_id))
    return (
        shape.kind is Kind.DATA
        and 0 < can_id <= _WORD
        and whole <= _MOST_WHOLE_DIGITS
        and fraction - shape.unit_digits <= _WORD
    )


def take(compiled: Compiled, part: Part, rows: NDArray[np.intp], shape: Shape) -> NDArray[np.intp]:
    """Read those lines of one length that are of the first one's shape; the others."""
    line = part.line(int(rows[0]))
    mask = shape.fixed(len(line))
    model = np.frombuffer(line.ljust(_WORD * len(mask), b"\0"), np.uint64)
    part.widen(shape.size)
    left, large, told = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64), np.empty(1, np.int64)
    left_n = compiled.lines(
        text=_address(np.frombuffer(part.text, np.uint8)),
        start=_address(part.start),
        rows=_address(rows),
        n=len(rows),
        model=_address(model),
        mask=_address(mask),
        words=len(mask),
        **_parts(shape),
        is_extended=shape.is_extended,
        bus=shape.bus,
        width=part.data.shape[1],
        is_frame=_address(part.is_frame),
        t_us=_address(part.t_us),
        can_id=_address(part.can_id),
        extended=_address(part.is_extended),
        buses=_address(part.bus),
        lengths=_address(part.data_length),
        payloads=_address(part.data),
        left=_address(left),
        large=_address(large),
        told=_address(told),
    )
    if told[0]:
        refused = large[: told[0]]
        part.refuse_ids(refused, part.can_id[refused], shape)
    return left[:left_n]


def _parts(shape: Shape) -> dict[str, int]:
    """Where the parts of a line stand."""
    fraction_digits = shape.fraction[1] - shape.fraction[0]
    kept = min(fraction_digits, shape.unit_digits)
    return {
        "whole": shape.whole[0],
        "whole_digits": shape.whole[1] - shape.whole[0],
        "fraction": shape.fraction[0],
        "fraction_digits": kept,
        "more_digits": fraction_digits - kept,
        "unit": 10**shape.unit_digits,
        "scale": 10 ** (shape.unit_digits - kept),
        "since_us": shape.since_us,
        "id": shape.can_id[0],
        "id_digits": shape.can_id[1] - shape.can_id[0],
        "last_id": shape.last_id,
        "data": shape.data[0],
        "stride": shape.stride,
        "size": shape.size,
    }


def _address(array: NDArray[Any]) -> int:
    return int(array.ctypes.data)
