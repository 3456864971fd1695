"""A message of a signal file with what is mapped of it, put together for the plan."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from cantools.database.can import Signal

from decoders import j1939
from decoders.enumeration import Piece, runs
from decoders.plan import EXTENDED, Condition, MappedSignal, PlannedMessage, Selector
from decoders.signal_files.database import Placed
from decoders.signal_files.layout import field_of

FRAME_BYTES: Final = 64
_MAX_SELECTOR_BITS: Final = 32


@dataclass(frozen=True, slots=True)
class Mapped:
    """A signal of a message with what it means; several of one entry where a multiplexer chooses."""

    signal: Signal
    pieces: Sequence[Piece]


def planned(found: Placed, mapped: Sequence[Mapped], problems: list[str], *, by_pgn: bool) -> PlannedMessage:
    """The message; `problems` says what is wrong with its multiplexers."""
    message = found.message
    key = message.frame_id
    if message.is_extended_frame:
        key = EXTENDED | (j1939.pgn(key) if by_pgn else key)
    needed = _multiplexers(found, [one.signal for one in mapped], problems)
    selectors = [Selector(field_of(one), _when(one, needed)) for one in needed.values()]
    signals = [signal for one in mapped for signal in _pieces(one, _when(one.signal, needed), selectors)]
    return PlannedMessage(
        key=key,
        length=min(message.length, FRAME_BYTES),
        signals=tuple(signals),
        selectors=tuple(selectors),
        name=message.name,
    )


def _pieces(one: Mapped, when: Condition | None, selectors: list[Selector]) -> list[MappedSignal]:
    """What a signal means at which of its values, told apart by a selector of its own, which is added."""
    if all(piece.bits is None for piece in one.pieces):
        return [replace(piece.mapped, when=when) for piece in one.pieces]
    own = Selector(field_of(one.signal), when)
    if own not in selectors:
        selectors.append(own)
    at = selectors.index(own)
    return [replace(piece.mapped, when=Condition(at, piece.bits or ())) for piece in one.pieces]


def _multiplexers(found: Placed, signals: Sequence[Signal], problems: list[str]) -> dict[str, Signal]:
    """The multiplexers that these signals depend on by name, an outer one before those inside it."""
    needed: dict[str, Signal] = {}
    for signal in signals:
        chain: list[Signal] = []
        outer = signal.multiplexer_signal
        while outer is not None and outer not in needed:
            others = found.signals.get(outer, ())
            if len(others) != 1 or others[0] in chain:
                what = f"multiplexer {outer} of {signal.name} does not exist"
                problems.append(f"{found.place}: {what}")
                return {}
            chain.append(others[0])
            outer = chain[-1].multiplexer_signal
        needed |= {one.name: one for one in reversed(chain)}
    for one in needed.values():
        if one.length > _MAX_SELECTOR_BITS or one.is_float:
            what = f"multiplexer {one.name} is an integer of at most {_MAX_SELECTOR_BITS} bits"
            problems.append(f"{found.place}: {what}")
        needed_bytes = field_of(one).needed_bytes
        if needed_bytes > FRAME_BYTES:
            what = f"multiplexer {one.name} ends in byte {needed_bytes}, a frame has at most {FRAME_BYTES}"
            problems.append(f"{found.place}: {what}")
    return needed


def _when(signal: Signal, needed: Mapping[str, Signal]) -> Condition | None:
    """At which values of its multiplexer a signal is there."""
    if signal.multiplexer_signal is None or signal.multiplexer_signal not in needed:
        return None
    outer = needed[signal.multiplexer_signal]
    values = {one for one in signal.multiplexer_ids or () if 0 <= one < 1 << outer.length}
    selector = list(needed).index(signal.multiplexer_signal)
    return Condition(selector, tuple(runs(values)))  # none: a value that no frame can have
