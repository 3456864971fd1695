import os
import subprocess
import sys


def test_a_setting_that_makes_no_sense_is_named_with_what_was_expected() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "odocare", "status"],
        env={**os.environ, "ODOCARE_HTTP_PORT": "abc"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert "ODOCARE_HTTP_PORT: Input should be a valid integer" in ran.stderr
    assert "got 'abc'" in ran.stderr
    assert "Traceback" not in ran.stderr
