"""What the platform says back."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders.gbt32960 import answers, messages, packet
from decoders.gbt32960.messages import Notice
from decoders.gbt32960.packet import Packet
from decoders.gbt32960.session import Activation, ActivationAnswer
from decoders.gbt32960.words import AckFlag, Command, Edition
from tests.decoders.gbt32960 import drawn, files
from vehicle.day import us_of
from vehicle.errors import WrongTypeError

VIN = "L0DEV1234N0000001"
TIME = bytes((26, 11, 21, 12, 5, 6))
NOW = datetime(2026, 11, 21, 23, 0, 1, tzinfo=UTC)


@given(st.sampled_from(Edition), st.data())
@settings(max_examples=60, deadline=None)
def test_an_answer_repeats_command_sender_and_time_and_nothing_else(
    edition: Edition, data: st.DataObject
) -> None:
    command, message = data.draw(drawn.messages(edition))
    asked = messages.encode(edition, command, VIN, message)
    flag = data.draw(st.sampled_from([flag for flag in AckFlag if flag != AckFlag.COMMAND]))
    answer = packet.parse(answers.answer(asked, flag, NOW))
    assert (answer.edition, answer.command, answer.identifier) == (edition, command, VIN)
    assert (answer.is_command, answer.encryption) == (False, 1)
    assert answer.flag == flag or (edition is Edition.GBT_2016 and answer.flag == AckFlag.ERROR)
    if command == Command.TIME_SYNC:
        assert messages.decode(answer) == Notice(us_of(NOW))
    else:
        assert answer.body == b"" or answer.body == asked.body[:6]


def test_flags_of_2025_are_errors_to_2016() -> None:
    asked = packet.parse(files.read("2016-report").data)
    answer = packet.parse(answers.answer(asked, AckFlag.WRONG_SIGNATURE, NOW))
    assert answer.flag == AckFlag.ERROR
    newer = packet.parse(files.read("2025-report").data)
    assert packet.parse(answers.answer(newer, AckFlag.WRONG_SIGNATURE, NOW)).flag == AckFlag.WRONG_SIGNATURE


def test_what_cannot_be_read_is_answered_without_a_time() -> None:
    encrypted = packet.parse(files.read("2025-encrypted").data)
    answer = packet.parse(answers.answer(encrypted, AckFlag.WRONG_DECRYPTION, NOW))
    assert (answer.flag, answer.body, answer.encryption) == (AckFlag.WRONG_DECRYPTION, b"", 1)
    dateless = Packet(Edition.GBT_2016, Command.REPORT, AckFlag.COMMAND, VIN, 1, b"\xff" * 9)
    assert packet.parse(answers.answer(dateless, AckFlag.ERROR, NOW)).body == b""


def test_a_heartbeat_is_answered_with_nothing() -> None:
    answer = packet.parse(answers.answer(packet.parse(files.read("2025-heartbeat").data), AckFlag.OK, NOW))
    assert (answer.command, answer.body) == (Command.HEARTBEAT, b"")
    assert messages.decode(answer) == Notice()


def test_only_commands_are_answered_and_never_with_a_command() -> None:
    asked = packet.parse(files.read("2016-report").data)
    with pytest.raises(WrongTypeError, match="got flag FE, answer FE"):
        answers.answer(asked, AckFlag.COMMAND, NOW)
    with pytest.raises(WrongTypeError, match="got flag 01, answer 01"):
        answers.answer(Packet(Edition.GBT_2016, Command.REPORT, AckFlag.OK, VIN, 1, TIME), AckFlag.OK, NOW)


def test_an_activation_is_answered_by_a_command_of_its_own() -> None:
    asked = packet.parse(files.read("2025-activation").data)
    assert isinstance(messages.decode(asked), Activation)
    told = ActivationAnswer(is_active=True, detail=0)
    assert answers.activation_answer(asked, told) == files.read("2025-activation-answer").data
    assert messages.decode(packet.parse(answers.activation_answer(asked, told))) == told
    short = Packet(Edition.GBT_2025, Command.ACTIVATION, AckFlag.ERROR, VIN, 1, b"\x02\x01")
    assert messages.decode(short) == ActivationAnswer(is_active=False, detail=1)
