"""Contenders in turn: A B C A B C ..., so that what disturbs the machine disturbs all of them."""

import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from odocare.progress import bar

Contender = tuple[Callable[[], object], int]
"""What is run, and how many pieces one run is."""


def in_turn(
    title: str,
    contenders: Mapping[str, Contender],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Pieces per second of each contender in each round, after one round to warm up.

    `time.process_time` as the clock leaves out what other processes take; it is for what waits for nothing.
    """
    found: dict[str, list[float]] = {name: [] for name in contenders}
    with bar(title, (rounds + 1) * len(contenders)) as advance:
        for number in range(rounds + 1):
            for name, (run, pieces) in contenders.items():
                begun_s = clock()
                run()
                took_s = clock() - begun_s
                if number:
                    found[name].append(pieces / took_s)
                advance(1)
    return found


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Median of the rounds' ratios."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


@contextmanager
def on_one_core() -> Iterator[None]:
    """Keep this process on one core, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
