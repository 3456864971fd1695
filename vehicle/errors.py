"""Errors of this project. A message says what was expected, what came, where; facts are attributes."""

from typing import ClassVar


class OdocareError(Exception):
    """The root: whatever this project refuses, it refuses with one of these."""


class DecodeError(OdocareError):
    """Bytes or text that do not follow their format."""

    reason: ClassVar[str] = "malformed"
    """A fixed kebab-case word, for counting refusals."""


class BrokenEncodingError(DecodeError):
    """A body that is not what its first byte says: MessagePack, JSON or zlib."""


class BrokenMessagePackError(BrokenEncodingError):
    """A body that starts like MessagePack and is none."""

    reason = "broken-msgpack"


class BrokenJsonError(BrokenEncodingError):
    """A body that starts like JSON and is none."""

    reason = "broken-json"


class BrokenZlibError(BrokenEncodingError):
    """A body that starts like a zlib stream and is none, or is cut off."""

    reason = "broken-zlib"


class WrongVersionError(DecodeError):
    """An envelope of a version this installation does not read."""

    reason = "wrong-version"


class WrongTypeError(DecodeError):
    """A field that is absent, of another type than its format says, or outside its range."""

    reason = "wrong-type"


class UnknownKindError(DecodeError):
    """A kind of message that the wire contract does not have, or that is not read here."""

    reason = "unknown-kind"


class UnknownCodebookError(DecodeError):
    """A message that names a codebook this installation does not have."""

    reason = "unknown-codebook"


class TooLargeError(DecodeError):
    """More bytes, frames or samples than one message may have."""

    reason = "too-large"


class InflatesBeyondLimitError(DecodeError):
    """A compressed body that becomes larger than a body may be."""

    reason = "inflates-beyond-limit"


class BadTopicError(DecodeError):
    """A topic that is not one of the wire contract's."""

    reason = "bad-topic"


class VinMismatchError(DecodeError):
    """A body that speaks for another vehicle than its topic."""

    reason = "vin-mismatch"


class UnknownSignalError(DecodeError):
    """Signals that the catalogue does not have."""

    reason = "unknown-signal"


class FutureTimeError(DecodeError):
    """An event time ahead of its arrival."""

    reason = "future-time"


class BeforeBuiltError(DecodeError):
    """An event time before the vehicle was built."""

    reason = "before-built"


class SpanTooLongError(DecodeError):
    """Samples of one message that lie further apart than a message may span."""

    reason = "span-too-long"


class TooManyResetsError(DecodeError):
    """A boot and number that too many different bodies have come under."""

    reason = "too-many-resets"


class WrongStartError(DecodeError):
    """Bytes that do not begin as their format says."""

    reason = "wrong-start"


class WrongLengthError(DecodeError):
    """A length field that disagrees with the bytes that came."""

    reason = "wrong-length"


class WrongChecksumError(DecodeError):
    """A checksum that disagrees with the bytes it stands for."""

    reason = "wrong-checksum"


class WrongTimeError(DecodeError):
    """A date or a time of day that does not exist."""

    reason = "wrong-time"


class EncryptedError(DecodeError):
    """A body that cannot be read without its key."""

    reason = "encrypted"


class EncryptedRsaError(EncryptedError):
    """Encrypted by RSA."""

    reason = "encrypted-rsa"


class EncryptedAes128Error(EncryptedError):
    """Encrypted by AES-128."""

    reason = "encrypted-aes-128"


class EncryptedSm2Error(EncryptedError):
    """Encrypted by SM2."""

    reason = "encrypted-sm2"


class EncryptedSm4Error(EncryptedError):
    """Encrypted by SM4."""

    reason = "encrypted-sm4"


class UnknownCommandError(DecodeError):
    """A command that its standard does not define."""

    reason = "unknown-command"


class UnsupportedCommandError(DecodeError):
    """A command that its standard defines and this installation does not take."""

    reason = "unsupported-command"


class NotAdmittedError(DecodeError):
    """A message of somebody who is not admitted: what it says is nobody's word."""

    reason = "not-admitted"


class NotLoggedInError(NotAdmittedError):
    """A message before its sender's login."""

    reason = "not-logged-in"


class UnknownVehicleError(NotAdmittedError):
    """A login of a vehicle that nobody has registered."""

    reason = "unknown-vehicle"


class WrongTerminalError(NotAdmittedError):
    """A login with another SIM card than the vehicle's."""

    reason = "wrong-terminal"


class RepeatedLoginError(NotAdmittedError):
    """A login of a vehicle that is online elsewhere."""

    reason = "vin-repeated"


class UnknownUnitError(DecodeError):
    """A data unit of unknown length, behind which nothing can be read."""

    reason = "unknown-unit"


class TruncatedPayloadError(DecodeError):
    """A payload ends before its last field."""

    reason = "truncated"

    def __init__(self, what: str, *, needed_bytes: int, got_bytes: int) -> None:
        super().__init__(f"{what} needs {needed_bytes} bytes, got {got_bytes}")
        self.needed_bytes = needed_bytes
        self.got_bytes = got_bytes


class CodebookError(OdocareError):
    """A signal file or its map cannot be used."""


class KernelError(OdocareError):
    """The kernel cannot be compiled or loaded on this machine."""


class CatalogueError(OdocareError):
    """A catalogue, of signals or of fault codes, contradicts itself."""


class RuleError(OdocareError):
    """A rule that does not load."""


class SettingsError(OdocareError):
    """A setting is missing or makes no sense."""


class StackError(OdocareError):
    """A local server cannot be found, started or stopped."""


class PkiError(OdocareError):
    """A certificate or an authority that cannot be read, made or revoked as asked."""


class MigrationError(OdocareError):
    """The schema in the database and the migration files disagree."""


class ImportFileError(OdocareError):
    """A file of master data that cannot be read at all; single bad rows are reported, not raised."""


class NotFoundError(OdocareError):
    """Something was asked for that is not there, or not for the one who asked."""

    def __init__(self, what: str, key: object) -> None:
        super().__init__(f"no {what} {key}")
        self.what = what
        self.key = key


class ConflictError(OdocareError):
    """A change that the present state does not allow."""
