"""Values as numbers of a list (`odocare/decoded_tables.py`)."""

import numpy as np
from numba import njit

from decoders.machine.pointers import bytes_at, float64_at, int16_at, int64_at, told
from decoders.machine.words import CODES


@njit
def codes(words):
    """Number columns of values; how many are NaN."""
    said = int64_at(words, 0)
    n, step, code_step = said[CODES.n], said[CODES.step], said[CODES.code_step]
    steps, shift = float64_at(told(words, CODES.steps), 0), float64_at(told(words, CODES.shift), 0)
    missing_n = np.int64(0)
    for j in range(said[CODES.columns]):
        value = float64_at(told(words, CODES.value), 8 * j * step)
        code = int16_at(told(words, CODES.code), 2 * j * code_step)
        if said[CODES.missing] == 0:
            put_codes(value, n, steps[j], shift[j], code)
        else:
            missing = bytes_at(told(words, CODES.missing), j * said[CODES.missing_step])
            missing_n += put_known(value, n, steps[j], shift[j], code, missing)
    return missing_n


@njit(forceinline=True)
def put_codes(value, n, steps, shift, code):
    """Of values that are all there."""
    for k in range(n):
        code[k] = np.int16(np.int32(value[k] * steps + shift))


@njit(forceinline=True)
def put_known(value, n, steps, shift, code, missing):
    """Of values some of which are NaN; how many are."""
    missing_n = np.int64(0)
    for k in range(n):
        is_missing = value[k] != value[k]
        code[k] = np.int16(np.int32(0.0 if is_missing else value[k] * steps + shift))
        missing[k] = is_missing
        missing_n += is_missing
    return missing_n
