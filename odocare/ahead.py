"""Reading ahead: the next items are made in a second thread while the last one is worked on."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

Item = TypeVar("Item")
ITEMS: Final = 3
"""Made and not yet asked for, at most."""


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """The same items in the same order; what making one raises is raised where it is asked for."""
    maker = ThreadPoolExecutor(1, "ahead")
    try:
        coming: deque[Future[Item | None]] = deque(maker.submit(next, items, None) for _ in range(ITEMS))
        while (item := coming.popleft().result()) is not None:
            coming.append(maker.submit(next, items, None))
            yield item
    finally:
        maker.shutdown(cancel_futures=True)
