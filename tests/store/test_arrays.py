"""Integers go to the database as they are, or not at all."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from store import arrays


@pytest.mark.parametrize(
    ("build", "dtype"), [(arrays.int2s, ">i2"), (arrays.int4s, ">i4")], ids=["int2s", "int4s"]
)
def test_an_integer_that_does_not_fit_is_refused_and_not_wrapped(
    build: Callable[[NDArray[Any]], bytes], dtype: str
) -> None:
    limits = np.iinfo(dtype)
    fitting = np.array([limits.max, 0, limits.min], dtype=np.int64)
    assert arrays.read([build(fitting)], dtype)[0].tolist() == fitting.tolist()
    for value in (limits.max + 1, limits.min - 1, 2 * (limits.max + 1)):
        with pytest.raises(OverflowError, match=f"got {value} at place 1"):
            build(np.array([0, value], dtype=np.int64))


def test_what_a_signed_integer_is_not_is_refused() -> None:
    with pytest.raises(OverflowError, match="int64 expected"):
        arrays.int8s(np.array([2**63], dtype=np.uint64))
    with pytest.raises(OverflowError, match=r"got 0\.5 at place 1"):
        arrays.int8s(np.array([1.0, 0.5]))
