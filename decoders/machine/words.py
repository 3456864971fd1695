"""What the kernel's functions for captures and tables are told, word by word; needs no numba.

Addresses are those of an array's first number.
"""

from collections import namedtuple
from typing import Any, Final

_ENDS: Final = ("text", "size", "end")
ENDS: Any = namedtuple("EndWords", _ENDS)(*range(len(_ENDS)))
"""`line_ends`: puts the place of each line feed into `end`, int64 with room for `size`; how many."""

_LINES: Final = (
    "text", "start", "rows", "n", "model", "mask", "words", "whole", "whole_digits", "fraction",
    "fraction_digits", "more_digits", "unit", "scale", "since_us", "id", "id_digits", "last_id", "data",
    "stride", "size", "is_extended", "bus", "width", "is_frame", "t_us", "can_id", "extended", "buses",
    "lengths", "payloads", "left", "large", "told",
)  # fmt: skip
LINES: Any = namedtuple("LineWords", _LINES)(*range(len(_LINES)))
"""`lines`: reads the lines `rows` that have the characters of `model` wherever `mask` is set.

`start` says where each line of the text begins. Of a part `x` of a line, `x` is its first character and
`x_digits` says how many it has; `size` counts bytes of the payload. `unit` is what the time's whole number
is multiplied by, `scale` its fraction. Columns from `is_frame` to `payloads` are by line. Lines that are not
of the shape come into `left`, those with an identifier above `last_id` into `large`; `told` is how many those
are. How many are left is the answer.
"""

_OBJECTS: Final = (
    "stream", "size", "since_us", "t_us", "can_id", "is_extended", "buses", "lengths", "payloads", "told",
)  # fmt: skip
OBJECTS: Any = namedtuple("ObjectWords", _OBJECTS)(*range(len(_OBJECTS)))
"""`objects`: the frames of a BLF stream of ordinary objects, one behind the other, and how many there are.

`told` takes the bytes used, error frames and remote frames. The answer is -1 where anything is not ordinary.
"""

_CODES: Final = (
    "value",
    "step",
    "columns",
    "n",
    "steps",
    "shift",
    "code",
    "code_step",
    "missing",
    "missing_step",
)
CODES: Any = namedtuple("CodeWords", _CODES)(*range(len(_CODES)))
"""`codes`: numbers columns of values, float64 to uint16: `value * steps + shift`, cut; NaN is 0 and missing.

Columns begin `step` values apart, their codes `code_step`, what they miss `missing_step`. How many are
missing is the answer.
"""
