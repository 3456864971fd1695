"""cantools as the judge of one signal at a time: whole messages in the wild it often refuses to decode."""

from cantools.database.can import Message, Signal
from cantools.database.errors import DecodeError
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from decoders import can, codebook
from decoders.codebook import Codebook
from decoders.signal_files import database
from decoders.signal_files.database import Database, Placed
from tests.decoders.databases import plain_catalogue, wire_id_of
from tests.strategies import Frame, batch_of


def alone(signal: Signal, payload: bytes, *, scaled: bool = True) -> float | None:
    """The signal's value in a message of its own; None where the payload ends before it."""
    one = Signal(
        name="s",
        start=signal.start,
        length=signal.length,
        byte_order=signal.byte_order,
        is_signed=signal.is_signed,
        conversion=signal.conversion,
    )
    message = Message(1, "m", len(payload), [one], strict=False)
    try:
        found = message.decode(payload, decode_choices=False, scaling=scaled)
    except DecodeError:
        return None
    assert isinstance(found, dict)
    value = found["s"]
    assert isinstance(value, (int, float))
    return float(value)


def expected(placed: Placed, payload: bytes) -> dict[str, float]:
    """The values of a frame by signal name."""
    found = {}
    for name, same in placed.signals.items():
        for signal in same:
            value = alone(signal, payload) if _is_there(placed, signal, payload) else None
            if value is not None:
                found[name] = value
    return found


def _is_there(placed: Placed, signal: Signal, payload: bytes) -> bool:
    if signal.multiplexer_signal is None:
        return True
    outer = placed.signals[signal.multiplexer_signal][0]
    raw = alone(outer, payload, scaled=False)
    return raw in (signal.multiplexer_ids or ()) and _is_there(placed, outer, payload)


def mapped(files: dict[str, str | bytes]) -> tuple[Database, Codebook, dict[int, tuple[str, str]]]:
    """Files with a map of all their signals; message and signal by number."""
    found = database.load(files)
    pairs = [
        (message, signal)
        for message, placed in found.messages.items()
        for signal, (first, *_) in placed.signals.items()
        if signal not in placed.doubtful
        and first.length <= 64
        and not (first.is_float and first.length == 16)
    ]
    entries = "".join(
        f"[[map]]\nmessage = '{message}'\nsignal = '{signal}'\npath = 'Vehicle.S{number}'\nunit = ''\n"
        for number, (message, signal) in enumerate(pairs, start=1)
    )
    text = f"[codebook]\nname = 'all'\nbus = 'can'\n{entries}"
    book = codebook.load("all", files, text, plain_catalogue(len(pairs)))
    return found, book, dict(enumerate(pairs, start=1))


def decoded(
    book: Codebook, numbers: dict[int, tuple[str, str]], placed: Placed, payload: bytes
) -> dict[str, float]:
    """What the codebook makes of a frame, by signal name."""
    rows = can.decode(batch_of([Frame(wire_id_of(placed.message), payload)]), book).rows
    found = [numbers[number] for number in rows.signal.tolist()]
    assert {message for message, _ in found} <= {placed.message.name}
    assert len(set(found)) == len(found)
    return {signal: value for (_, signal), value in zip(found, rows.value.tolist(), strict=True)}


@st.composite
def payloads(draw: DrawFn, placed: Placed) -> bytes:
    """Payloads of a message, of its length, shorter and longer; small numbers hit multiplexers' values."""
    size = draw(st.sampled_from([placed.message.length, 8, 64]) | st.integers(0, 12))
    byte = st.integers(0, 255) | st.integers(0, 3)
    return bytes(draw(st.lists(byte, min_size=min(size, 64), max_size=min(size, 64))))
