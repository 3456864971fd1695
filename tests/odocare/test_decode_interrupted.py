"""`odocare decode`, ended by a signal or by a full folder: no unfinished file is left behind."""

import gzip
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from odocare.cli import cli

SIGNALS = 'VERSION ""\nBU_: X\nBO_ 291 Engine: 8 X\n SG_ Speed : 0|16@1+ (0.25,0) [0|0] "rpm" X\n'
LINES = b"".join(b"(1700000000.%06d) can0 123#0102030405060708\n" % k for k in range(50_000))
DEADLINE_S = 60.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A capture that takes minutes, and its signal file."""
    (tmp_path / "car.dbc").write_text(SIGNALS)
    (tmp_path / "long.log").write_bytes(gzip.compress(LINES) * 2000)
    (tmp_path / "short.log").write_bytes(LINES)
    return tmp_path


@pytest.mark.parametrize("name", ["out.parquet", "out.csv", "out-{message}.csv"])
@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_no_unfinished_file(by: signal.Signals, name: str, folder: Path) -> None:
    before = set(folder.iterdir())
    process = subprocess.Popen(
        [sys.executable, "-m", "odocare", "decode", "long.log", "--dbc", "car.dbc", "--out", name],
        cwd=folder,
        env={**os.environ, "ODOCARE_DECODE_KERNEL": "false"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        deadline_s = time.monotonic() + DEADLINE_S
        while not list(folder.glob(".out*.part")):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        process.send_signal(by)
        _, said = process.communicate(timeout=DEADLINE_S)
    finally:
        process.kill()
    assert process.returncode not in {0, -signal.SIGTERM}
    assert said.decode().startswith("decode: interrupted, nothing was written")
    assert "Traceback" not in said.decode()
    assert set(folder.iterdir()) == before


@pytest.mark.parametrize("name", ["out.csv", "out-{message}.parquet"])
def test_a_name_that_is_taken_meanwhile_leaves_no_unfinished_file(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken(_file: Path, _to: Path) -> Path:
        raise IsADirectoryError("it is a folder now")

    monkeypatch.setattr(Path, "replace", taken)
    before = set(folder.iterdir())
    files = [str(folder / name) for name in ("short.log", "car.dbc", name)]
    done = CliRunner().invoke(cli, ["decode", files[0], "--dbc", files[1], "--out", files[2]])
    assert done.exit_code == 1, done.output
    assert "it is a folder now" in done.output
    assert set(folder.iterdir()) == before
