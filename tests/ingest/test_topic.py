"""Topics are read strictly, and errors repeat nothing of them."""

import pytest

from ingest import topic
from ingest.topic import Address
from vehicle.errors import BadTopicError
from vehicle.vin import Vin

VIN = Vin("LRW3E7FA7NC000001")


@pytest.mark.parametrize("kind", ["can", "signals", "dtc", "diag", "gbt32960"])
def test_a_vehicles_topic_names_it_and_the_kind(kind: str) -> None:
    assert topic.parse(f"tbox/v1/{VIN}/up/{kind}") == Address(VIN, kind)
    assert topic.kind_of(f"tbox/v1/{VIN}/up/{kind}") == kind


@pytest.mark.parametrize(
    "name",
    [
        f"tbox/v1/{VIN}/up/photo",
        f"tbox/v1/{VIN}/down/ack",
        f"tbox/v2/{VIN}/up/can",
        f"tbox/v1/{VIN}/up/can/more",
        f"tbox/v1/{VIN.lower()}/up/can",
        f"tbox/v1/{VIN[:-1]}/up/can",
        f"tbox/v1/{VIN[:-1]}O/up/can",
        "tbox/v1//up/can",
        "",
    ],
)
def test_another_topic_is_refused_without_repeating_it(name: str) -> None:
    with pytest.raises(BadTopicError) as refused:
        topic.parse(name)
    assert VIN not in str(refused.value)
    assert refused.value.reason == "bad-topic"


def test_a_kind_nobody_knows_is_counted_as_other() -> None:
    assert topic.kind_of(f"tbox/v1/{VIN}/up/photo") == "other"


def test_the_brokers_line_about_an_oversize_packet_names_the_client() -> None:
    line = b"2026-11-21T23:21:02: Client LRW3E7FA7NC000001 disconnected due to oversize packet."
    assert topic.oversize_client(line) == VIN
    assert topic.oversize_client(b"1763767262: Client a b disconnected due to oversize packet.") == "a b"
    assert topic.oversize_client(b"2026-11-21T23:21:02: Client x disconnected.") is None
    assert topic.is_broker_log("$SYS/broker/log/N")
    assert not topic.is_broker_log(f"tbox/v1/{VIN}/up/can")


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"2026-11-22T05:41:15: Error: Permission denied.", topic.PERSISTENCE),
        (b"2026-11-22T05:41:15: Error: No space left on device.", topic.PERSISTENCE),
        (b"2026-11-22T05:41:15: Error: File too large.", topic.PERSISTENCE),
        (b"2026-11-22T05:41:15: Error: Read-only file system.", topic.PERSISTENCE),
        (b"2026-11-22T05:41:15: Error saving in-memory database, unable to open x.", topic.PERSISTENCE),
        (b"1795326116: OpenSSL Error[0]: error:0A0000C7:SSL routines::peer did not return", topic.TLS),
        (b"1795326116: Error: Out of memory.", topic.OTHER),
    ],
)
def test_an_error_of_the_broker_is_told_by_its_kind(line: bytes, kind: str) -> None:
    assert topic.broker_error("$SYS/broker/log/E", line) == kind
    assert topic.broker_error("$SYS/broker/log/N", line) is None
