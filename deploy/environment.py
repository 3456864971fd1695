"""The virtual environment: exactly the locked packages, and the checkout itself as an editable install."""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from deploy.progress import SetupError, Step

_UNFINISHED: Final = "unfinished"
_PACKAGES_STAMP: Final = "packages.stamp"
_PROJECT_STAMP: Final = "project.stamp"


def install_packages(repository: Path, step: Step) -> None:
    """Bring `.venv` to what requirements-dev.lock says, hashes checked, wheels only."""
    environment, lock = repository / ".venv", repository / "requirements-dev.lock"
    stamp = _digest(lock.read_bytes(), sys.version.encode(), os.fsencode(environment))
    if _works(environment) and _read(environment / _PACKAGES_STAMP) == stamp:
        step.result = "as locked"
        return
    _prepare(environment, step)
    total = sum(line[:1].isalnum() and "==" in line for line in lock.read_text(encoding="utf-8").splitlines())
    seen = 0

    def on_line(line: str) -> None:
        nonlocal seen
        if line.startswith(("Collecting ", "Requirement already satisfied")):
            seen += 1
        installing = line.startswith("Installing collected")
        step.show(
            "installing" if installing else line.strip(),
            0 if installing else seen,
            0 if installing else total,
        )

    # the lock names every package, so that pip has nothing to resolve; `pip check` proves it
    pip = [environment / "bin/python", "-m", "pip", "--disable-pip-version-check"]
    options = ["--require-hashes", "--no-deps", "--only-binary=:all:"]
    step.run([*pip, "install", *options, "-r", lock], on_line=on_line)
    step.run([*pip, "check"])
    (environment / _PACKAGES_STAMP).write_text(stamp, encoding="utf-8")
    (environment / _UNFINISHED).unlink()
    step.result = f"{total} installed"


def install_project(repository: Path, step: Step) -> None:
    """Put the checkout on the environment's path, and the command `odocare` into its bin."""
    environment = repository / ".venv"
    stamp = _digest(
        (repository / "pyproject.toml").read_bytes(), (environment / _PACKAGES_STAMP).read_bytes()
    )
    if (environment / "bin/odocare").is_file() and _read(environment / _PROJECT_STAMP) == stamp:
        step.result = "installed"
        return
    pip = [environment / "bin/python", "-m", "pip", "--disable-pip-version-check"]
    step.run([*pip, "install", "--no-build-isolation", "--no-deps", "--no-index", "--editable", repository])
    (environment / _PROJECT_STAMP).write_text(stamp, encoding="utf-8")
    step.result = "installed as editable"


def _prepare(environment: Path, step: Step) -> None:
    """An environment of this Python with pip; one that a killed run left half done is made anew."""
    if (environment / _UNFINISHED).exists() or not _works(environment):
        shutil.rmtree(environment, ignore_errors=True)
    environment.mkdir(exist_ok=True)
    (environment / _UNFINISHED).touch()
    if _works(environment):
        return
    if importlib.util.find_spec("ensurepip") is None:
        package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        raise SetupError(f"{sys.executable} cannot make environments: on Debian, install {package}")
    step.show("making .venv")
    step.run([sys.executable, "-m", "venv", environment])


def _works(environment: Path) -> bool:
    """Whether it has pip and is of the Python that runs us."""
    question = "import sys, pip; print(sys.version)"
    try:
        answer = subprocess.run(
            [environment / "bin/python", "-c", question], capture_output=True, encoding="utf-8", check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return False
    return answer.stdout.strip() == sys.version.strip()


def _read(stamp: Path) -> str | None:
    return stamp.read_text(encoding="utf-8") if stamp.is_file() else None


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()
