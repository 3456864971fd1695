"""The envelope alone: as `decode` reads it, and of bodies that nobody can decode."""

import json

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders import wire
from decoders.envelope import Message, encode
from tests.strategies import messages

GARBAGE = st.sampled_from([None, "none", -1, [], {"a": {"dt_us": "x"}}, [[1]], 1.5])


@settings(max_examples=40, deadline=None)
@given(message=messages(), plain=st.booleans(), compress=st.booleans(), garbage=GARBAGE)
def test_the_envelope_is_read_whatever_stands_beside_it(
    message: Message, *, plain: bool, compress: bool, garbage: object
) -> None:
    expected = message.envelope
    body = encode(message, as_json=plain, compress=compress)
    if not compress:
        fields = json.loads(body) if plain else msgspec.msgpack.decode(body)
        names = [field.name for field in msgspec.structs.fields(wire.Head)]
        fields = {name: value if name in names else garbage for name, value in fields.items()}
        body = json.dumps(fields).encode() if plain else msgspec.msgpack.encode(fields)
    head = wire.head(body)
    assert head is not None
    told = (head.vin, head.boot, head.seq, head.t0_us, head.ack, head.resent)
    assert told == (
        expected.vin,
        expected.boot,
        expected.seq,
        expected.t0_us,
        expected.ack,
        expected.resent,
    )


@settings(max_examples=100, deadline=None)
@given(body=st.binary(max_size=60), first=st.sampled_from([b"", b"\x78\x9c", b"{", b"\x87", b"[" * 2000]))
def test_what_has_no_envelope_gives_none(body: bytes, first: bytes) -> None:
    assert wire.head(first + body) is None
