"""Chasing: handlers on three nodes or more may wait for one another in a circle, of which no node knows the whole.

Where an ask arrives at an entity whose own handler waits, that is told to the nodes of those whom it waits for, and so
on from there, until it comes round to who has asked. The last ask of a circle finds all others there already. Each that
comes round names the same asks between nodes, so however many do, the same one of these is refused. Nothing is sent
where nobody who is asked waits for somebody.

Source: Chandy, Misra and Haas, "Distributed Deadlock Detection" (1983), edge chasing.
"""

from collections.abc import Callable

import structlog

from greenroom.actors.life.waits import Waits
from greenroom.actors.model.errors import ActorError
from greenroom.supervisors.correspondence.wire import Chased, Circular

log = structlog.get_logger("greenroom.cluster")

ASKS_MAX = 16  # asks between nodes, in a circle that is found
WAYS_MAX = 64  # asks by which one is followed from one node

Asks = list[tuple[str, str]]  # asker, and whom it asks


class Chasing:
    """Of one node. Remembers nothing."""

    def __init__(
        self,
        *,
        waits: Callable[[], Waits],
        lives_here: Callable[[str], bool],
        owner: Callable[[str], int | None],
        send: Callable[[int, Chased | Circular], None],
        refuse: Callable[[str, str], None],
    ) -> None:
        """`owner`: the node of an entity that lives elsewhere. `send` raises ActorError with nothing sent. `refuse`
        answers the asks of an entity elsewhere to one that lives here."""
        self._waits = waits
        self._lives_here = lives_here
        self._owner = owner
        self._send = send
        self._refuse = refuse

    def begin(self, asker: str, entity: str) -> None:
        """That one's handler waits for that entity from now on, which lives here."""
        if self._waits().asked(entity) and self._lives_here(entity):
            self._follow(asker, entity, [] if self._lives_here(asker) else [(asker, entity)])

    # From other nodes.

    def chased(self, node: int, chased: Chased) -> None:
        asker, entity = chased.asks[-1]
        if entity in self._waits().asked(asker) and self._lives_here(entity):  # else it has been answered meanwhile
            self._follow(chased.start, entity, chased.asks)

    def circular(self, node: int, circular: Circular) -> None:
        self._refuse(circular.asker, circular.entity)

    def _follow(self, start: str, entity: str, asks: Asks) -> None:
        """From an entity that lives here, to which those asks between nodes have led."""
        waits = self._waits()
        ways: Asks = []
        seen, front = {entity}, [entity]
        while front:
            one = front.pop()
            if one == start:
                self._found(asks)
                return
            for other in waits.asked(one):
                if not self._lives_here(other):
                    ways.append((one, other))
                elif other not in seen:
                    seen.add(other)
                    front.append(other)
        for one, other in ways[:WAYS_MAX]:
            if other == start:
                self._found([*asks, (one, other)])
                return
        for way in ways[:WAYS_MAX]:
            if way not in asks and len(asks) < ASKS_MAX:
                self._say(way[1], Chased(start, [*asks, way]))

    def _found(self, asks: Asks) -> None:
        """A circle, by its asks between nodes."""
        asker, entity = max(asks)
        if self._lives_here(entity):
            self._refuse(asker, entity)
        else:
            self._say(entity, Circular(asker, entity))

    def _say(self, entity: str, frame: Chased | Circular) -> None:
        node = self._owner(entity)
        try:
            if node is not None:
                self._send(node, frame)
        except ActorError as error:
            log.debug("circle_not_chased", entity=entity, error=error.name)  # it ends with a deadline
