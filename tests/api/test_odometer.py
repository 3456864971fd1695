"""What an advisor and a CRM are told about a vehicle's odometer."""

from datetime import timedelta

from api.odometer_notes import notes, remarks, source_words
from maintenance.anomaly import PENDING, AnomalyKind
from store import anomalies, odometers
from store.anomalies import Anomaly
from store.consumers import Scope
from store.odometers import Standing
from store.pool import Connection
from tests.api import town
from tests.api.browser import HTML, sign_in
from tests.api.conftest import Client, Keys
from tests.api.town import NOW


def anomaly(vehicle_id: int, kind: AnomalyKind, before: float | None, after: float | None) -> Anomaly:
    return Anomaly(vehicle_id, NOW - timedelta(days=3), kind, before, after, "why", "signals", 1, None)


async def _noticed(conn: Connection) -> town.Town:
    made = await town.build(conn, 6)
    vehicle_id = made.ids[0]
    found = [
        anomaly(vehicle_id, AnomalyKind.REPLACED, 83_211.0, 12.0),
        anomaly(vehicle_id, AnomalyKind.START_UP, 83_211.0, 3.0),
    ]
    await anomalies.replace_odometer(conn, [vehicle_id], found)
    await odometers.put(
        conn, [vehicle_id], [Standing(vehicle_id, 83_241.0, NOW, 0x117, 30.0, 1.0, 83_211.0, 1)]
    )
    return made


async def test_an_exchange_is_told_in_both_languages(client: Client, conn: Connection, key: Keys) -> None:
    made = await _noticed(conn)
    answer = await client.get(f"/v1/vehicles/{made.vehicles[0]}/odometer", headers=await key(Scope.READ))
    told = answer.json()
    assert (told["km"], told["source"], told["shown_km"], told["epoch"]) == (83_241.0, "fee0-17", 30.0, 1)
    assert told["km"] == told["shown_km"] * told["km_per_shown"] + told["offset_km"]
    assert [(one["words_zh"], one["words_en"]) for one in told["anomalies"]] == [
        ("里程表更换：旧表 83,211 km → 新表 12 km", "Odometer replaced: old 83,211 km → new 12 km"),
        (
            "启动瞬间的读数 3 km 不计，随后为 83,211 km",
            "Start-up reading 3 km left out: then it showed 83,211 km",
        ),
    ]


async def test_a_vehicle_without_a_reading_that_counts_says_so(
    client: Client, conn: Connection, key: Keys
) -> None:
    made = await town.build(conn, 6)
    await odometers.put(conn, [made.ids[1]], [])
    header = await key(Scope.READ)
    told = (await client.get(f"/v1/vehicles/{made.vehicles[1]}/odometer", headers=header)).json()
    assert (told["km"], told["source"], told["anomalies"]) == (None, None, [])
    assert (await client.get(f"/v1/vehicles/{made.vehicles[1]}", headers=header)).json()[
        "odometer_km"
    ] is None


async def test_the_page_shows_the_true_odometer_its_source_and_what_was_noticed(
    client: Client, conn: Connection
) -> None:
    made = await _noticed(conn)
    await sign_in(client, conn)
    address = f"/vehicles/{made.vehicles[0]}"
    text = (await client.get(address, headers={**HTML, "Accept-Language": "zh"})).text
    assert 'data value="83241.0"' in text
    assert "J1939 FEE0，地址 17" in text
    assert "里程表更换：旧表 83,211 km → 新表 12 km" in text


def test_every_kind_of_anomaly_has_words_and_those_that_wait_ask_for_a_person() -> None:
    told = notes([anomaly(1, kind, 5.0, None) for kind in AnomalyKind])
    for kind, note in zip(AnomalyKind, told, strict=True):
        assert note.words_zh != kind.value
        assert note.words_en != kind.value
        assert "{" not in note.words_zh + note.words_en
        assert note.needs_a_person == (kind in PENDING)


def test_sources_have_names() -> None:
    assert source_words("gbt32960") == ("GB/T 32960", "GB/T 32960")
    assert source_words("fec1-ee") == ("J1939 FEC1，地址 EE", "J1939 FEC1, address EE")


def test_noise_is_one_line_and_what_needs_a_person_comes_first() -> None:
    found = [anomaly(1, AnomalyKind.START_UP, 9.0, float(km)) for km in range(5)]
    found += [anomaly(1, AnomalyKind.REPLACED, 9.0, 1.0), anomaly(1, AnomalyKind.ROLLED_BACK, 9.0, 5.0)]
    assert [(one.note.kind, one.note.after_km, one.times) for one in remarks(found)] == [
        ("odometer-rolled-back", 5.0, 1),
        ("odometer-replaced", 1.0, 1),
        ("odometer-start-up", 0.0, 5),
    ]
