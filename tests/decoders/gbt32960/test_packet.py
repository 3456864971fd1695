"""Packets: framing, checksum, who sent it, and the key in the ledger."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders.gbt32960 import packet
from decoders.gbt32960.packet import MAX_BODY_BYTES, Packet
from decoders.gbt32960.words import AckFlag, Command, Edition, Encryption
from tests.decoders.gbt32960 import files
from vehicle.errors import (
    DecodeError,
    EncryptedError,
    TooLargeError,
    TruncatedPayloadError,
    WrongChecksumError,
    WrongLengthError,
    WrongStartError,
    WrongTimeError,
    WrongTypeError,
)

VIN = "L0DEV1234N0000001"
TIME = bytes((26, 11, 21, 12, 5, 6))
GOLDEN = files.read("2016-report").data
HEARTBEAT = Packet(Edition.GBT_2025, Command.HEARTBEAT, AckFlag.COMMAND, VIN, Encryption.NONE, b"")


def packets() -> st.SearchStrategy[Packet]:
    byte = st.integers(0, 255)
    return st.builds(
        Packet,
        edition=st.sampled_from(Edition),
        command=byte,
        flag=byte,
        identifier=st.text(st.characters(max_codepoint=127), min_size=17, max_size=17),
        encryption=byte,
        body=st.binary(max_size=300),
    )


@given(packets())
def test_what_is_built_is_parsed(one: Packet) -> None:
    assert packet.parse(packet.build(one)) == one


def test_the_longest_packet_is_parsed() -> None:
    one = Packet(Edition.GBT_2025, 2, 0xFE, VIN, 1, bytes(MAX_BODY_BYTES))
    assert packet.parse(packet.build(one)) == one
    with pytest.raises(TooLargeError, match="at most 65531 bytes, got 65532"):
        packet.build(Packet(Edition.GBT_2025, 2, 0xFE, VIN, 1, bytes(MAX_BODY_BYTES + 1)))


@given(st.data())
@settings(max_examples=60)
def test_one_changed_byte_is_noticed(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(GOLDEN) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != GOLDEN[place]))
    damaged = GOLDEN[:place] + bytes((other,)) + GOLDEN[place + 1 :]
    with pytest.raises(DecodeError) as refused:
        packet.parse(damaged)
    wanted = "wrong-start" if place < 2 else "wrong-length" if place in (22, 23) else "wrong-checksum"
    assert refused.value.reason == wanted


@given(st.integers(0, len(GOLDEN) - 1))
@settings(max_examples=60)
def test_a_packet_that_is_cut_off_is_refused(end: int) -> None:
    with pytest.raises(DecodeError) as refused:
        packet.parse(GOLDEN[:end])
    assert refused.value.reason in {"wrong-start", "truncated", "wrong-length"}


@pytest.mark.parametrize(
    ("data", "error", "says"),
    [
        (b"", WrongStartError, "starts with 23 23 (2016) or 24 24 (2025), got "),
        (b"#$" + GOLDEN[2:], WrongStartError, "got 23 24"),
        (GOLDEN[:24], TruncatedPayloadError, "a packet needs 25 bytes, got 24"),
        (GOLDEN + b"\x00", WrongLengthError, f"has {len(GOLDEN)}, got {len(GOLDEN) + 1}"),
        (
            GOLDEN[:22] + b"\xff\xff" + GOLDEN[24:],
            WrongLengthError,
            "at most 65531 bytes, its length says 65535",
        ),
        (GOLDEN[:-1] + bytes((GOLDEN[-1] ^ 1,)), WrongChecksumError, f"checksum is {GOLDEN[-1]:02X}"),
    ],
)
def test_wrong_packets_are_refused_with_the_facts(data: bytes, error: type[DecodeError], says: str) -> None:
    with pytest.raises(error) as refused:
        packet.parse(data)
    assert says in str(refused.value)


def test_an_identifier_of_other_bytes_is_refused_without_repeating_it() -> None:
    body = bytes((2, 0xFE)) + b"\xc4\xd8" * 8 + b"1" + bytes((1, 0, 0))
    data = b"##" + body
    with pytest.raises(WrongTypeError) as refused:
        packet.parse(data + bytes((packet.checksum(data, 2, len(data)),)))
    assert str(refused.value) == "an identifier is 17 ASCII characters, got other bytes"


@pytest.mark.parametrize(
    "one",
    [
        Packet(Edition.GBT_2016, 256, 0xFE, VIN, 1, b""),
        Packet(Edition.GBT_2016, 2, -1, VIN, 1, b""),
        Packet(Edition.GBT_2016, 2, 0xFE, VIN[:-1], 1, b""),
        Packet(Edition.GBT_2016, 2, 0xFE, "沪" + VIN[1:], 1, b""),
    ],
)
def test_what_no_packet_can_hold_is_not_built(one: Packet) -> None:
    with pytest.raises(WrongTypeError):
        packet.build(one)


def test_a_vehicle_s_packet_has_a_vin_and_a_platform_s_none() -> None:
    assert packet.parse(GOLDEN).vin == VIN
    platform = packet.parse(files.read("2016-platform-login").data)
    assert platform.identifier == "PLATFORM-00000001"
    with pytest.raises(WrongTypeError) as refused:
        _ = platform.vin
    assert "PLATFORM" not in str(refused.value)


@given(st.binary(max_size=200))
def test_a_checksum_is_the_exclusive_or_of_all_bytes(data: bytes) -> None:
    wanted = 0
    for byte in data:
        wanted ^= byte
    assert packet.checksum(data, 0, len(data)) == wanted


@pytest.mark.parametrize("encryption", [2, 3, 4, 5, 0xFE, 0xFF, 0, 77])
def test_whatever_is_not_plain_is_not_read(encryption: int) -> None:
    one = Packet(Edition.GBT_2025, 2, 0xFE, VIN, encryption, TIME)
    with pytest.raises(EncryptedError) as refused:
        one.plain()
    names = {2: "RSA", 3: "AES-128", 4: "SM2", 5: "SM4", 0xFE: "ABNORMAL", 0xFF: "INVALID"}
    assert f"0x{encryption:02X}, {names.get(encryption, 'an unknown method')}" in str(refused.value)
    assert Packet(Edition.GBT_2025, 7, 0xFE, VIN, encryption, b"").plain() == b""


def test_a_key_is_command_moment_and_content() -> None:
    one = Packet(Edition.GBT_2016, 2, 0xFE, VIN, 1, TIME + b"\x04\x01\x07\x08\x00\x00")
    key = packet.ledger_key(one)
    assert key is not None
    assert (key.command, key.at_us) == (2, 1_795_233_906_000_000)
    assert -(2**63) <= key.hash64 < 2**63
    other = Packet(Edition.GBT_2016, 2, 0xFE, VIN, 1, TIME + b"\x04\x01\x07\x08\x00\x01")
    again = Packet(Edition.GBT_2016, 3, 0xFE, VIN, 1, one.body)
    assert len({key, packet.ledger_key(other), packet.ledger_key(again), packet.ledger_key(one)}) == 3


@pytest.mark.parametrize(
    "one",
    [
        HEARTBEAT,
        Packet(Edition.GBT_2016, Command.REPORT, AckFlag.OK, VIN, 1, TIME),
        Packet(Edition.GBT_2025, Command.KEY_EXCHANGE, 0xFE, VIN, 1, TIME),
        Packet(Edition.GBT_2016, 0xC0, 0xFE, VIN, 1, TIME),
    ],
)
def test_what_is_not_kept_has_no_key(one: Packet) -> None:
    assert packet.ledger_key(one) is None


def test_a_packet_of_no_moment_has_no_place_in_the_ledger() -> None:
    with pytest.raises(WrongTimeError):
        packet.ledger_key(Packet(Edition.GBT_2016, 2, 0xFE, VIN, 1, b"\xff" * 6))
