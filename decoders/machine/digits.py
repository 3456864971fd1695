"""Digits of text as numbers, eight characters at a time; the first character is a word's lowest byte."""

from typing import Final

import numpy as np
from numba import njit

from decoders.machine.pointers import swapped, word_at

_ZEROS: Final = np.uint64(0x3030303030303030)
_HIGH: Final = np.uint64(0xF0F0F0F0F0F0F0F0)
_LOW: Final = np.uint64(0x0F0F0F0F0F0F0F0F)
_SIXES: Final = np.uint64(0x0606060606060606)
_PAIRS: Final = np.uint64(0x00FF00FF00FF00FF)
_QUADS: Final = np.uint64(0x0000FFFF0000FFFF)
_HALF: Final = np.uint64(0xFFFFFFFF)
_TOPS: Final = np.uint64(0x8080808080808080)
_ONES: Final = np.uint64(0x0101010101010101)
_LOWER_CASE: Final = np.uint64(0x2020202020202020)
_FROM_ZERO: Final = np.uint64(0x5050505050505050)
"""Added to a character below 0x80 it sets the top bit from "0" on; likewise the next ones."""
_BEHIND_NINE: Final = np.uint64(0x4646464646464646)
_FROM_A: Final = np.uint64(0x1F1F1F1F1F1F1F1F)
_BEHIND_F: Final = np.uint64(0x1919191919191919)
_TWO: Final = np.uint64(0xFFFF)


@njit(forceinline=True)
def characters(text, at, count):
    """Up to eight characters at the end of a word, behind zeros as digits."""
    word = word_at(text, at)
    if count >= 8:
        return word
    if count <= 0:
        return _ZEROS
    shift = np.uint64(8 * (8 - count))
    return (word << shift) | (_ZEROS >> np.uint64(8 * count))


@njit(forceinline=True)
def not_decimal(word):
    """Not zero where a character is no decimal digit."""
    return ((word & _HIGH) ^ _ZEROS) | (((word + _SIXES) & _HIGH) ^ _ZEROS)


@njit(forceinline=True)
def decimal(word):
    """The number that eight decimal digits are."""
    value = word & _LOW
    value = (value * np.uint64(10) + (value >> np.uint64(8))) & _PAIRS
    value = (value * np.uint64(100) + (value >> np.uint64(16))) & _QUADS
    return np.int64((value * np.uint64(10_000) + (value >> np.uint64(32))) & _HALF)


@njit(forceinline=True)
def not_hexadecimal(word):
    """Not zero where a character is no hexadecimal digit, of either case."""
    plain = word & ~_TOPS
    letters = plain | _LOWER_CASE
    is_digit = (plain + _FROM_ZERO) & ~(plain + _BEHIND_NINE)
    is_letter = (letters + _FROM_A) & ~(letters + _BEHIND_F)
    return ((is_digit | is_letter) & ~word & _TOPS) ^ _TOPS


@njit(forceinline=True)
def hexadecimal(word):
    """The four bytes that eight hexadecimal digits are; the first is the lowest."""
    nibbles = (word & _LOW) + ((word >> np.uint64(6)) & _ONES) * np.uint64(9)
    found = ((nibbles << np.uint64(4)) | (nibbles >> np.uint64(8))) & _PAIRS
    found = (found | (found >> np.uint64(8))) & _QUADS
    return (found | (found >> np.uint64(16))) & _HALF


@njit(forceinline=True)
def number(four_bytes):
    """Four bytes, the first the lowest, as a number whose first byte is the highest."""
    return swapped(four_bytes) >> np.uint64(32)


@njit(forceinline=True)
def pairs_apart(text, at, stride, count):
    """Eight characters out of pairs that begin `stride` (2 or 3) apart; behind `count` pairs zeros."""
    word = word_at(text, at)
    if stride == 3:
        last = word_at(text, at + 9) & _TWO
        word = (
            (word & _TWO)
            | (((word >> np.uint64(24)) & _TWO) << np.uint64(16))
            | (((word >> np.uint64(48)) & _TWO) << np.uint64(32))
            | (last << np.uint64(48))
        )
    if count >= 4:
        return word
    kept = np.uint64(16 * count)
    return (word & ((np.uint64(1) << kept) - np.uint64(1))) | (_ZEROS << kept)
