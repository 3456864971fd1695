"""docs/asyncapi.yaml tells the truth, about the structures bodies are read into and about real bodies."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from decoders import envelope, wire
from decoders.envelope import Message, decode, encode
from tests.decoders import asyncapi
from tests.strategies import messages
from vehicle.errors import DecodeError

GOLDEN = Path(__file__).parents[1] / "golden" / "wire"
BODIES = {
    "PackedCan": wire.PackedCan,
    "PlainCan": wire.PlainCan,
    "SignalsBody": wire.SignalsBody,
    "DtcsBody": wire.DtcsBody,
    "PackedDiag": wire.PackedDiag,
    "PlainDiag": wire.PlainDiag,
}
PACKED = {"can": "PackedCan", "signals": "SignalsBody", "dtc": "DtcsBody", "diag": "PackedDiag"}
PLAIN = {"can": "PlainCan", "signals": "SignalsBody", "dtc": "DtcsBody", "diag": "PlainDiag"}


def of_structure(one: Any) -> Any:
    """The schema msgspec makes of a structure, in the form of the file's: absent instead of null."""
    (top,), schemas = msgspec.json.schema_components([one], ref_template="#/components/schemas/{name}")
    return without_nulls(asyncapi.resolved(top, schemas))


def without_nulls(one: Any) -> Any:
    if isinstance(one, list):
        return [without_nulls(part) for part in one]
    if not isinstance(one, dict):
        return one
    plain = {key: without_nulls(part) for key, part in one.items() if key != "contentEncoding"}
    if "contentEncoding" in one:
        plain["format"] = "binary"
    for key, part in plain.get("properties", {}).items():
        if key not in plain["required"] and "anyOf" in part:
            plain["properties"][key] = part["anyOf"][0]
    items = plain.get("items", {})
    if "anyOf" in items:
        plain["items"] = {"type": [part["type"] for part in items["anyOf"]]}
    return plain


@pytest.mark.parametrize("name", list(BODIES))
def test_fields_types_ranges_and_what_is_required_are_those_of_the_structures(name: str) -> None:
    assert asyncapi.schema(name) == of_structure(BODIES[name])


def test_the_limits_in_its_sentences_are_those_of_the_code() -> None:
    schemas = asyncapi.document()["components"]["schemas"]
    head = schemas["Head"]["description"]
    for limit in (
        envelope.MAX_WIRE_BYTES,
        envelope.MAX_INFLATED_BYTES,
        wire.MAX_DTC_BYTES,
        wire.MAX_DIAG_BYTES,
    ):
        assert str(limit) in head
    assert str(wire.MAX_FRAMES) in schemas["PackedCan"]["description"]
    assert str(wire.MAX_SAMPLES) in schemas["SignalsBody"]["description"]
    assert str(envelope.MAX_WIRE_BYTES) in asyncapi.document()["servers"]["broker"]["description"]


def test_every_kind_has_its_topic_and_every_reference_leads_somewhere() -> None:
    whole = asyncapi.document()
    addresses = {channel["address"] for channel in whole["channels"].values()}
    kinds = wire.KINDS | {"gbt32960"}
    assert addresses == {f"tbox/v1/{{vin}}/up/{kind}" for kind in kinds} | {"tbox/v1/{vin}/down/ack"}
    for reference in references(whole):
        place = whole
        for key in reference.removeprefix("#/").split("/"):
            place = place[key]
    operations = whole["operations"].values()
    assert {operation["channel"]["$ref"].rsplit("/", 1)[1] for operation in operations} == whole[
        "channels"
    ].keys()


def references(one: Any) -> list[str]:
    if isinstance(one, dict):
        found = [one["$ref"]] if "$ref" in one else []
        return found + [reference for part in one.values() for reference in references(part)]
    return [reference for part in one for reference in references(part)] if isinstance(one, list) else []


@given(message=messages(), plain=st.booleans())
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_what_is_encoded_follows_the_file(message: Message, *, plain: bool) -> None:
    body = encode(message, as_json=plain)
    value = json.loads(body) if plain else msgspec.msgpack.decode(body)
    name = (PLAIN if plain else PACKED)[message.kind]
    assert list(asyncapi.violations(value, asyncapi.schema(name))) == []


near_misses: st.SearchStrategy[object] = st.sampled_from(
    [None, True, "", "x", -1, 2**63, 1.5, [], [None], {}, [-1], ["1"], 2, "LFV2A21K6A3000001"]
)


@given(message=messages(), data=st.data())
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_what_is_read_follows_the_file(message: Message, data: st.DataObject) -> None:
    value = json.loads(encode(message, as_json=True))
    field = data.draw(st.sampled_from(sorted(value)))
    value[field] = data.draw(near_misses)
    try:
        decode(message.kind, json.dumps(value).encode())
    except DecodeError:
        return
    optional = {key: part for key, part in value.items() if part is not None}  # null is as good as absent
    assert list(asyncapi.violations(optional, asyncapi.schema(PLAIN[message.kind]))) == []


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_golden_json_follows_the_file(path: Path) -> None:
    kind = path.stem.split("-")[0]
    schema = asyncapi.schema({**PLAIN, "ack": "Ack"}[kind])
    assert list(asyncapi.violations(json.loads(path.read_text()), schema)) == []


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.hex")), ids=lambda path: path.stem)
def test_golden_bytes_mean_what_the_json_beside_them_means(path: Path) -> None:
    kind = path.stem.split("-")[0]
    body = bytes.fromhex(path.read_text())
    assert decode(kind, body) == decode(kind, path.with_name(f"{kind}.json").read_bytes())


def test_golden_payloads_are_there_for_every_kind() -> None:
    for kind in wire.KINDS:
        assert (GOLDEN / f"{kind}.json").exists()
        assert (GOLDEN / f"{kind}-msgpack.hex").exists()
