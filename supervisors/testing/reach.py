"""The entities and views of a JobKit's jobs: kits that started some, and those that the test plays."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from greenroom.actors.model.effects import Nudge, Told
from greenroom.actors.model.entity import each_once
from greenroom.actors.model.message import Ask, Reply, Tell
from greenroom.actors.testing.kit import Kit
from greenroom.actors.testing.played import PlayedViews


class KitReach(PlayedViews):
    """See Reach. Waits for nothing but kits with async handlers."""

    def __init__(self, kits: Mapping[str, Kit[Any]]) -> None:
        """`kits` by entity."""
        super().__init__("jobs")
        self.answers: dict[str, Callable[[Any], Any]] = {}  # entity -> what it replies
        self.asked: list[Told] = []
        self.nudged: list[Nudge] = []
        self._kits = kits

    async def ask(self, entity: str, message: Ask[Reply]) -> Reply:
        """Raises: AssertionError where nobody is to answer."""
        self.asked.append(Told(entity, message))
        reply: Reply
        if entity in self.answers:
            reply = self.answers[entity](message)
            return reply
        kit = self._kits.get(entity)
        assert kit is not None, f"it asks {entity}: say jobs.when_asked({entity!r}, ...)"
        reply = await kit.ask_async(message)
        return reply

    def nudge(self, entities: Iterable[str], message: Tell) -> None:
        """Kits are awake. Raises: BadEntity, TypeError, ValueError: see Work."""
        nudge = Nudge(each_once(entities), message)
        self.nudged.append(nudge)
        for entity in nudge.entities:
            kit = self._kits.get(entity)
            if kit is not None:
                kit.tell(message)
