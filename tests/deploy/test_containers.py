"""Containers and the local stack run the same broker configuration."""

import re
from pathlib import Path

from odocare.stack.broker import SHIPPED

COMPOSE = SHIPPED.parent / "compose.yaml"


def template() -> str:
    lines = (SHIPPED / "broker.conf").read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.startswith("#"))


def test_containers_fill_in_every_word_of_the_template() -> None:
    filled = re.findall(r"s\|(@[A-Z_]+@)\|", COMPOSE.read_text(encoding="utf-8"))
    assert sorted(filled) == sorted(set(re.findall(r"@[A-Z_]+@", template())))
    assert all(line.count("@") <= 4 for line in template().splitlines())


def test_the_door_for_vehicles_demands_what_identifies_them() -> None:
    _, services, vehicles = re.split(r"^listener .*$", template(), flags=re.MULTILINE)
    demanded = {
        "require_certificate true",
        "use_identity_as_username true",
        "use_username_as_clientid true",
        "allow_anonymous false",
        "crlfile @FOLDER@/crl.pem",
    }
    assert demanded <= set(vehicles.splitlines())
    assert not services.strip()


def test_the_access_list_gives_a_vehicle_its_own_topics_and_nothing_else() -> None:
    lines = (Path(SHIPPED) / "access.acl").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    first_user = next(number for number, line in enumerate(rules) if line.startswith("user "))
    assert rules[:first_user] == ["pattern write tbox/v1/%u/up/#", "pattern read tbox/v1/%u/down/#"]
    assert not any(line.startswith("pattern") for line in rules[first_user:])
