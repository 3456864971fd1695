"""`python -m odocare` is the command `odocare`."""

from odocare.cli import main

main()
