"""A consumer of the feeds that crashes after every page, before it has kept its cursor."""

from collections import defaultdict
from dataclasses import dataclass, field
from uuid import UUID

from odocare.reconciling import Finding
from store import feed as feeds
from store import reconciling as stored
from store.feed import FeedEvent, Position
from store.pool import Connection
from vehicle.trigger import Feed

PAGE_EVENTS = 50


@dataclass(slots=True)
class Consumer:
    """Processes each event once, told apart by its id, and remembers what came out of order."""

    revisions: dict[UUID, list[int]] = field(default_factory=lambda: defaultdict(list))
    """As processed, per trigger."""
    doubles: int = 0
    """Seen again after a crash, and left alone."""
    wrong: list[str] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)

    def take(self, event: FeedEvent) -> None:
        """Process an event, unless that was done before."""
        event_id = str(event.payload["id"])
        if event_id in self._seen:
            self.doubles += 1
            return
        self._seen.add(event_id)
        self.revisions[event.trigger_id].append(event.revision)

    @property
    def processed(self) -> int:
        """Different events."""
        return len(self._seen)


async def read_all(
    conn: Connection, feed: Feed, consumer: Consumer, *, page_events: int = PAGE_EVENTS
) -> None:
    """Read a feed to its end; every page twice: the consumer crashed before it had kept its cursor."""
    kept: Position = await feeds.earliest(conn, feed)
    while True:
        for _ in range(2):
            page = await feeds.read(conn, feed, kept, page_events)
            places = [event.position for event in page.events]
            if places != list(range(kept.position + 1, kept.position + 1 + len(places))):
                consumer.wrong.append(f"feed {feed}: positions {places[:5]}… after {kept.position}")
            for event in page.events:
                consumer.take(event)
        if page.next == kept:
            return
        kept = page.next


async def feed_is_whole(conn: Connection) -> Finding:
    """I4: every revision of every trigger comes once, in order."""
    await feeds.sequence(conn)  # what is committed and not numbered yet
    consumer = Consumer()
    first = {}
    for feed in Feed:
        first[str(feed)] = (await feeds.earliest(conn, feed)).position
        await read_all(conn, feed, consumer)
    triggers = await stored.triggers(conn)
    for trigger_id, name, newest in triggers:
        seen = consumer.revisions.pop(trigger_id, [])
        began = seen[0] if seen and first[name] else 1  # older events may have left the feed
        if seen != list(range(began, newest + 1)) and not (first[name] and not seen):
            consumer.wrong.append(f"trigger {trigger_id}: revisions {seen}, expected 1 to {newest}")
    consumer.wrong += [f"trigger {one} does not exist" for one in consumer.revisions]
    sentence = (
        f"{consumer.processed} events of {len(triggers)} triggers,"
        f" {consumer.doubles} read again after a crash and left alone"
    )
    if not triggers and not consumer.processed:
        return Finding("I4", "-", "no trigger and no event yet")
    return Finding("I4", "broken" if consumer.wrong else "ok", sentence, tuple(consumer.wrong[:5]))
