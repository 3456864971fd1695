"""`python tests/fuzz`: by its path, because a package in the environment brings a folder `tests`, too."""

import os
import sys
from pathlib import Path
from types import ModuleType

REPOSITORY = Path(__file__).resolve().parents[2]


def main() -> None:
    """Make `tests` ours, whoever else has one, and run the command."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # processes are forked
    sys.path.insert(0, str(REPOSITORY))
    package = ModuleType("tests")
    package.__path__ = [str(REPOSITORY / "tests")]
    sys.modules["tests"] = package
    from tests.fuzz.command import cli

    cli(prog_name="fuzz")


if __name__ == "__main__":
    main()
