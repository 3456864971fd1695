"""`make clean`: the servers stopped, and everything deleted that set-up, servers and tools made."""

import shutil
import sys
from typing import Final

from deploy.steps import REPOSITORY, home
from odocare.stack import local
from vehicle.errors import OdocareError

_MADE: Final = (".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".import_linter_cache")


def main() -> int:
    """Exit 0 done, 1 a server would not stop."""
    try:
        local.remove(home())
    except (OdocareError, OSError) as error:
        print(f"clean: {error}")
        return 1
    for name in _MADE:
        shutil.rmtree(REPOSITORY / name, ignore_errors=True)
    for cache in list(REPOSITORY.rglob("__pycache__")):
        shutil.rmtree(cache, ignore_errors=True)
    print(f"cleaned {REPOSITORY}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
