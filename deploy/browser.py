"""Debian's Chromium for the tests of the pages: installed as root, named otherwise."""

import os
import shutil
import sys

from deploy.progress import Progress, SetupError

_PACKAGES = ("chromium", "fonts-wqy-zenhei")  # the pages are Chinese; without a font they show boxes


def main() -> int:
    """Install it where it is missing and we may; the tests skip themselves where it stays missing."""
    if shutil.which("chromium"):
        return 0
    install = f"apt-get install -y --no-install-recommends {' '.join(_PACKAGES)}"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        print(f"tests of the pages in a browser will skip; to run them: sudo {install}")
        return 0
    try:
        with Progress(total=1).step("Chromium for the tests of the pages, installed with apt") as step:
            environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
            step.run(["apt-get", "update"], env=environment, on_line=step.show)
            step.run(install.split(), env=environment, on_line=step.show)
            step.result = "installed"
    except SetupError as error:
        print(f"{error}\ntests of the pages in a browser will skip")
        return 1 if os.environ.get("CI") else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
