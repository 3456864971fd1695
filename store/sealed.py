"""Sealed bytes: AES-256-GCM under a key file, for what is personal and rarely read."""

import os
import secrets
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vehicle.errors import SettingsError

KEY_BYTES: Final = 32
_VERSION: Final = b"\x01"
_NONCE_BYTES: Final = 12


class Seal:
    """Closes and opens bytes with one key; a sealed blob is version, nonce, ciphertext and tag."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise SettingsError(f"a key has {KEY_BYTES} bytes, got {len(key)}")
        self._cipher = AESGCM(key)

    def close(self, plain: bytes, *, purpose: bytes) -> bytes:
        """Sealed for one purpose; opening for another fails."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher.encrypt(nonce, plain, _VERSION + purpose)

    def open(self, sealed: bytes, *, purpose: bytes) -> bytes:
        """The bytes again. Raises `SettingsError` where key or purpose are not those it was closed with."""
        if sealed[:1] != _VERSION:
            raise SettingsError(f"a sealed blob of version {_VERSION.hex()} expected, got {sealed[:1].hex()}")
        nonce, closed = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, closed, _VERSION + purpose)
        except InvalidTag:
            raise SettingsError("the key file is not the one these bytes were sealed with") from None


def read_or_make_key(path: Path) -> bytes:
    """The key in a file; a missing file is made with a fresh key, readable by its owner only."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    fresh.touch(mode=0o600)
    try:
        fresh.write_bytes(secrets.token_bytes(KEY_BYTES))
        os.link(fresh, path)  # whole or not at all, and never over another process's key
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    return path.read_bytes()
