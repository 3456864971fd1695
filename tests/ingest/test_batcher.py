"""Batches close by count, bytes or age, keep the order, and let nothing go that is not settled."""

import asyncio

from msgspec.structs import replace

from ingest.batcher import Batcher, Limits
from ingest.delivery import Delivery, Fate


def delivery(number: int, size: int = 10) -> Delivery:
    return Delivery("", bytes([number]) * size, 0)


def numbers(deliveries: list[Delivery]) -> list[int]:
    return [one.body[0] for one in deliveries]


async def test_a_full_batch_is_taken_at_once_and_the_rest_waits_for_its_age() -> None:
    batcher = Batcher(Limits(messages=3, age_s=30))
    for number in range(4):
        batcher.put(delivery(number))
    batch = await asyncio.wait_for(batcher.take(), 5)
    assert numbers(batch.deliveries) == [0, 1, 2]
    taking = asyncio.create_task(batcher.take())
    await asyncio.sleep(0)
    assert not taking.done()
    batcher.put(delivery(4))
    batcher.put(delivery(5))
    assert numbers((await asyncio.wait_for(taking, 5)).deliveries) == [3, 4, 5]


async def test_an_old_batch_is_taken_although_it_is_not_full() -> None:
    batcher = Batcher(Limits(messages=3, age_s=0.01))
    batcher.put(delivery(0))
    assert numbers((await asyncio.wait_for(batcher.take(), 5)).deliveries) == [0]


async def test_bytes_close_a_batch_too() -> None:
    batcher = Batcher(Limits(messages=100, bytes=25, age_s=30))
    for number in range(4):
        batcher.put(delivery(number))
    assert numbers((await asyncio.wait_for(batcher.take(), 5)).deliveries) == [0, 1, 2]


async def test_topics_weigh_as_much_as_bodies() -> None:
    batcher = Batcher(Limits(messages=100, bytes=25, age_s=30, waiting_bytes=35))
    for number in range(4):
        batcher.put(Delivery("a" * 10, bytes([number]), 0))
    assert batcher.is_pressed
    assert numbers((await asyncio.wait_for(batcher.take(), 5)).deliveries) == [0, 1, 2]
    assert batcher.forget() == 1
    assert batcher.waiting_bytes == 33


async def test_a_message_settles_with_its_batch_and_not_before() -> None:
    batcher = Batcher(Limits(messages=2, age_s=30))
    first = [batcher.put(delivery(number)).settled for number in range(2)]
    second = [batcher.put(delivery(number)).settled for number in range(2)]
    batch = await batcher.take()
    assert not any(settled.done() for settled in first)
    batcher.done(batch)
    assert all(settled.done() for settled in first)
    assert not any(settled.done() for settled in second)


async def test_settling_acknowledges_once_and_before_it_returns() -> None:
    batcher = Batcher(Limits(messages=2, age_s=30))
    said: list[str] = []
    for number in range(2):
        batcher.put(delivery(number)).acknowledging.append(lambda: said.append("acknowledged"))
    batch = await batcher.take()
    assert not said
    batcher.done(batch)
    assert said == ["acknowledged"] * 2
    batch.settle()
    assert len(said) == 2


async def test_what_is_forgotten_is_not_acknowledged() -> None:
    batcher = Batcher(Limits(messages=3, age_s=0.01))
    said: list[int] = []
    batcher.put(delivery(0)).acknowledging.append(lambda: said.append(0))
    batcher.put(replace(delivery(7), fate=Fate()))
    batcher.forget()
    batcher.done(await asyncio.wait_for(batcher.take(), 5))
    assert not said


async def test_what_waits_is_weighed_until_it_is_done() -> None:
    batcher = Batcher(Limits(messages=2, age_s=30, waiting_bytes=25))
    for number in range(3):
        batcher.put(delivery(number))
    assert batcher.is_pressed
    batch = await batcher.take()
    assert batcher.waiting_bytes == 30
    batcher.done(batch)
    assert batcher.waiting_bytes == 10
    assert not batcher.is_pressed


async def test_forgetting_drops_what_was_not_taken_and_leaves_what_was() -> None:
    batcher = Batcher(Limits(messages=2, age_s=30))
    taken = [batcher.put(delivery(number)).settled for number in range(2)]
    dropped = [batcher.put(delivery(number)).settled for number in range(3)]
    batch = await batcher.take()
    assert batcher.forget() == 3
    assert all(settled.done() for settled in dropped)
    assert not any(settled.done() for settled in taken)
    assert batcher.waiting_bytes == batch.bytes
    for number in range(2):
        batcher.put(delivery(10 + number))
    assert numbers((await asyncio.wait_for(batcher.take(), 5)).deliveries) == [10, 11]


async def test_forgetting_leaves_what_another_door_asks_for() -> None:
    batcher = Batcher(Limits(messages=3, age_s=0.01, waiting_bytes=25))
    asked = replace(delivery(7), fate=Fate())
    for one in (delivery(0), asked, delivery(1), delivery(2)):
        batcher.put(one)
    waiting = asyncio.create_task(batcher.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    assert batcher.forget() == 3
    await asyncio.wait_for(waiting, 5)
    assert batcher.waiting_bytes == len(asked.body)
    batch = await asyncio.wait_for(batcher.take(), 5)
    assert batch.deliveries == [asked]
    batcher.done(batch)
    assert (batcher.waiting_bytes, batcher.batches_waiting) == (0, 0)


async def test_forgetting_while_somebody_waits_to_take_is_survived() -> None:
    batcher = Batcher(Limits(messages=2, age_s=0.05))
    batcher.put(delivery(0))
    taking = asyncio.create_task(batcher.take())
    await asyncio.sleep(0)
    batcher.forget()
    await asyncio.sleep(0.06)
    assert not taking.done()
    batcher.put(delivery(1))
    assert numbers((await asyncio.wait_for(taking, 5)).deliveries) == [1]
