"""All targets by name."""

from typing import Final

from tests.fuzz.target import Target
from tests.fuzz.targets import captures, carries, diag, did_file, envelope, gbt32960, isotp, j1939

TARGETS: Final[dict[str, Target]] = {
    one.name: one
    for group in (envelope, isotp, j1939, diag, gbt32960, captures, carries, did_file)
    for one in group.TARGETS
}
