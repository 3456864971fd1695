"""Values of signals as numbers of a list: what a signal of a few bits can say is a list of few values."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from decoders.field import Form
from decoders.plan import Plan
from decoders.verbatim import FileBook

_CODED_BITS: Final = 16


@dataclass(frozen=True, slots=True)
class Coding:
    """How values of a signal are numbered: `value * steps + shift`, cut, is the place in `listed`."""

    steps: float
    shift: float
    listed: NDArray[np.float64]
    text_of: NDArray[np.int32]
    """Place in `texts` of each value; -1 where it has no name."""
    texts: tuple[str, ...]


def codings(plan: Plan, book: FileBook) -> dict[int, Coding]:
    """Of all signals whose fields are integers of 16 bits or fewer, by number.

    A signal whose values cannot be told back from their numbers exactly is left out.
    """
    found = {}
    bits = 64 - plan.fields.right.astype(np.int64)
    for row in np.flatnonzero((bits <= _CODED_BITS) & (plan.fields.form <= Form.SIGNED)).tolist():
        least = -(1 << int(bits[row]) - 1) if plan.fields.form[row] == Form.SIGNED else 0
        raw = np.arange(least, least + (1 << int(bits[row])), dtype=np.float64)
        listed = (raw * plan.scale[row] + plan.offset[row]) * plan.factor[row] + plan.shift[row]
        step = plan.scale[row] * plan.factor[row]
        if step == 0 or not np.isfinite(step) or not np.isfinite(1 / step):
            continue
        number = int(plan.number[row])
        names = book.labels[number].texts
        texts = tuple(dict.fromkeys(names.values()))
        text_of = np.full(len(listed) if texts else 0, -1, np.int32)
        for value, text in names.items():
            text_of[listed == value] = texts.index(text)
        one = Coding(float(1 / step), float(0.5 - listed[0] / step), listed, text_of, texts)
        if ((listed * one.steps + one.shift).astype(np.uint16) == np.arange(len(listed))).all():
            found[number] = one
    return found
