import pytest

from odocare import wiring
from vehicle.errors import CatalogueError
from vehicle.signal import FIRST_OWN, Catalogue, SignalKind
from vehicle.units import Unit

ONE = """[[signal]]
number = 7
path = "Vehicle.Speed"
unit = "km/h"
kind = "gauge"
maximum = 400
latest = true
"""


def test_a_signal_is_found_by_path_and_by_number() -> None:
    catalogue = Catalogue.from_toml(ONE)
    speed = catalogue.of("Vehicle.Speed")
    assert catalogue.by_number[7] is speed
    assert (speed.unit, speed.kind, speed.minimum, speed.maximum) == (
        Unit.KM_PER_HOUR,
        SignalKind.GAUGE,
        None,
        400.0,
    )
    assert speed.is_latest
    assert not speed.is_position


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (ONE + ONE, "a path or a number stands twice"),
        (ONE + ONE.replace("7", "8"), "a path or a number stands twice"),
        (ONE.replace("km/h", "kmh"), "'Vehicle.Speed': 'kmh' is not a valid Unit"),
        (ONE.replace("gauge", "guage"), "'Vehicle.Speed': 'guage' is not a valid SignalKind"),
        (ONE.replace("number = 7\n", ""), "'Vehicle.Speed': 'number'"),
        (ONE + "maximun = 3\n", "unknown keys ['maximun']"),
        ("[[signal]\n", "signals.toml: "),
    ],
)
def test_a_catalogue_that_contradicts_itself_is_refused(text: str, says: str) -> None:
    with pytest.raises(CatalogueError) as refused:
        Catalogue.from_toml(text)
    assert says in str(refused.value)


OWN = """[[signal]]
number = 16384
path = "Vehicle.X-Maker.Wiper"
kind = "state"
"""


def test_a_maker_s_signals_stand_beside_the_shipped_ones() -> None:
    both = Catalogue.from_toml(ONE).with_own(Catalogue.from_toml(OWN), where="maker")
    assert [signal.path for signal in both.signals] == ["Vehicle.Speed", "Vehicle.X-Maker.Wiper"]
    assert both.of("Vehicle.X-Maker.Wiper") is both.by_number[16384]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (OWN.replace("X-Maker.", ""), "live under Vehicle.X-<maker>., got 'Vehicle.Wiper'"),
        (OWN.replace("Wiper", "Horn"), "Vehicle.X-Maker.Horn is in the catalogue that is shipped"),
        (OWN.replace("16384", "16383"), "has a number of 16384 to 32767, got 16383"),
        (OWN.replace("16384", "32768"), "has a number of 16384 to 32767, got 32768"),
    ],
)
def test_a_maker_takes_nobody_s_path_or_number(text: str, says: str) -> None:
    shipped = Catalogue.from_toml(ONE.replace("Vehicle.Speed", "Vehicle.X-Maker.Horn"))
    with pytest.raises(CatalogueError) as refused:
        shipped.with_own(Catalogue.from_toml(text), where="maker")
    assert says in str(refused.value)


def test_a_path_that_is_not_there_is_named() -> None:
    with pytest.raises(CatalogueError, match=r"no signal 'Vehicle\.Sped'"):
        Catalogue.from_toml(ONE).of("Vehicle.Sped")


def test_the_shipped_catalogue_can_be_stored() -> None:
    signals = wiring.catalogue().signals
    assert all(0 < signal.number < FIRST_OWN for signal in signals)
    assert all(signal.path.startswith("Vehicle.") for signal in signals)
    for signal in signals:
        if signal.minimum is not None and signal.maximum is not None:
            assert signal.minimum < signal.maximum
    assert {signal.path for signal in signals if signal.is_position} == {
        "Vehicle.CurrentLocation.Latitude",
        "Vehicle.CurrentLocation.Longitude",
    }
