"""What is packed is inflated the same way by all that can, up to a limit; broken bytes are refused."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoders.captures import inflating
from decoders.captures.inflating import InflateError, inflated

BYTES = 1 << 20


@pytest.fixture(params=range(len(inflating.MAKERS)), scope="module")
def _each_way(request: pytest.FixtureRequest) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inflating, "MAKERS", inflating.MAKERS[request.param :])
        yield


@pytest.mark.usefixtures("_each_way")
@given(content=st.binary(max_size=2_000), level=st.integers(0, 9))
def test_what_was_packed_comes_out(content: bytes, level: int) -> None:
    assert inflated(memoryview(zlib.compress(content, level)), BYTES) == (content, True)


@pytest.mark.usefixtures("_each_way")
def test_no_more_comes_out_than_is_allowed() -> None:
    bomb = memoryview(zlib.compress(bytes(10 * BYTES)))
    assert inflated(bomb, BYTES) == (bytes(BYTES), False)


@pytest.mark.usefixtures("_each_way")
def test_what_is_cut_off_is_inflated_as_far_as_it_goes() -> None:
    content = bytes(range(256)) * 40
    packed = zlib.compress(content, 0)
    found, is_whole = inflated(memoryview(packed[:5_000]), BYTES)
    assert not is_whole
    assert content.startswith(found)
    assert len(found) > 4_000


@pytest.mark.usefixtures("_each_way")
@given(flaw=st.integers(0, 60), byte=st.integers(0, 255))
def test_broken_bytes_are_refused_or_give_the_same(flaw: int, byte: int) -> None:
    content = b"some bytes that are packed, some bytes that are packed, and others"
    packed = bytearray(zlib.compress(content))
    packed[flaw % len(packed)] = byte
    try:
        found, is_whole = inflated(memoryview(packed), BYTES)
    except InflateError:
        return
    assert found == content or not is_whole
