"""Conditions: SQL text, parsed by Polars, checked node by node and typed, ready to run row by row.

Polars' own tree of the expression is walked against an allow-list, and the expression that runs is built
anew from what was allowed: numbers are float64 throughout, a result that is not finite is unknown.
"""

import io
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from functools import reduce
from typing import Final

import polars as pl

from rules.feature import FLAG, TEXT, Feature, FeatureTable
from rules.near import did_you_mean
from rules.tree import ConditionError, name_of, parse


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    """A checked condition over one feature table."""

    text: str
    expr: pl.Expr
    """Boolean per row, null where unknown."""
    columns: tuple[str, ...]
    """Features it reads, in the order of the text."""
    parts: tuple[pl.Expr, ...]
    """What its outermost `and` joins; the condition itself where there is none."""

    def about(self, names: Set[str]) -> "Condition":
        """The condition without the parts that read none of `names`; itself where nothing would be left."""
        parts = tuple(part for part in self.parts if not names.isdisjoint(part.meta.root_names()))
        if not parts or len(parts) == len(self.parts):
            return self
        return replace(self, expr=reduce(lambda left, right: left & right, parts), parts=parts)


class _Kind(StrEnum):
    NUMBER = "a number"
    TEXT = "a text"
    FLAG = "true or false"
    NULL = "null"
    UNCLEAR = "unclear"  # a problem was noted below; what stands above it is not judged again


@dataclass(frozen=True, slots=True)
class _Term:
    expr: pl.Expr
    kind: _Kind
    said: str
    feature: Feature | None = None
    literal: str | float | bool | None = None
    is_literal: bool = False
    parts: tuple[pl.Expr, ...] = ()
    """What an `and` joins, its own `and`s taken apart."""


_UNCLEAR: Final = _Kind.UNCLEAR
_COMPARISONS: Final[Mapping[str, Callable[[pl.Expr, pl.Expr], pl.Expr]]] = {
    "Eq": lambda left, right: left == right,
    "NotEq": lambda left, right: left != right,
    "Lt": lambda left, right: left < right,
    "LtEq": lambda left, right: left <= right,
    "Gt": lambda left, right: left > right,
    "GtEq": lambda left, right: left >= right,
}
_ARITHMETIC: Final[Mapping[str, Callable[[pl.Expr, pl.Expr], pl.Expr]]] = {
    "Plus": lambda left, right: left + right,
    "Minus": lambda left, right: left - right,
    "Multiply": lambda left, right: left * right,
    "Mul": lambda left, right: left * right,
    "TrueDivide": lambda left, right: left / right,
    "Div": lambda left, right: left / right,
}


def compile_condition(text: str, table: FeatureTable) -> Condition:
    """Parse, check and type a condition. Raises `ConditionError` with every problem found."""
    walk = _Walk(table)
    term = walk.term(parse(text))
    if not walk.problems and term.kind is not _Kind.FLAG:
        walk.problems.append(f"a condition is true or false, {text!r} is {term.kind}")
    if not walk.problems and not walk.columns:
        walk.problems.append(f"the condition reads no column of table {table.name}")
    if walk.problems:
        raise ConditionError(list(dict.fromkeys(walk.problems)))
    parts = term.parts or (term.expr,)
    return Condition(text=text, expr=term.expr, columns=tuple(walk.columns), parts=parts)


@dataclass(slots=True)
class _Walk:
    """One walk over a tree; notes problems and goes on, so that all are told at once."""

    table: FeatureTable
    problems: list[str] = field(default_factory=list)
    columns: dict[str, None] = field(default_factory=dict)

    def term(self, node: object) -> _Term:
        match node:
            case {"Column": str(name)}:
                return self.column(name)
            case {"Literal": literal}:
                return self.literal(literal)
            case {"BinaryExpr": {"left": left, "op": str(op), "right": right}}:
                return self.binary(op, left, right)
            case {"Function": {"input": list(inputs), "function": function}}:
                return self.function(function, inputs)
            case dict():
                return self.refuse(next(iter(node), "an empty node"))
        return self.refuse(str(node)[:40])

    def refuse(self, what: str) -> _Term:
        self.problems.append(f"not allowed in a condition: {what}")
        return _Term(pl.lit(None), _UNCLEAR, what)

    def wrong(self, problem: str) -> _Term:
        self.problems.append(problem)
        return _Term(pl.lit(None), _UNCLEAR, problem)

    def column(self, name: str) -> _Term:
        feature = self.table.of(name)
        if feature is None:
            hint = did_you_mean(name, [each.name for each in self.table.features])
            return self.wrong(f"table {self.table.name} has no column {name!r}{hint}")
        self.columns.setdefault(name)
        if feature.dtype == TEXT:
            return _Term(pl.col(name), _Kind.TEXT, name, feature)
        if feature.dtype == FLAG:
            return _Term(pl.col(name), _Kind.FLAG, name, feature)
        return _Term(pl.col(name).cast(pl.Float64), _Kind.NUMBER, name, feature)

    def literal(self, literal: object) -> _Term:
        match literal:
            case {"Dyn": {"Int": int(value)}} | {"Dyn": {"Float": float(value)}}:
                return self.number(float(value))
            case {"Scalar": {"Decimal": [int(digits), int(_), int(scale)]}}:
                return self.number(float(Decimal(digits).scaleb(-scale)))
            case {"Scalar": {"String": str(text)}}:
                return _Term(pl.lit(text), _Kind.TEXT, repr(text), literal=text, is_literal=True)
            case {"Scalar": {"Boolean": bool(flag)}}:
                return _Term(pl.lit(flag), _Kind.FLAG, str(flag).lower(), literal=flag, is_literal=True)
            case {"Scalar": {"Null": _}}:
                return _Term(pl.lit(None), _Kind.NULL, "null", is_literal=True)
            case {"Dyn": _}:
                return self.refuse("a number beyond what 64 bits hold")
        return self.refuse("a date, time or list: features such as …_age_d and …_in_…_d tell time in days")

    def number(self, value: float) -> _Term:
        return _Term(pl.lit(value, pl.Float64), _Kind.NUMBER, f"{value:g}", literal=value, is_literal=True)

    def binary(self, op: str, left_node: object, right_node: object) -> _Term:
        left, right = self.term(left_node), self.term(right_node)
        if op in ("And", "Or"):
            return self.junction(op, left, right)
        if op in _COMPARISONS:
            return self.comparison(op, left, right)
        if op in _ARITHMETIC:
            return self.arithmetic(op, left, right)
        if op.endswith("Validity"):
            return self.refuse("is distinct from: it makes something known of the unknown; use is null")
        return self.refuse(f"the operator {op}")

    def junction(self, op: str, left: _Term, right: _Term) -> _Term:
        for side in (left, right):
            if side.kind not in (_Kind.FLAG, _UNCLEAR):
                return self.wrong(f"`{op.lower()}` joins conditions, {side.said} is {side.kind}")
            if side.kind is _Kind.FLAG and not side.expr.meta.root_names():
                return self.wrong(f"{side.said} reads no column and settles the `{op.lower()}` by itself")
        kind, said = self.kind_of(_Kind.FLAG, left, right), f"({left.said} {op.lower()} {right.said})"
        if op == "Or":
            return _Term(left.expr | right.expr, kind, said)
        parts = (*(left.parts or (left.expr,)), *(right.parts or (right.expr,)))
        return _Term(left.expr & right.expr, kind, said, parts=parts)

    def comparison(self, op: str, left: _Term, right: _Term) -> _Term:
        said = f"{left.said} and {right.said}"
        if _Kind.NULL in (left.kind, right.kind):
            return self.wrong("a comparison with null is never true: write `is null` or `is not null`")
        kind = self.kind_of(_Kind.FLAG, left, right)
        if kind is _UNCLEAR:
            return _Term(pl.lit(None), kind, said)
        if left.kind is not right.kind:
            return self.wrong(f"{left.said} is {left.kind} and is compared with {right.said}, {right.kind}")
        if left.kind is not _Kind.NUMBER and op not in ("Eq", "NotEq"):
            return self.wrong(f"{left.said} is {left.kind}: it has no order, only = and <>")
        self.check_choice(left, [right.literal] if right.is_literal else [])
        self.check_choice(right, [left.literal] if left.is_literal else [])
        return _Term(_COMPARISONS[op](left.expr, right.expr), kind, said)

    def arithmetic(self, op: str, left: _Term, right: _Term) -> _Term:
        kind = self.kind_of(_Kind.NUMBER, left, right)
        for side in (left, right):
            if side.kind not in (_Kind.NUMBER, _UNCLEAR):
                return self.wrong(f"arithmetic needs numbers, {side.said} is {side.kind}")
        result = _ARITHMETIC[op](left.expr, right.expr)
        return _Term(pl.when(result.is_finite()).then(result), kind, f"{left.said} … {right.said}")

    def function(self, function: object, inputs: list[object]) -> _Term:
        match function, inputs:
            case {"Sql": {"Binary": str(op)}}, [left, right]:
                return self.binary(op, left, right)
            case (
                ({"Sql": {"IsIn": _}} | {"Boolean": {"IsIn": _}}),
                [value, {"Literal": {"Series": packed}}],
            ):
                return self.is_in(self.term(value), bytes(packed))
            case {"Boolean": "Not"}, [inner]:
                return self.negation(self.term(inner))
            case {"Boolean": "IsNull" | "IsNotNull" as name}, [inner]:
                term = self.term(inner)
                known = term.expr.is_null() if name == "IsNull" else term.expr.is_not_null()
                return _Term(known, self.kind_of(_Kind.FLAG, term), f"({term.said} is known)")
            case "Abs", [inner]:
                term = self.numbers("abs", [inner])[0]
                return _Term(term.expr.abs(), self.kind_of(_Kind.NUMBER, term), f"abs({term.said})")
            case "MinHorizontal" | "MaxHorizontal", _:
                return self.extreme(function, inputs)
            case "Coalesce", _:
                return self.coalesce([self.term(each) for each in inputs])
            case {"StringExpr": what}, [text, {"Literal": {"Scalar": {"String": str(part)}}}]:
                return self.like(what, self.term(text), part)
        return self.refuse(name_of(function))

    def negation(self, term: _Term) -> _Term:
        if term.kind not in (_Kind.FLAG, _UNCLEAR) or term.is_literal:
            return self.wrong(f"`not` turns a condition round, {term.said} is {term.kind}")
        return _Term(~term.expr, term.kind, f"not {term.said}")

    def numbers(self, name: str, inputs: Sequence[object]) -> list[_Term]:
        terms = [self.term(each) for each in inputs]
        for term in terms:
            if term.kind not in (_Kind.NUMBER, _UNCLEAR):
                return [self.wrong(f"{name} needs numbers, {term.said} is {term.kind}")]
        return terms

    def extreme(self, function: str, inputs: Sequence[object]) -> _Term:
        """`least` and `greatest`; unknown if any of their values is, unlike PostgreSQL's."""
        name = "least" if function == "MinHorizontal" else "greatest"
        terms = self.numbers(name, inputs)
        values = [term.expr for term in terms]
        result = pl.min_horizontal(values) if name == "least" else pl.max_horizontal(values)
        known = pl.all_horizontal([value.is_not_null() for value in values])
        return _Term(pl.when(known).then(result), self.kind_of(_Kind.NUMBER, *terms), f"{name}(…)")

    def coalesce(self, terms: Sequence[_Term]) -> _Term:
        kinds = {term.kind for term in terms} - {_UNCLEAR}
        if len(kinds) > 1 or _Kind.NULL in kinds:
            return self.wrong("coalesce needs values of one kind: " + ", ".join(term.said for term in terms))
        kind = self.kind_of(terms[0].kind, *terms)
        return _Term(pl.coalesce([term.expr for term in terms]), kind, f"coalesce({terms[0].said}, …)")

    def is_in(self, term: _Term, packed: bytes) -> _Term:
        values = pl.read_ipc_stream(io.BytesIO(packed)).to_series().to_list()[0]
        if term.kind is _UNCLEAR:
            return term
        if any(value is None for value in values):
            return self.wrong("null inside in (…) makes every other value unknown: leave it out")
        wanted = {_Kind.TEXT: str, _Kind.FLAG: bool}.get(term.kind, (int, float, Decimal))
        if not all(isinstance(value, wanted) for value in values):
            return self.wrong(f"{term.said} is {term.kind}, the list in (…) holds something else: {values}")
        if term.kind is _Kind.NUMBER:
            values = [float(value) for value in values]
        self.check_choice(term, values)
        return _Term(term.expr.is_in(values), _Kind.FLAG, f"{term.said} in (…)")

    def like(self, what: object, term: _Term, part: str) -> _Term:
        if term.kind not in (_Kind.TEXT, _UNCLEAR):
            return self.wrong(f"`like` needs a text, {term.said} is {term.kind}")
        kind = self.kind_of(_Kind.FLAG, term)
        match what:
            case "StartsWith":
                return _Term(term.expr.str.starts_with(part), kind, f"{term.said} like '{part}%'")
            case "EndsWith":
                return _Term(term.expr.str.ends_with(part), kind, f"{term.said} like '%{part}'")
            case {"Contains": {"literal": True}}:
                found = term.expr.str.contains(part, literal=True)
                return _Term(found, kind, f"{term.said} like '%{part}%'")
        return self.refuse("a pattern other than 'abc%', '%abc' and '%abc%'")

    def check_choice(self, term: _Term, values: Sequence[object]) -> None:
        """Note texts that a column with fixed texts never holds."""
        if term.feature is None or not term.feature.choices:
            return
        for value in values:
            if value not in term.feature.choices:
                hint = did_you_mean(str(value), term.feature.choices)
                known = ", ".join(term.feature.choices)
                self.problems.append(f"{term.said} is never {value!r}{hint}; it is one of {known}")

    @staticmethod
    def kind_of(kind: _Kind, *terms: _Term) -> _Kind:
        return _UNCLEAR if any(term.kind is _UNCLEAR for term in terms) else kind
