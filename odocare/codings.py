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


@dataclass(frozen=True, slots=True)
class _Scale:
    """What values a field can have."""

    bits: int
    is_signed: bool
    scale: float
    offset: float
    factor: float
    shift: float

    def numbered(self) -> tuple[float, float, NDArray[np.float64]] | None:
        """Steps, shift and list of a `Coding`; None where numbers do not give the very values back."""
        least = -(1 << self.bits - 1) if self.is_signed else 0
        raw = np.arange(least, least + (1 << self.bits), dtype=np.float64)
        listed = (raw * self.scale + self.offset) * self.factor + self.shift
        step = self.scale * self.factor
        if step == 0 or not np.isfinite(step) or not np.isfinite(1 / step):
            return None
        steps, shift = float(1 / step), float(0.5 - listed[0] / step)
        if ((listed * steps + shift).astype(np.uint16) == np.arange(len(listed))).all():
            return steps, shift, listed
        return None


def codings(plan: Plan, book: FileBook) -> dict[int, Coding]:
    """Of all signals whose fields are integers of 16 bits or fewer, by number.

    A signal whose values cannot be told back from their numbers exactly is left out.
    """
    found = {}
    known: dict[_Scale, tuple[float, float, NDArray[np.float64]] | None] = {}
    bits = 64 - plan.fields.right.astype(np.int64)
    rows = np.flatnonzero((bits <= _CODED_BITS) & (plan.fields.form <= Form.SIGNED))
    is_signed = plan.fields.form[rows] == Form.SIGNED
    columns = (
        bits[rows],
        is_signed,
        *(one[rows] for one in (plan.scale, plan.offset, plan.factor, plan.shift)),
    )
    for number, *facts in zip(plan.number[rows].tolist(), *(one.tolist() for one in columns), strict=True):
        scale = _Scale(*facts)
        if scale not in known:
            known[scale] = scale.numbered()
        numbered = known[scale]
        if numbered is None:
            continue
        steps, shift, listed = numbered
        names = book.labels[number].texts
        texts = tuple(dict.fromkeys(names.values()))
        text_of = np.full(len(listed) if texts else 0, -1, np.int32)
        for value, text in names.items():
            text_of[listed == value] = texts.index(text)
        found[number] = Coding(steps, shift, listed, text_of, texts)
    return found
