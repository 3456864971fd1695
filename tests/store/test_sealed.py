"""Sealed bytes open with their key and for their purpose only."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.sealed import KEY_BYTES, Seal, read_or_make_key
from vehicle.errors import SettingsError

SEAL = Seal(bytes(range(32)))


@given(plain=st.binary(max_size=300))
def test_what_was_closed_opens_and_does_not_show(plain: bytes) -> None:
    sealed = SEAL.close(plain, purpose=b"reject")
    assert SEAL.open(sealed, purpose=b"reject") == plain
    assert len(plain) < 8 or plain not in sealed
    assert SEAL.close(plain, purpose=b"reject") != sealed


@pytest.mark.parametrize("place", [1, 15, -1])
def test_a_changed_byte_is_noticed(place: int) -> None:
    sealed = bytearray(SEAL.close(b"body", purpose=b"reject"))
    sealed[place] ^= 1
    with pytest.raises(SettingsError, match="key file"):
        SEAL.open(bytes(sealed), purpose=b"reject")


def test_another_key_another_purpose_another_version_do_not_open() -> None:
    sealed = SEAL.close(b"body", purpose=b"reject")
    with pytest.raises(SettingsError, match="key file"):
        Seal(bytes(32)).open(sealed, purpose=b"reject")
    with pytest.raises(SettingsError, match="key file"):
        SEAL.open(sealed, purpose=b"contact")
    with pytest.raises(SettingsError, match="version 01 expected, got 02"):
        SEAL.open(b"\x02" + sealed[1:], purpose=b"reject")


def test_a_key_has_32_bytes() -> None:
    with pytest.raises(SettingsError, match="32 bytes, got 31"):
        Seal(bytes(31))


def test_a_missing_key_file_is_made_for_its_owner_alone_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "store.key"
    key = read_or_make_key(path)
    assert len(key) == KEY_BYTES
    assert read_or_make_key(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["store.key"]


def test_processes_that_start_together_agree_on_the_key(tmp_path: Path) -> None:
    path = tmp_path / "store.key"
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(read_or_make_key, [path] * 8))) == 1
