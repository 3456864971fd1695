"""The shipped data files load, agree with each other, and mean what people wrote down by hand."""

from collections import Counter
from datetime import date

import pytest
from cantools.database import load_string
from cantools.database.can import Database

import dbc
from decoders import can, codebook
from decoders.codebook import Codebook
from odocare import wiring
from tests.strategies import Frame, batch_of
from vehicle.dtc import Dtc, DtcStandard
from vehicle.dtc_table import Drivability
from vehicle.trigger import Severity

PETROL: list[tuple[str, int, dict[str, float], str, float]] = [
    ("ENGINE_1", 0x0C4, {"EngineSpeed": 812.25}, "Vehicle.Powertrain.CombustionEngine.Speed", 812.25),
    ("SPEED_1", 0x1A0, {"VehicleSpeed": 63.4}, "Vehicle.Speed", 63.4),
    (
        "ENGINE_TEMPS",
        0x2A4,
        {"CoolantTemperature": 91},
        "Vehicle.Powertrain.CombustionEngine.EngineCoolant.Temperature",
        91.0,
    ),
    ("ODOMETER", 0x3E0, {"Odometer": 12_345.6}, "Vehicle.TraveledDistance", 12_345_600.0),
    ("BATTERY_12V", 0x3F2, {"RestVoltage": 12.61}, "Vehicle.X-Odo.LowVoltageBattery.RestVoltage", 12.61),
    (
        "BATTERY_12V",
        0x3F2,
        {"CrankingVoltage": 9.87},
        "Vehicle.X-Odo.LowVoltageBattery.CrankingVoltage",
        9.87,
    ),
    ("STARTS", 0x410, {"EngineStarts": 4711}, "Vehicle.X-Odo.Starts", 4711.0),
    ("AMBIENT", 0x42A, {"AmbientTemperature": -12.25}, "Vehicle.Exterior.AirTemperature", -12.25),
    ("OIL_LIFE", 0x455, {"OilLifeRemaining": 37.5}, "Vehicle.X-Odo.EngineOil.LifeRemaining", 37.5),
    (
        "TYRES",
        0x4B0,
        {"Wheel": 3, "PressureRearRight": 231.5},
        "Vehicle.Chassis.Axle.Row2.Wheel.Right.Tire.Pressure",
        231.5,
    ),
    ("FUEL", 0x4C8, {"FuelLevel": 55.5}, "Vehicle.Powertrain.FuelSystem.RelativeLevel", 55.5),
    ("HOURS", 0x51F, {"EngineHours": 1234.5}, "Vehicle.Powertrain.CombustionEngine.EngineHours", 1234.5),
]


def database(name: str) -> Database:
    found = load_string(dbc.read(name), database_format="dbc")
    assert isinstance(found, Database)
    return found


@pytest.fixture(scope="module", params=[name.removesuffix(".dbc") for name in dbc.names(".dbc")])
def book(request: pytest.FixtureRequest) -> Codebook:
    return wiring.codebooks().by_name(request.param)


def test_a_shipped_codebook_loads_without_a_warning(book: Codebook) -> None:
    assert book.warnings == ()
    assert len(book.plan.numbers) >= 15


@pytest.mark.parametrize(("message", "frame_id", "physical", "path", "value"), PETROL)
def test_the_petrol_car_s_frames_mean_what_they_were_encoded_from(
    message: str, frame_id: int, physical: dict[str, float], path: str, value: float
) -> None:
    one = database("odo_petrol.dbc").get_message_by_name(message)
    assert one.frame_id == frame_id
    others = {signal.name: 0.0 for signal in one.signals if not signal.multiplexer_ids}
    payload = one.encode(others | physical, strict=False)
    rows = can.decode(batch_of([Frame(frame_id, payload)]), wiring.codebooks().by_name("odo_petrol")).rows
    number = wiring.catalogue().of(path).number
    assert rows.value[rows.signal == number].tolist() == pytest.approx([value], abs=1e-9)


def test_the_j1939_groups_are_read_where_the_standard_puts_them() -> None:
    """One byte sequence per group, worked out by hand from position, length, resolution and offset."""
    known = [
        (0x98FEE000, "ffffffff47b00100", "Vehicle.TraveledDistance", 13_832_875.0),
        (0x98FEC100, "10270000ffffffff", "Vehicle.X-Odo.HighResolutionDistance", 50_000.0),
        (0x98FEE500, "40e20100ffffffff", "Vehicle.Powertrain.CombustionEngine.EngineHours", 6172.8),
        (0x98FEF700, "87ffffff0901ffff", "Vehicle.LowVoltageBattery.CurrentVoltage", 13.25),
        (0x98FEF700, "87ffffff0901ffff", "Vehicle.LowVoltageBattery.CurrentCurrent", 10.0),
        (0x98FEF500, "c5ffffc923ffffff", "Vehicle.Exterior.AirTemperature", 13.28125),
        (0x98FEFC00, "ffbbffffffffffff", "Vehicle.Powertrain.FuelSystem.RelativeLevel", 74.8),
        (
            0x98FEEE00,
            "6f3f392bffffffff",
            "Vehicle.Powertrain.CombustionEngine.EngineCoolant.Temperature",
            71.0,
        ),
        (
            0x98FEEE00,
            "6f3f392bffffffff",
            "Vehicle.Powertrain.CombustionEngine.EngineOil.Temperature",
            72.78125,
        ),
        (0x98FEEF00, "b2ffff40fffffffa", "Vehicle.Powertrain.CombustionEngine.EOP", 256.0),
        (0x98FEF100, "f7003200000000ff", "Vehicle.Speed", 50.0),
        (0x8CF00400, "607d84481400f084", "Vehicle.Powertrain.CombustionEngine.Speed", 649.0),
        (0x8CF00300, "dd7d0cffff0c607d", "Vehicle.Chassis.Accelerator.PedalPosition", 50.0),
        (0x98FEF200, "37000000870100ff", "Vehicle.X-Odo.FuelRate", 2.75),
        (
            0x98FE5600,
            "7d3affff1f1fc8ff",
            "Vehicle.Powertrain.CombustionEngine.DieselExhaustFluid.Level",
            50.0,
        ),
        (0x98FD7B00, "55ffffffffffffff", "Vehicle.X-Odo.DieselParticulateFilter.SootLoad", 85.0),
    ]
    for wire_id, payload, path, value in known:
        batch = batch_of([Frame(wire_id, bytes.fromhex(payload))])
        rows = can.decode(batch, wiring.codebooks().by_name("j1939")).rows
        number = wiring.catalogue().of(path).number
        assert rows.value[rows.signal == number].tolist() == pytest.approx([value]), path


def test_high_resolution_distance_has_a_path_of_its_own() -> None:
    """Two ECUs that count metres differently must not mix in one odometer."""
    catalogue = wiring.catalogue()
    assert catalogue.of("Vehicle.X-Odo.HighResolutionDistance") != catalogue.of("Vehicle.TraveledDistance")


def test_the_demo_models_have_codebooks() -> None:
    books = wiring.codebooks()
    built = date(2024, 5, 1)
    assert books.for_model("Odo City", built) is books.by_name("odo_petrol")
    assert books.for_model("Odo Hauler", None) is books.by_name("j1939")
    assert books.for_model("Somebody's car", built) is None


def test_every_shipped_signal_file_is_in_the_manifest() -> None:
    manifest = dbc.read("manifest.toml")
    for name in dbc.names(".dbc"):
        assert f'"{name}"' in manifest
        stem = name.removesuffix(".dbc")
        codebook.load(stem, {name: dbc.read(name)}, dbc.read(f"{stem}.toml"), wiring.catalogue())


@pytest.mark.parametrize(
    ("dtc", "severity", "family"),
    [
        (Dtc(DtcStandard.J1939, "sa-00", "SPN 980 FMI 9", spn=980, fmi=9), Severity.SOON, "engine_control"),
        (
            Dtc(DtcStandard.J1939, "sa-00", "SPN 3216 FMI 20", spn=3216, fmi=20),
            Severity.SOON,
            "aftertreatment",
        ),
        (Dtc(DtcStandard.J1939, "sa-00", "SPN 609 FMI 9", spn=609, fmi=9), Severity.SOON, "network"),
        (Dtc(DtcStandard.J1939, "sa-00", "SPN 609 FMI 12", spn=609, fmi=12), Severity.URGENT, "network"),
        (Dtc(DtcStandard.J1939, "sa-00", "SPN 100 FMI 1", spn=100, fmi=1), Severity.STOP, "oil_pressure"),
        (Dtc(DtcStandard.J2012, "ecm", "P0524"), Severity.STOP, "oil_pressure"),
        (Dtc(DtcStandard.UDS, "bms", "P0AA6", ftb=0x16), Severity.STOP, "high_voltage"),
        (Dtc(DtcStandard.J2012, "ecm", "P0301"), Severity.URGENT, "misfire"),
        (Dtc(DtcStandard.J2012, "ecm", "P0420"), Severity.SOON, "catalyst"),
        (Dtc(DtcStandard.J2012, "abs", "C0049"), Severity.URGENT, "brakes"),
        (Dtc(DtcStandard.J2012, "srs", "B0010"), Severity.URGENT, "restraints"),
        (Dtc(DtcStandard.J2012, "gateway", "U0184"), Severity.INFO, "network"),
    ],
)
def test_the_codes_that_matter_are_known(dtc: Dtc, severity: Severity, family: str) -> None:
    meaning = wiring.dtc_table().lookup(dtc)
    assert (meaning.severity, meaning.family, meaning.is_known) == (severity, family, True)


def test_the_fault_table_speaks_both_languages() -> None:
    table = wiring.dtc_table().by_key
    letters = Counter(key[0][0] for key in table if len(key) == 1 and " " not in key[0])
    assert letters.total() >= 300
    assert all(letters[letter] >= 25 for letter in "PCBU")
    assert sum(len(key) == 2 for key in table) >= 80
    for meaning in table.values():
        for chinese, english in ((meaning.zh, meaning.en), (meaning.advice_zh, meaning.advice_en)):
            assert any("\u4e00" <= char <= "\u9fff" for char in chinese)
            assert english.isascii()
    advice = {(meaning.advice_zh, meaning.advice_en) for meaning in table.values()}
    assert len(advice) == len({zh for zh, _ in advice}) == len({en for _, en in advice})
    assert len({meaning.en for meaning in table.values()}) == len(table)
    assert len({meaning.zh for meaning in table.values()}) == len(table)


def test_a_car_stops_for_what_is_dangerous_and_for_nothing_else() -> None:
    table = wiring.dtc_table().by_key
    for key, meaning in table.items():
        assert (meaning.severity is Severity.STOP) == (meaning.drivability is Drivability.NONE), key
    stopping = {
        key[0] for key, meaning in table.items() if meaning.severity is Severity.STOP and len(key) == 1
    }
    plain = {key for key in stopping if isinstance(key, str) and " " not in key}
    assert plain == {"P0093", "P0217", "P0524", "P0AA6", "U0129", "U0131"}


def test_codes_of_one_family_are_few_families() -> None:
    families = Counter(meaning.family for meaning in wiring.dtc_table().by_key.values())
    assert len(families) <= 40
    assert families["network"] > 50
