"""The steps of set-up, in order, and the folders that they share."""

import fcntl
import os
from pathlib import Path
from typing import Final

from deploy.assets import install_assets
from deploy.environment import install_packages, install_project
from deploy.progress import Progress, SetupError
from deploy.runtime import bring_servers
from vehicle.errors import OdocareError

REPOSITORY: Final = Path(__file__).resolve().parent.parent


def home() -> Path:
    """Folder of the local stack: ODOCARE_HOME, else `.odocare` in the checkout."""
    return REPOSITORY / os.environ.get("ODOCARE_HOME", ".odocare")


def run_all() -> int:
    """Run the steps under a lock, so that two set-ups do not meet; exit 0 done, 1 something is missing."""
    os.umask(0o022)  # what root installs, the servers' user has to read
    home().mkdir(parents=True, exist_ok=True)
    progress = Progress(total=5)
    try:
        with (home() / "setup.lock").open("w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with progress.step("Python packages") as step:
                install_packages(REPOSITORY, step)
            with progress.step("odocare itself") as step:
                install_project(REPOSITORY, step)
            with progress.step("browser assets") as step:
                install_assets(REPOSITORY, home() / "assets", step)
            with progress.step("PostgreSQL and Mosquitto") as step:
                bring_servers(REPOSITORY, home(), step)
            with progress.step("compiled decoder") as step:
                python = REPOSITORY / ".venv/bin/python"
                step.result = step.run([python, "-m", "odocare.kernels"], cwd=REPOSITORY).strip()
    except (SetupError, OdocareError, OSError) as error:
        print(f"setup: {error}")
        return 1
    except KeyboardInterrupt:
        print("setup: interrupted; run it again at any time")
        return 130
    print("set up; next: `make demo`, or `.venv/bin/odocare up`")
    return 0
