"""UDS (ISO 14229-1): what an ECU's answer says, as a value; fault codes are read in `decoders.uds_dtc`."""

from dataclasses import dataclass
from typing import Final, TypeAlias

from decoders import uds_dtc
from decoders.uds_dtc import DtcAnswer, SizeOf
from vehicle.errors import TruncatedPayloadError, WrongTypeError

NEGATIVE: Final = 0x7F
IS_ANSWER: Final = 0x40
"""Added to a request's service byte in the answer."""
CLEAR: Final = 0x14
READ_DTC: Final = 0x19
READ_DATA: Final = 0x22
ALL_GROUPS: Final = 0xFFFFFF
PENDING: Final = 0x78

SERVICES: Final = frozenset(
    (
        *range(0x01, 0x0B), 0x10, 0x11, 0x14, 0x19, 0x22, 0x23, 0x24, 0x27, 0x28, 0x29, 0x2A, 0x2C, 0x2E,
        0x2F, 0x31, 0x34, 0x35, 0x36, 0x37, 0x38, 0x3D, 0x3E, 0x83, 0x84, 0x85, 0x86, 0x87,
    )
)  # fmt: skip
"""Requests that J1979 (01 to 0A) and ISO 14229-1 (table 2) know."""
NEGATIVE_CODES: Final = {
    0x10: "generalReject",
    0x11: "serviceNotSupported",
    0x12: "subFunctionNotSupported",
    0x13: "incorrectMessageLengthOrInvalidFormat",
    0x14: "responseTooLong",
    0x21: "busyRepeatRequest",
    0x22: "conditionsNotCorrect",
    0x24: "requestSequenceError",
    0x25: "noResponseFromSubnetComponent",
    0x26: "failurePreventsExecutionOfRequestedAction",
    0x31: "requestOutOfRange",
    0x33: "securityAccessDenied",
    0x34: "authenticationRequired",
    0x35: "invalidKey",
    0x36: "exceededNumberOfAttempts",
    0x37: "requiredTimeDelayNotExpired",
    0x38: "secureDataTransmissionRequired",
    0x39: "secureDataTransmissionNotAllowed",
    0x3A: "secureDataVerificationFailed",
    0x70: "uploadDownloadNotAccepted",
    0x71: "transferDataSuspended",
    0x72: "generalProgrammingFailure",
    0x73: "wrongBlockSequenceCounter",
    PENDING: "requestCorrectlyReceivedResponsePending",
    0x7E: "subFunctionNotSupportedInActiveSession",
    0x7F: "serviceNotSupportedInActiveSession",
    0x81: "rpmTooHigh",
    0x82: "rpmTooLow",
    0x83: "engineIsRunning",
    0x84: "engineIsNotRunning",
    0x85: "engineRunTimeTooLow",
    0x86: "temperatureTooHigh",
    0x87: "temperatureTooLow",
    0x88: "vehicleSpeedTooHigh",
    0x89: "vehicleSpeedTooLow",
    0x8A: "throttlePedalTooHigh",
    0x8B: "throttlePedalTooLow",
    0x8C: "transmissionRangeNotInNeutral",
    0x8D: "transmissionRangeNotInGear",
    0x8F: "brakeSwitchNotClosed",
    0x90: "shifterLeverNotInPark",
    0x91: "torqueConverterClutchLocked",
    0x92: "voltageTooHigh",
    0x93: "voltageTooLow",
    0x94: "resourceTemporarilyNotAvailable",
}
"""Names of negative response codes (ISO 14229-1, A.1), without their hyphens and slashes."""


@dataclass(frozen=True, slots=True)
class Negative:
    """An ECU refuses a request, or asks for patience."""

    service: int
    """Of the request."""
    code: int

    @property
    def name(self) -> str:
        """As the standard calls the code; codes it reserves are `0x..`."""
        return NEGATIVE_CODES.get(self.code, f"0x{self.code:02X}")

    @property
    def is_pending(self) -> bool:
        """The request was accepted and the answer comes later: nothing was refused."""
        return self.code == PENDING


@dataclass(frozen=True, slots=True)
class Data:
    """Records of identifiers, not yet told apart: `decoders.dids.split` does that."""

    data: bytes
    """From the first identifier on."""


@dataclass(frozen=True, slots=True)
class Cleared:
    """A tester's command to clear fault codes was carried out."""

    group: int | None
    """Of the request: 0xFFFFFF is all of this ECU; None where the request was not heard."""


@dataclass(frozen=True, slots=True)
class Other:
    """A positive answer of a service that tells nothing to keep."""

    service: int
    """Of the request."""


Answer: TypeAlias = Negative | Data | Cleared | DtcAnswer | Other


def parse_response(payload: bytes, *, request: bytes | None = None, size_of: SizeOf | None = None) -> Answer:
    """What an answer says. `size_of` lets snapshots of several records be told apart.

    Raises `DecodeError`: `WrongTypeError` for what is no answer, `TruncatedPayloadError` for too few bytes.
    """
    if not payload:
        raise TruncatedPayloadError("an answer", needed_bytes=1, got_bytes=0)
    service = payload[0] & ~IS_ANSWER
    if payload[0] == NEGATIVE:
        if len(payload) < 3:
            raise TruncatedPayloadError("a negative answer", needed_bytes=3, got_bytes=len(payload))
        return Negative(payload[1], payload[2])
    if not payload[0] & IS_ANSWER:
        raise WrongTypeError(f"an answer has bit 6 of its service set, got 0x{payload[0]:02X}")
    if service == READ_DTC:
        return uds_dtc.parse(payload[1:], size_of=size_of)
    if service == READ_DATA:
        return Data(payload[1:])
    if service == CLEAR:
        return Cleared(_group(request))
    return Other(service)


def _group(request: bytes | None) -> int | None:
    if request is None or len(request) < 4 or request[0] != CLEAR:
        return None
    return int.from_bytes(request[1:4], "big")
