import os
import shutil

import pytest

from bench import decode
from odocare.settings import Settings


@pytest.mark.parametrize("has_compiler", [True, False])
def test_every_number_that_is_promised_is_measured_or_left_out_by_name(
    *, has_compiler: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_compiler:
        monkeypatch.setenv("PATH", "/nowhere")
    elif not any(map(shutil.which, ("gcc", "cc", "clang"))):
        pytest.skip("this machine has no C compiler")
    cores = os.sched_getaffinity(0)
    report = decode.run(Settings(), frames=8_000, rounds=1, others=["float"])
    assert os.sched_getaffinity(0) == cores
    against_c = {one.name for one in report.checks if "generated C" in one.name}
    assert len(against_c) == 2
    assert {one.name for one in report.checks if one.value is None} == (set() if has_compiler else against_c)
    for one in report.checks:
        assert (one.left_out is None) == (one.value is not None)
    assert len(report.checks) == 7 + 2
    assert all(figure > 0 for figure in report.figures.values())
