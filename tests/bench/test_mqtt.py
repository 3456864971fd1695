import os

import pytest

from bench import mqtt
from bench._mqtt_clients import OWN
from odocare.settings import Settings
from odocare.stack.place import find_place
from odocare.stack.servers import find_mosquitto


def test_our_client_is_measured_and_loses_nothing_where_no_other_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bench._mqtt_clients.find_spec", lambda _: None)
    place = find_place(Settings().home.absolute())
    if find_mosquitto(place.account, place.runtime).found is None and "CI" not in os.environ:
        pytest.skip("this machine has no Mosquitto")
    report = mqtt.run(Settings(), sizes={200: 1_000}, rounds=1)
    left_out = {one.name: one.left_out for one in report.checks if one.value is None}
    assert left_out == {
        f"200 B, messages/s against {peer}": f"{peer} is not installed" for peer in mqtt.FLOORS
    }
    lost = report.checks[-1]
    assert (lost.value, lost.ok) == (0, True)
    assert report.figures[f"200 B, {OWN}, messages/s"] > 0
    assert report.figures[f"{OWN}, doubled after SIGKILL"] == 0
