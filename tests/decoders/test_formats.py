"""Messages written as KCD and SYM, and nested multiplexing, equal cantools reading whole messages."""

import math

import pytest
from cantools.database import load_string
from cantools.database.can import Database
from cantools.database.errors import DecodeError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from tests.decoders import databases, one_by_one
from tests.decoders.databases import Block, Drawn, wire_id_of
from tests.decoders.test_can import is_equal


@st.composite
def nested(draw: DrawFn) -> Drawn:
    """A message of multiplexers inside multiplexers, up to four deep, with signals at ranges of each."""
    block = Block(draw(st.integers(0, 0x7FF)), "NEST", 64 * 8, [], [], has_limits=False)
    taken: set[int] = set()
    depth = draw(st.integers(1, 4))
    names: list[tuple[str, int]] = []
    for level in range(depth):
        mark = "M" if level == 0 else f"m{draw(st.integers(0, 1))}M"
        width = draw(databases.add_selector(block, f"Mux{level}", taken, mark))
        if not width:
            break
        if names:
            outer, size = names[-1]
            spelled = ", ".join(f"{low}-{high}" for low, high in draw(databases.ranges(min(size, 3))))
            block.behind.append(f"SG_MUL_VAL_ {block.message_id} Mux{level} {outer} {spelled};")
        names.append((f"Mux{level}", min(width, 3)))
        for k in range(draw(st.integers(0, 3))):
            if draw(databases.add_signal(block, f"S{level}_{k}", taken, "m0 ")):
                spelled = ", ".join(f"{low}-{high}" for low, high in draw(databases.ranges(min(width, 3))))
                block.behind.append(f"SG_MUL_VAL_ {block.message_id} S{level}_{k} Mux{level} {spelled};")
    return databases.load(databases.dbc([block.text()], block.behind))


def by_cantools(database: Database, wire_id: int, payload: bytes) -> dict[str, float] | None:
    message = next(one for one in database.messages if wire_id_of(one) == wire_id)
    try:
        found = message.decode(payload, decode_choices=False, allow_truncated=True)
    except DecodeError:
        return None  # a multiplexer's value that no signal has; ours gives what is always there
    assert isinstance(found, dict)
    return {name: float(value) for name, value in found.items() if isinstance(value, (int, float))}


def assert_equal(files: dict[str, str | bytes], database: Database, data: st.DataObject) -> None:
    found, book, numbers = one_by_one.mapped(files)
    placed = data.draw(st.sampled_from(list(found.messages.values())))
    payload = data.draw(one_by_one.payloads(placed))
    theirs = by_cantools(database, wire_id_of(placed.message), payload)
    if theirs is None:
        return
    ours = one_by_one.decoded(book, numbers, placed, payload)
    theirs = {name: value for name, value in theirs.items() if math.isfinite(value)}
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        assert is_equal(ours[name], value, float(placed.signals[name][0].offset)), name


@given(drawn=nested(), data=st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_multiplexers_inside_multiplexers_equal_cantools(drawn: Drawn, data: st.DataObject) -> None:
    assert_equal({"drawn.dbc": drawn.text}, drawn.database, data)


@pytest.mark.parametrize("ending", ["kcd", "sym"])
@given(drawn=databases.databases(), data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_values_are_the_same_in_other_formats(ending: str, drawn: Drawn, data: st.DataObject) -> None:
    if any(
        signal.multiplexer_ids and (len(signal.multiplexer_ids) > 1 or signal.is_multiplexer)
        for one in drawn.database.messages
        for signal in one.signals
    ):
        return  # these formats have no ranges, and cantools writes no multiplexer inside another
    text = drawn.database.as_kcd_string() if ending == "kcd" else drawn.database.as_sym_string()
    theirs = load_string(text, database_format=ending, strict=False)
    assert isinstance(theirs, Database)
    assert_equal({f"drawn.{ending}": text}, theirs, data)
