"""What the signals of a message share: bits, names, and multiplexers that are not there."""

from collections.abc import Iterator, Mapping, Sequence

from cantools.database.can import Message, Signal

from decoders.field import Field, Form
from decoders.remark import Remark
from decoders.signal_files.file import SignalFile


def field_of(signal: Signal) -> Field:
    """Where it stands; read as an unsigned number."""
    return Field(signal.start, signal.length, signal.byte_order == "big_endian", Form.UNSIGNED)


def by_name(file: SignalFile, message: Message) -> tuple[dict[str, tuple[Signal, ...]], list[Remark]]:
    """The signals by name: several of one name where their multiplexer says which of them is there.

    Others that share a name are renamed. Those that only differ in their multiplexer's values become one.
    """
    found: dict[str, list[Signal]] = {}
    remarks = []
    for signal in message.signals:
        same = found.setdefault(signal.name, [])
        twin = next((one for one in same if _is_same_place(one, signal)), None)
        if not same or (twin is None and all(_are_apart(one, signal) for one in same)):
            same.append(signal)
        elif twin is not None and _are_apart(twin, signal):
            twin.multiplexer_ids = sorted({*(twin.multiplexer_ids or ()), *(signal.multiplexer_ids or ())})
        else:
            name = f"{signal.name}_{len(same) + 1}"
            while name in found:
                name += "_"
            line = file.line_of(message.name, *[signal.name] * (len(same) + 1))
            what = f"{message.name} has several signals {signal.name!r}; this one is read as {name!r}"
            remarks.append(Remark("duplicate-signal-name", file.name, line, what))
            signal.name = name
            found[name] = [signal]
    return {name: tuple(signals) for name, signals in found.items()}, remarks


def overlaps(
    file: SignalFile, message: Message, signals: Mapping[str, tuple[Signal, ...]]
) -> Iterator[Remark]:
    """Signals that share bits with another of the same frame, and those behind the message's end."""
    conditions = {name: _conditions(same[0], signals) for name, same in signals.items()}
    seen: list[tuple[int, Signal]] = []
    taken = 0
    for signal in (one for same in signals.values() for one in same):
        field = field_of(signal)
        bits = _bits(field)
        if field.needed_bytes > message.length:
            what = f"{message.name}.{signal.name} ends in byte {field.needed_bytes} of {message.length}"
            line = file.line_of(message.name, signal.name)
            yield Remark("signal-beyond-message", file.name, line, f"{what}; it is read from longer frames")
        if bits & taken:
            mine = conditions[signal.name] | _own(signal)
            others = (one for other, one in seen if other & bits)
            other = next((one for one in others if _meet(mine, conditions[one.name] | _own(one))), None)
            if other is not None:
                what = f"{message.name}.{signal.name} and {other.name} share bits; each is read by itself"
                line = file.line_of(message.name, signal.name)
                yield Remark("overlapping-signals", file.name, line, what)
        taken |= bits
        seen.append((bits, signal))


def _bits(field: Field) -> int:
    """The bits of a payload it covers, as a number whose lowest bit is the payload's first."""
    if not field.is_big_endian:
        return ((1 << field.bits) - 1) << field.start
    size = field.needed_bytes
    mask = ((1 << field.bits) - 1) << (8 * size - field.first_bit - field.bits)
    return int.from_bytes(mask.to_bytes(size, "big"), "little")


Conditions = dict[str, frozenset[int]]
"""Multiplexer to the values at which something is there."""


def _own(signal: Signal) -> Conditions:
    if signal.multiplexer_signal is None or signal.multiplexer_ids is None:
        return {}
    return {signal.multiplexer_signal: frozenset(signal.multiplexer_ids)}


def _conditions(signal: Signal, signals: Mapping[str, Sequence[Signal]]) -> Conditions:
    """Of a signal and of the multiplexers around it."""
    found: Conditions = {}
    one: Signal | None = signal
    while one is not None and one.multiplexer_signal is not None and one.multiplexer_signal not in found:
        found |= _own(one)
        outer = signals.get(one.multiplexer_signal)
        if not outer or not _own(one):
            break
        one = outer[0]
    return found


def _meet(mine: Conditions, others: Conditions) -> bool:
    """Whether both may hold in one frame."""
    return not any(mine[key].isdisjoint(others[key]) for key in mine.keys() & others.keys())


def _are_apart(one: Signal, other: Signal) -> bool:
    return one.multiplexer_signal == other.multiplexer_signal and not _meet(_own(one), _own(other))


def _is_same_place(one: Signal, other: Signal) -> bool:
    return _meaning(one) == _meaning(other)


def _meaning(signal: Signal) -> tuple[object, ...]:
    choices = signal.conversion.choices
    return (
        field_of(signal), signal.is_signed, signal.is_float, signal.scale, signal.offset, signal.minimum,
        signal.maximum, signal.unit, signal.is_multiplexer, signal.multiplexer_signal,
        None if choices is None else tuple((raw, str(name)) for raw, name in choices.items()),
    )  # fmt: skip


def is_same(one: Message, other: Message) -> bool:
    """Whether two messages mean the same."""
    return _whole(one) == _whole(other)


def _whole(message: Message) -> tuple[object, ...]:
    signals = sorted((one.name, _meaning(one), tuple(one.multiplexer_ids or ())) for one in message.signals)
    return message.name, message.frame_id, message.is_extended_frame, message.length, signals
