"""Fault points do nothing unless armed, and then end the process at the right moment."""

import signal
import subprocess
import sys

import pytest

from ingest import fault_points
from ingest.fault_points import POINTS
from vehicle.errors import SettingsError

PROGRAM = """
from ingest import fault_points
fault_points.arm("decoded:3")
for turn in range(5):
    fault_points.reach("received")
    print(turn, flush=True)
    fault_points.reach("decoded")
"""


def test_a_process_dies_when_it_comes_to_the_point_for_the_nth_time() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert done.stdout.split() == ["0", "1", "2"]


def test_without_the_setting_every_point_is_passed() -> None:
    for name in POINTS:
        assert not fault_points.is_armed(name)
        fault_points.reach(name)


@pytest.mark.parametrize(
    "text", ["", "decoded", "decoded:", "decoded:0", "decoded:-1", "nowhere:1", "decoded:²"]
)
def test_what_makes_no_sense_is_refused_with_what_would(text: str) -> None:
    with pytest.raises(SettingsError, match="one of received"):
        fault_points.arm(text)
