"""Recovery: what a watcher has missed since a position, and whether that is known for certain.

From the topic's tail when it reaches back far enough, else from the journal. Reading the journal takes time, in which
the entity goes on; the tail, which the hub keeps meanwhile, closes that gap in the same stretch that attaches the
watcher, so nothing is lost or seen twice.
"""

import trio
from msgspec import Struct

from greenroom.transports.hub.publication import Publication, visible
from greenroom.transports.hub.reading import Reading
from greenroom.transports.hub.topic import Topic

ROUNDS_MAX = 5  # rounds of reading after an entity that outruns its tail, or through events that it hides
READ_MIN = 100  # events in a round
READ_MAX = 1000


class Missed(Struct):
    """`publications` are all that came after the position, up to the topic's offset as of now, without those that
    are hidden; None: not known."""

    publications: list[Publication] | None


def from_tail(topic: Topic, *, epoch: str, offset: int, most: int) -> Missed | None:
    """The answer without waiting, of at most `most` publications; None when the journal has to be asked.

    What is hidden was not missed, so it does not count.
    """
    if epoch and epoch != topic.epoch:
        return Missed(None)
    if offset > topic.offset or topic.offset - offset > ROUNDS_MAX * READ_MAX:
        return Missed(None)
    found = topic.since(offset)
    if found is None:
        return None
    shown = visible(found)
    return Missed(shown if len(shown) <= most else None)


async def warm_tail(reading: Reading, topic: Topic) -> None:
    """Fill a young topic's tail from the journal, once for all who wait: after a restart everybody resumes at once.

    Raises: StoreUnavailable.
    """
    if topic.warming is not None:
        await topic.warming.wait()
        return
    warming = topic.warming = trio.Event()  # held here too: a restart of the topic takes its own away
    try:
        before = topic.tail[0].offset if topic.tail else topic.offset + 1
        page = await reading.page(topic.entity, before=before, limit=topic.tail_room, reverse=True)
        first = topic.tail[0].offset if topic.tail else topic.offset + 1
        if page is None or page.epoch != topic.epoch or first != before:
            return
        # The tail has no holes, and so gets none.
        older = page.publications
        if older and older[0].offset == before - 1 and older[-1].offset == before - len(older):
            topic.prepend(older)
    finally:
        warming.set()


async def from_journal(reading: Reading, topic: Topic, *, epoch: str, offset: int, most: int, bytes_max: int) -> Missed:
    """As `from_tail`, with what the journal holds before it. The topic must stay alive meanwhile.

    More than `bytes_max` bytes of JSON count as not known: they come as one reply, and a client that is cut off as too
    slow while it takes them would ask for the same again, for ever. Raises: StoreUnavailable.
    """
    await warm_tail(reading, topic)
    epoch = epoch or topic.epoch  # what is read may not be of two
    found: list[Publication] = []
    size = 0
    at = offset
    for _ in range(ROUNDS_MAX):
        answer = from_tail(topic, epoch=epoch, offset=at, most=most - len(found))
        if answer is not None:
            if answer.publications is None or size + sum(len(one.json) for one in answer.publications) > bytes_max:
                return Missed(None)
            return Missed(found + answer.publications)
        limit = min(READ_MAX, max(READ_MIN, most - len(found) + 1))
        page = await reading.page(topic.entity, after=at, limit=limit)
        if page is None or page.epoch != topic.epoch:
            return Missed(None)  # the journal began anew
        more = page.publications
        if not more or more[0].offset != at + 1:
            return Missed(None)  # retention has passed the position
        if more[-1].offset != at + len(more):
            return Missed(None)  # the journal has a hole, which it must not have: never skip it silently
        # The journal may be ahead of what has been released to the hub, never behind.
        more = [one for one in more if one.offset <= topic.offset]
        at += len(more)
        shown = visible(more)
        found += shown
        size += sum(len(one.json) for one in shown)
        if size > bytes_max or len(found) > most:
            return Missed(None)
    return Missed(None)
