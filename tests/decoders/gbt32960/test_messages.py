"""Every command there and back, and what is refused."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders.gbt32960 import messages, packet, parameters, session
from decoders.gbt32960.layout import Record
from decoders.gbt32960.messages import Message, Notice
from decoders.gbt32960.packet import Packet
from decoders.gbt32960.parameters import Control, Query, Settings
from decoders.gbt32960.report import Report
from decoders.gbt32960.session import (
    Activation,
    ActivationAnswer,
    KeyExchange,
    Login,
    Logout,
    PlatformLogin,
)
from decoders.gbt32960.words import AckFlag, Command, Edition
from tests.decoders.gbt32960 import drawn, files
from vehicle.errors import (
    DecodeError,
    TruncatedPayloadError,
    UnknownCommandError,
    UnknownUnitError,
    WrongLengthError,
    WrongTypeError,
)

VIN = "L0DEV1234N0000001"
TIME = bytes((26, 11, 21, 12, 5, 6))
AT_US = 1_795_233_906_000_000
MESSAGES = [name for name in files.names() if "message" in files.read(name).says]


def spelled(value: object) -> Any:
    """A message's field as the golden files write it."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [spelled(one) for one in value]
    if isinstance(value, dict):
        return {str(name): spelled(one) for name, one in value.items()}
    if isinstance(value, Record):
        return files.spelled(value)["values"]
    return value


@pytest.mark.parametrize("name", MESSAGES)
def test_a_golden_message_says_what_its_file_says(name: str) -> None:
    golden = files.read(name)
    one = packet.parse(golden.data)
    message = messages.decode(one)
    for field, says in golden.says["message"].items():
        assert spelled(getattr(message, field)) == says, field
    if not isinstance(message, ActivationAnswer | KeyExchange | Notice):
        assert message.at_us == AT_US


@pytest.mark.parametrize("name", [name for name in MESSAGES if name != "2016-login"])
def test_a_golden_message_comes_back_byte_for_byte(name: str) -> None:
    golden = files.read(name)
    one = packet.parse(golden.data)
    again = messages.encode(
        one.edition, Command(one.command), one.identifier, messages.decode(one), flag=one.flag
    )
    assert packet.build(again) == golden.data


@given(st.sampled_from(Edition), st.data())
@settings(max_examples=100, deadline=None)
def test_what_is_encoded_is_decoded(edition: Edition, data: st.DataObject) -> None:
    command, message = data.draw(drawn.messages(edition))
    sent = packet.build(messages.encode(edition, command, VIN, message))
    assert messages.decode(packet.parse(sent)) == message


@given(drawn.settings_())
def test_a_terminal_s_answer_has_its_parameters(told: Settings) -> None:
    one = messages.encode(Edition.GBT_2016, Command.QUERY, VIN, told, flag=AckFlag.OK)
    assert messages.decode(one) == (told if told.values or len(one.body) > 6 else Notice(told.at_us))


def test_other_packs_at_the_next_login_are_a_battery_swap() -> None:
    login = messages.decode(packet.parse(files.read("2025-login").data))
    assert isinstance(login, Login)
    assert login.pack_codes == tuple(f"04QCB0000000000000000A0{n}" for n in (1, 2, 3))


def test_secrets_are_not_in_what_is_logged() -> None:
    login = messages.decode(packet.parse(files.read("2016-platform-login").data))
    assert isinstance(login, PlatformLogin)
    assert login.password == "not-a-secret"
    assert "not-a-secret" not in repr(login)
    key = messages.decode(packet.parse(files.read("2025-key-exchange").data))
    assert "dead" not in repr(key)
    assert "xde" not in repr(key)


def of(command: int, body: bytes, edition: Edition = Edition.GBT_2016, flag: int = AckFlag.COMMAND) -> Packet:
    return Packet(edition, command, flag, VIN, 1, body)


@pytest.mark.parametrize(
    ("one", "error", "says"),
    [
        (of(0x09, TIME), UnknownCommandError, "2016 has no command 09"),
        (of(0x0C, TIME, Edition.GBT_2025), UnknownCommandError, "2025 has no command 0C"),
        (of(0xC0, TIME), UnknownCommandError, "2016 has no command C0"),
        (of(0x01, TIME + bytes(22)), TruncatedPayloadError, "a login needs 29 bytes, got 28"),
        (of(0x01, TIME + bytes(23)), TruncatedPayloadError, "a login needs 30 bytes, got 29"),
        (
            of(0x01, TIME + bytes(22) + b"\x02\x03abc"),
            TruncatedPayloadError,
            "2 pack codes of 3 bytes needs 36",
        ),
        (of(0x01, TIME + bytes(22) + b"\x01\x03abcd"), WrongLengthError, "of 3 bytes has 33 bytes, got 34"),
        (
            of(0x01, TIME + bytes(2) + b"\xff" * 20 + b"\x00\x00"),
            WrongTypeError,
            "an ICCID is printable ASCII",
        ),
        (
            of(0x01, TIME + bytes(22) + b"\x02\x01", Edition.GBT_2025),
            TruncatedPayloadError,
            "2 battery systems needs 31",
        ),
        (
            of(0x01, TIME + bytes(22) + b"\x01\x01ab", Edition.GBT_2025),
            TruncatedPayloadError,
            "needs 54 bytes, got 32",
        ),
        (of(0x04, TIME + b"\x00"), TruncatedPayloadError, "a logout needs 8 bytes, got 7"),
        (of(0x04, TIME + b"\x00\x01\x02"), WrongLengthError, "a logout has 8 bytes, got 9"),
        (of(0x05, TIME), TruncatedPayloadError, "a platform's login needs 41 bytes, got 6"),
        (of(0x07, b"\x00"), WrongLengthError, "6 or 0 bytes, got 1"),
        (of(0x02, b"", flag=AckFlag.COMMAND), TruncatedPayloadError, "a time needs 6 bytes, got 0"),
        (of(0x02, b"\x01", flag=AckFlag.OK), WrongLengthError, "6 or 0 bytes, got 1"),
        (
            of(0x09, TIME + bytes(16), Edition.GBT_2025),
            TruncatedPayloadError,
            "the public key of an activation",
        ),
        (
            of(0x09, TIME + bytes(16) + b"\x00\x01a", Edition.GBT_2025),
            TruncatedPayloadError,
            "an activation needs 42",
        ),
        (of(0x0A, b"\x03\x00", Edition.GBT_2025), WrongTypeError, "1 (done) or 2 (failed), got 3"),
        (
            of(0x0B, b"\x05\x00\x09", Edition.GBT_2025),
            TruncatedPayloadError,
            "the key of a key exchange needs 12",
        ),
        (of(0x80, TIME + b"\x02\x01"), WrongLengthError, "a query for 2 parameters has 9 bytes, got 8"),
        (of(0x80, TIME), TruncatedPayloadError, "a query needs 7 bytes, got 6"),
        (of(0x81, TIME + b"\x01\x7f\x00"), UnknownUnitError, "parameters are 01 to 10, got 7F"),
        (of(0x81, TIME + b"\x01\x05abc"), WrongTypeError, "parameter 05 stands behind 04"),
        (of(0x81, TIME + b"\x01\x01\x00"), TruncatedPayloadError, "parameter 01 needs 10 bytes, got 9"),
        (of(0x81, TIME + b"\x01"), TruncatedPayloadError, "1 parameters needs 8 bytes, got 7"),
        (of(0x81, TIME + b"\x00\x01"), WrongLengthError, "0 parameters end at byte 7, got 8 bytes"),
    ],
)
def test_what_does_not_follow_its_layout_is_refused(one: Packet, error: type[DecodeError], says: str) -> None:
    with pytest.raises(error) as refused:
        messages.decode(one)
    assert says in str(refused.value)


def test_counts_that_say_nothing_count_nothing() -> None:
    for edition in Edition:
        body = TIME + bytes(2) + b"8" * 20 + (b"\xff\xff" if edition is Edition.GBT_2016 else b"\xfe")
        login = messages.decode(of(Command.LOGIN, body, edition))
        assert isinstance(login, Login)
        assert login.packs == ()


@pytest.mark.parametrize(
    "write",
    [
        lambda: session.write_login(Edition.GBT_2016, Login(AT_US, 0, "", (("A",), ()))),
        lambda: session.write_login(Edition.GBT_2016, Login(AT_US, 0, "", (("A", "B"),))),
        lambda: session.write_login(Edition.GBT_2025, Login(AT_US, 0, "", (("A" * 25,),))),
        lambda: session.write_login(Edition.GBT_2025, Login(AT_US, 65536, "")),
        lambda: session.write_login(Edition.GBT_2025, Login(AT_US, 0, "卡")),
        lambda: session.write_login(Edition.GBT_2025, Login(AT_US, 0, "", ((),) * 254)),
        lambda: session.write_logout(Logout(AT_US, -1)),
        lambda: session.write_platform_login(PlatformLogin(AT_US, 0, "a" * 13, "")),
        lambda: session.write_platform_login(PlatformLogin(AT_US, 0, "", "", encryption=256)),
        lambda: session.write_activation_answer(ActivationAnswer(is_active=True, detail=256)),
        lambda: session.write_key_exchange(KeyExchange(1, bytes(65536), AT_US, AT_US)),
        lambda: parameters.write_query(Query(AT_US, (256,))),
        lambda: parameters.write_settings(Settings(AT_US, {1: 65536})),
        lambda: parameters.write_settings(Settings(AT_US, {1: b"ab"})),
        lambda: parameters.write_settings(Settings(AT_US, {7: b"V1"})),
        lambda: parameters.write_settings(Settings(AT_US, {5: b"example.org"})),
        lambda: parameters.write_control(Control(AT_US, 256)),
    ],
)
def test_what_its_layout_cannot_hold_is_not_written(write: Any) -> None:
    with pytest.raises(WrongTypeError):
        write()


def kinds() -> set[type[Message]]:
    return {
        type(messages.decode(packet.parse(files.read(name).data)))
        for name in files.names()
        if "encrypted" not in name
    }


def test_the_golden_packets_show_what_vehicles_and_platforms_say() -> None:
    assert kinds() >= {
        Report,
        Login,
        PlatformLogin,
        Activation,
        ActivationAnswer,
        KeyExchange,
        Settings,
        Notice,
    }
