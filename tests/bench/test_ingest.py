"""What the ingest benchmark is made of: packets, a fleet, and that a small run of it measures."""

import struct

import psycopg
from hypothesis import given
from hypothesis import strategies as st

from bench import _copying, _fleet, _packets
from bench._fleet import Part
from decoders import envelope
from decoders.message import CanMessage

PART = Part(boot=7, since_us=1_795_219_200_000_000, vehicles=3, seconds=2)


def split(packets: bytes, ends: list[int]) -> list[tuple[str, bytes, int]]:
    """Topic, body and packet identifier of each PUBLISH (MQTT 5, section 3.3)."""
    found, start = [], 0
    for end in ends:
        packet, start = packets[start:end], end
        place = 1
        while packet[place] & 0x80:
            place += 1
        (size,) = struct.unpack_from(">H", packet, place + 1)
        topic_end = place + 3 + size
        topic = packet[place + 3 : topic_end].decode()
        (packet_id,) = struct.unpack_from(">H", packet, topic_end)
        assert packet[0] == 0x32
        assert packet[topic_end + 2] == 0
        found.append((topic, packet[topic_end + 3 :], packet_id))
    return found


@given(st.lists(st.tuples(st.text("abc/", min_size=1), st.binary(max_size=200)), max_size=5))
def test_packets_carry_their_messages(messages: list[tuple[str, bytes]]) -> None:
    found = split(*_packets.publishes(messages))
    assert [(topic, body) for topic, body, _ in found] == messages
    assert [packet_id for _, _, packet_id in found] == list(range(1, len(messages) + 1))


def test_the_window_is_what_the_broker_allows() -> None:
    assert _packets.receive_maximum(bytes.fromhex("200900000622000a21 00c8")) == 200
    assert _packets.receive_maximum(bytes.fromhex("2003000000")) == 0xFFFF


def test_small_messages_follow_the_wire_contract_and_each_vehicle_counts() -> None:
    found = [envelope.decode("signals", body) for _, body in _fleet.json_messages(PART)]
    heads = [(one.envelope.vin, one.envelope.seq) for one in found]
    assert heads == [(_fleet.vin(number), second) for second in range(2) for number in range(3)]


def test_frames_change_by_one_byte_from_one_of_their_identifier_to_the_next() -> None:
    last: dict[tuple[str, int], bytes] = {}
    changed = []
    for _, body in _fleet.can_messages(Part(1, PART.since_us, 2, 5)):
        message = envelope.decode("can", body)
        assert isinstance(message, CanMessage)
        for can_id, data in zip(message.can_id.tolist(), message.data.reshape(-1, 8), strict=True):
            key = (message.envelope.vin, can_id)
            if key in last:
                changed.append(sum(a != b for a, b in zip(last[key], data.tobytes(), strict=True)))
            last[key] = data.tobytes()
    assert set(changed) == {1}


MESSAGE = """
    insert into message (vehicle_id, boot, life, seq, kind, happened_at, known_at, body_hash, body_bytes)
    select 1, 1, 0, k, 'can', now(), now(), k, 10 from generate_series(%s::int, %s::int) k
"""


def test_what_is_copied_is_what_was_written_in_the_same_transactions(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as conn, _copying.copying(database_url) as copier:
        conn.execute(MESSAGE, (1, 3))
        copier.skip()
        conn.execute(MESSAGE, (4, 5))
        conn.execute(MESSAGE, (6, 9))
        written = copier.written()
        assert [list(tables) for tables in written.values()] == [["message"], ["message"]]
        assert copier.rows["message"] == 6
        copier.copy(written)
        differing = conn.execute("select * from peer.message except select * from message").fetchall()
        assert differing == []
        assert conn.execute("select array_agg(seq order by ctid) from peer.message").fetchone() == (
            [4, 5, 6, 7, 8, 9],
        )
        assert copier.written() == {}
