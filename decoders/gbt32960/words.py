"""The standard's words: editions, commands, answer flags, encryption."""

from enum import Enum, IntEnum
from typing import Final


class Edition(Enum):
    """An edition of GB/T 32960.3; its value is the start bytes of its packets."""

    GBT_2016 = b"##"
    GBT_2025 = b"$$"

    @property
    def year(self) -> int:
        """The year that names it."""
        return 2016 if self is Edition.GBT_2016 else 2025


class Command(IntEnum):
    """What a packet is about (table 3, table B.2); numbers without a name are reserved or somebody's own."""

    LOGIN = 0x01
    REPORT = 0x02
    """Real-time data."""
    REISSUE = 0x03
    """Data that could not be sent in time."""
    LOGOUT = 0x04
    PLATFORM_LOGIN = 0x05
    PLATFORM_LOGOUT = 0x06
    HEARTBEAT = 0x07
    TIME_SYNC = 0x08
    ACTIVATION = 0x09
    """2025."""
    ACTIVATION_ANSWER = 0x0A
    """2025; from the platform."""
    KEY_EXCHANGE = 0x0B
    """2025."""
    QUERY = 0x80
    """From the platform: which parameters it wants to know."""
    SET = 0x81
    CONTROL = 0x82


NEW_IN_2025: Final = frozenset({Command.ACTIVATION, Command.ACTIVATION_ANSWER, Command.KEY_EXCHANGE})


class AckFlag(IntEnum):
    """Second byte of the command unit (table 4)."""

    OK = 0x01
    ERROR = 0x02
    VIN_REPEATED = 0x03
    VIN_UNKNOWN = 0x04
    WRONG_SIGNATURE = 0x05
    """2025."""
    WRONG_STRUCTURE = 0x06
    """2025."""
    WRONG_DECRYPTION = 0x07
    """2025."""
    COMMAND = 0xFE
    """Not an answer."""


ANSWERS_NEW_IN_2025: Final = frozenset(
    {AckFlag.WRONG_SIGNATURE, AckFlag.WRONG_STRUCTURE, AckFlag.WRONG_DECRYPTION}
)


class Encryption(IntEnum):
    """How the data unit is encrypted (table 2)."""

    NONE = 0x01
    RSA = 0x02
    AES_128 = 0x03
    SM2 = 0x04
    """2025."""
    SM4 = 0x05
    """2025."""
    ABNORMAL = 0xFE
    INVALID = 0xFF
