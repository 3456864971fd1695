"""The tree of an SQL expression as Polars parses it, cleared of what no condition may hold."""

import json
from collections.abc import Sequence
from typing import Final

import polars as pl
from polars.exceptions import PanicException, PolarsError

from vehicle.errors import RuleError

MAX_CHARACTERS: Final = 1_000
"""Longest condition; what is longer wants a feature of its own."""


_FORBIDDEN: Final = {  # nodes of Polars' tree, the most telling first
    "Over": "a window (over …): a condition sees one row; ask for a feature",
    "Rolling": "a window: a condition sees one row; ask for a feature",
    "Agg": "an aggregate (sum, count, max, …): a condition sees one row; ask for a feature",
    "Ternary": "case, if or nullif: write it with and, or, not",
    "Len": "an aggregate (count): a condition sees one row; ask for a feature",
    "Cast": "a cast (cast, ::, ||, null in a list): features have their type already",
    "Alias": "a name (as …)",
}


class ConditionError(RuleError):
    """A condition that may not run; `problems` has a sentence for each reason."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


def parse(text: str) -> object:
    """Polars' tree of an SQL expression, as plain values. Raises `ConditionError`."""
    if len(text) > MAX_CHARACTERS:
        raise ConditionError([f"a condition has at most {MAX_CHARACTERS} characters, this one {len(text)}"])
    try:
        tree = json.loads(pl.sql_expr(text).meta.serialize(format="json"))
    except (PolarsError, PanicException, RecursionError) as error:
        raise ConditionError([f"not an SQL condition: {str(error).splitlines()[0][:200]}"]) from error
    tree = _without_casts_of_not(tree)
    for node, why in _FORBIDDEN.items():
        if _holds(tree, node):
            raise ConditionError([f"not allowed in a condition: {why}"])
    return tree


def _without_casts_of_not(tree: object) -> object:
    """The tree without the cast to Boolean that Polars' SQL puts below every `not`."""
    if isinstance(tree, list):
        return [_without_casts_of_not(each) for each in tree]
    if not isinstance(tree, dict):
        return tree
    match tree:
        case {
            "function": {"Boolean": "Not"},
            "input": [{"Cast": {"expr": inner, "dtype": {"Literal": "Boolean"}}}],
        }:
            return {"function": {"Boolean": "Not"}, "input": [_without_casts_of_not(inner)]}
    return {key: _without_casts_of_not(value) for key, value in tree.items()}


def _holds(tree: object, node: str) -> bool:
    if isinstance(tree, dict):
        return node in tree or any(_holds(each, node) for key, each in tree.items() if key != "String")
    if isinstance(tree, list):
        return any(_holds(each, node) for each in tree if not isinstance(each, int))
    return bool(tree == node)


def name_of(function: object) -> str:
    """What Polars calls a function, for the message that refuses it."""
    match function:
        case {"StructExpr": _}:
            return "a dot: write the column's name alone"
        case {"Sql": inner} | {"Boolean": inner}:
            return name_of(inner)
        case {"Binary": str(op)}:
            return f"the operator {op}"
        case dict():
            return f"the function {next(iter(function), '')}"
    return f"the function {function}"
