"""docs/asyncapi.yaml as Python values, and bodies held against its schemas.

No YAML reader and no JSON Schema validator are among the dependencies; what the file uses of both is small.
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).parents[2] / "docs" / "asyncapi.yaml"
Json = Any
Line = tuple[int, str]
_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


@cache
def document() -> Json:
    """The whole file."""
    return read(FILE.read_text(encoding="utf-8"))


def read(text: str) -> Json:
    """Block mappings and lists, flow lists of scalars, scalars in one line; anything else is refused."""
    lines = [
        (len(line) - len(line.lstrip()), line.strip())
        for line in text.splitlines()
        if line.strip() and not line.lstrip().startswith("#")
    ]
    value, rest = _block(lines, 0)
    assert not rest, f"cannot read {rest[0]}"
    return value


def _block(lines: list[Line], indent: int) -> tuple[Json, list[Line]]:
    if lines[0][1].startswith("- "):
        return _list(lines, indent)
    mapping: dict[str, Json] = {}
    while lines and lines[0][0] == indent:
        key, colon, rest = lines[0][1].partition(":")
        assert colon, f"no key in {lines[0][1]!r}"
        assert key not in mapping, f"{key!r} stands twice"
        lines = lines[1:]
        if rest.strip():
            mapping[key] = _scalar(rest.strip())
        else:
            assert lines, f"nothing under {key!r}"
            assert lines[0][0] > indent, f"nothing under {key!r}"
            mapping[key], lines = _block(lines, lines[0][0])
    return mapping, lines


def _list(lines: list[Line], indent: int) -> tuple[list[Json], list[Line]]:
    found = []
    while lines and lines[0][0] == indent and lines[0][1].startswith("- "):
        lines = [(indent + 2, lines[0][1][2:]), *lines[1:]]
        value, lines = _block(lines, indent + 2)
        found.append(value)
    return found, lines


def _scalar(text: str) -> Json:
    if text.startswith("["):
        return [_scalar(part.strip()) for part in text.strip("[]").split(",")]
    if text.startswith('"'):
        return json.loads(text)
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    return {"true": True, "false": False, "null": None}.get(text, text)


@cache
def schema(name: str) -> Json:
    """One schema of the file with everything it refers to in its place."""
    return resolved({"$ref": f"#/components/schemas/{name}"}, document()["components"]["schemas"])


def resolved(one: Json, schemas: Json) -> Json:
    """A schema without references, remarks and titles; what it shares with others is merged into it."""
    if isinstance(one, list):
        return [resolved(part, schemas) for part in one]
    if not isinstance(one, dict):
        return one
    if "$ref" in one:
        return resolved(schemas[one["$ref"].rsplit("/", 1)[1]], schemas)
    if isinstance(one.get("properties"), dict):
        one = one | {"properties": {key: resolved(part, schemas) for key, part in one["properties"].items()}}
    plain = {
        key: part if key == "properties" else resolved(part, schemas)
        for key, part in one.items()
        if key not in {"description", "title", "default", "allOf"}
    }
    for shared in one.get("allOf", []):
        base = resolved(shared, schemas)
        plain["required"] = base["required"] + plain["required"]
        plain["properties"] = base["properties"] | plain["properties"]
    if "enum" in plain:
        plain.pop("type", None)
    return plain


def violations(value: Json, against: Json, where: str = "$") -> Iterator[str]:
    """Why a value is not what a resolved schema says; nothing where it is."""
    if "enum" in against and (value not in against["enum"] or isinstance(value, bool)):
        yield f"{where}: {value!r} is none of {against['enum']}"
    if "type" in against and not _is_of_type(value, against):
        yield f"{where}: {value!r} is not {against['type']}"
        return
    if isinstance(value, int | float) and (
        value < against.get("minimum", value) or value > against.get("maximum", value)
    ):
        yield f"{where}: {value!r} is out of range"
    if isinstance(value, str | bytes) and not against.get("minLength", 0) <= len(value) <= against.get(
        "maxLength", len(value)
    ):
        yield f"{where}: {value!r} has a wrong length"
    if isinstance(value, list):
        if len(value) > against.get("maxItems", len(value)):
            yield f"{where}: too many items"
        for place, item in enumerate(value):
            yield from violations(item, against.get("items", {}), f"{where}[{place}]")
    if isinstance(value, dict):
        yield from _of_object(value, against, where)


def _of_object(value: dict[str, Json], against: Json, where: str) -> Iterator[str]:
    for key in against.get("required", []):
        if key not in value:
            yield f"{where}: {key} is missing"
    if len(value) > against.get("maxProperties", len(value)):
        yield f"{where}: too many entries"
    for key, part in value.items():
        yield from violations(key, against.get("propertyNames", {}), f"{where} key")
        known = against.get("properties", {}).get(key, against.get("additionalProperties", {}))
        yield from violations(part, known, f"{where}.{key}")


def _is_of_type(value: Json, against: Json) -> bool:
    types = against["type"] if isinstance(against["type"], list) else [against["type"]]
    if against.get("format") == "binary":
        return isinstance(value, bytes)
    if isinstance(value, bool):
        return "boolean" in types
    return isinstance(value, tuple(python for one in types for python in _TYPES[one]))
