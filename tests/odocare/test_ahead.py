"""Reading ahead changes nothing but the time it takes."""

from collections.abc import Iterator
from itertools import islice

import pytest

from odocare.ahead import ahead


def test_items_come_in_their_order() -> None:
    assert list(ahead(iter(range(1, 100)))) == list(range(1, 100))
    assert list(ahead(iter(()))) == []


def test_an_error_is_raised_behind_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ZeroDivisionError

    found = ahead(items())
    assert next(found) == 1
    with pytest.raises(ZeroDivisionError):
        next(found)


def test_one_may_stop_early() -> None:
    found = ahead(iter(range(1, 100)))
    assert list(islice(found, 3)) == [1, 2, 3]
    found.close()  # type: ignore[attr-defined]  # a generator
