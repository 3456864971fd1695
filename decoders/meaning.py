"""What a signal of a signal file means in the catalogue: its field, scale, limits and names."""

from dataclasses import replace
from typing import Final

from cantools.database.can import Signal

from decoders import enumeration
from decoders.field import Field, Form
from decoders.plan import NEVER, MappedSignal
from decoders.signal_files.layout import field_of
from vehicle.signal import Signal as CatalogueSignal

FLOATS: Final = {32: Form.FLOAT32, 64: Form.FLOAT64}


def meaning(
    signal: Signal, wanted: CatalogueSignal, into: tuple[float, float], *, is_j1939: bool
) -> MappedSignal:
    """What it means; `into` is factor and shift from the file's unit into the catalogue's."""
    factor, shift = into
    one = _field(signal)
    scale, offset = float(signal.scale), float(signal.offset)
    lowest, highest = wanted.lowest, wanted.highest
    if signal.minimum is not None and signal.maximum is not None and signal.maximum > signal.minimum:
        # files round their limits: half a step decides nothing but that
        slack = abs(scale) / 2 if one.form in (Form.UNSIGNED, Form.SIGNED) else 0.0
        lowest = max(lowest, (float(signal.minimum) - slack) * factor + shift)
        highest = min(highest, (float(signal.maximum) + slack) * factor + shift)
    return MappedSignal(
        field=one,
        scale=scale,
        offset=offset,
        factor=factor,
        shift=shift,
        last_valid=_last_valid(one) if is_j1939 else NEVER,
        minimum=lowest,
        maximum=highest,
        number=wanted.number,
        when=None,
        names=_names(signal, scale, offset, into),
    )


def _names(signal: Signal, scale: float, offset: float, into: tuple[float, float]) -> dict[float, str] | None:
    """The value table of a signal, by value in the catalogue's unit."""
    factor, shift = into
    choices = enumeration.choices(signal)
    return {(float(raw) * scale + offset) * factor + shift: name for raw, name in choices.items()} or None


def _field(signal: Signal) -> Field:
    form = Form.SIGNED if signal.is_signed else Form.UNSIGNED
    if signal.is_float:
        form = FLOATS[signal.length]
    return replace(field_of(signal), form=form)


def _last_valid(one: Field) -> int:
    """The last raw value that is a measurement (SAE J1939-71, 5.1.4).

    Whole bytes: the topmost byte is at most 0xFA, above it stand indicators, error and not available.
    Other fields: all ones is not available, one less is error; a single bit has neither.
    """
    if one.form is not Form.UNSIGNED or one.bits == 1:
        return NEVER
    if one.bits % 8 == 0:
        return (0xFB << (one.bits - 8)) - 1
    return (1 << one.bits) - 3
