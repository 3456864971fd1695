from pathlib import Path

import pytest
import structlog

from decoders import can
from odocare import kernels, wiring
from odocare.settings import Settings
from tests.strategies import Frame, batch_of
from vehicle.errors import KernelError


@pytest.fixture(autouse=True)
def no_log() -> None:
    """As in a command that has none; whoever captured a log before has set one up."""
    structlog.reset_defaults()


def only_file(folder: Path) -> Path:
    (file,) = (folder / "numba").iterdir()
    return file


def test_the_kernel_is_compiled_once_and_again_where_it_is_damaged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(cache=tmp_path)
    first = kernels.decoding(settings)
    assert first is not None
    assert "compiling the decoder" in capsys.readouterr().err
    file = only_file(tmp_path)
    assert file.stat().st_mode & 0o777 == 0o600
    whole = file.read_bytes()

    assert kernels.decoding(settings) is not None
    assert capsys.readouterr().err == "", "nothing is compiled again"

    file.write_bytes(whole[:-1])
    again = kernels.decoding(settings)
    assert again is not None
    assert "damaged" in capsys.readouterr().err
    books = wiring.codebooks(again)
    batch = batch_of([Frame(0x3E0, (123_456).to_bytes(4, "big") + bytes(4))])
    assert can.decode(batch, books.by_name("odo_petrol")).rows.value.tolist() == [12_345_600.0]


def test_machine_code_that_others_can_write_is_not_run(tmp_path: Path) -> None:
    file = tmp_path / "decode.o"
    file.write_bytes(b"code")
    file.chmod(0o600)
    assert kernels.own(file) == b"code"
    file.chmod(0o620)
    with pytest.raises(KernelError, match="no other user can write it"):
        kernels.own(file)


def test_without_the_setting_numpy_decodes(tmp_path: Path) -> None:
    assert kernels.decoding(Settings(cache=tmp_path, decode_kernel=False)) is None
    assert not (tmp_path / "numba").exists()


def test_what_cannot_be_compiled_is_told_and_numpy_decodes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "numba").write_text("a file where a folder should be", encoding="utf-8")
    assert kernels.decoding(Settings(cache=tmp_path)) is None
    assert "decoding without the compiled kernel" in capsys.readouterr().err


def test_where_nothing_can_be_kept_nothing_is_compiled(capsys: pytest.CaptureFixture[str]) -> None:
    """A home that may only be read: each start would compile for some ten seconds, for nothing."""
    assert kernels.decoding(Settings(cache=Path("/proc/none"))) is None
    told = capsys.readouterr().err
    assert "machine code cannot be kept in /proc/none/numba" in told
    assert "compiling" not in told
