"""A refusal's sentence fits PostgreSQL and names no vehicle."""

from hypothesis import given
from hypothesis import strategies as st

from ingest.refusal import Refusal, scrubbed
from tests.ingest.senders import raw, vin
from vehicle.errors import TruncatedPayloadError

VIN = vin(1)


@given(before=st.text(" .,:'/-\x00\ud800码", max_size=5), after=st.text(" .,:'/-\x00\ud800码", max_size=5))
def test_a_vin_never_survives(before: str, after: str) -> None:
    for written in (VIN, VIN.lower()):
        assert written not in scrubbed(f"{before}{written}{after}")


@given(sentence=st.text(max_size=400))
def test_any_sentence_can_be_stored(sentence: str) -> None:
    stored = scrubbed(sentence)
    assert len(stored) <= 300
    assert "\x00" not in stored
    stored.encode()


def test_a_refusal_tells_kind_reason_vehicle_and_hash() -> None:
    delivery = raw(VIN, "can", b"body")
    error = TruncatedPayloadError("data", needed_bytes=8, got_bytes=7)
    refusal = Refusal.of(delivery, error, vin=VIN, boot=1, seq=2)
    row = refusal.refused({VIN: 77})
    assert (row.kind, row.reason, row.detail) == ("can", "truncated", "data needs 8 bytes, got 7")
    assert (row.vehicle_id, row.boot, row.seq, row.whole) == (77, 1, 2, True)
    assert row.body_hash == refusal.refused({}).body_hash
    assert row.body_hash != Refusal.of(raw(vin(2), "can", b"body"), error).refused({}).body_hash
    assert refusal.refused({}).vehicle_id is None
