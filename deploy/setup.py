"""`make setup`: environment, browser assets, servers. Needs Python 3.11 and nothing installed.

Run it again at any time: what is done is left alone, what a killed run left half done is done anew.
"""

import sys


def main() -> int:
    """Run every step; exit 0 done, 1 something is missing."""
    if sys.version_info < (3, 11):  # noqa: UP036 - what runs us is whatever the machine has
        print("setup: Python 3.11 or newer is needed, this is " + sys.version.split()[0])
        print("       name one with `make PYTHON=python3.13 setup`")
        return 1
    from deploy.steps import run_all  # its syntax needs 3.11

    return run_all()


if __name__ == "__main__":
    sys.exit(main())
