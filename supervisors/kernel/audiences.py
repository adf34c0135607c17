"""Audiences: whoever watches entities, as the kernel sees them."""

from collections.abc import Collection
from typing import Protocol

from greenroom.actors.model.effects import Kick
from greenroom.actors.model.principal import Principal
from greenroom.store.journal.records import StoredEvent


class Audiences(Protocol):
    """The hub in a node, nobody in a benchmark of the actors alone."""

    def publish(self, entity: str, epoch: str, event: StoredEvent) -> None:
        """A durable event, in order for each entity."""

    def publish_ephemeral(self, entity: str, data: bytes, key: str) -> None:
        """JSON without an offset; the newest per `key` is enough."""

    def kick(self, entity: str, kick: Kick) -> None: ...

    def watching(self, entity: str) -> Collection[Principal]:
        """Whoever watches it now; to ask how many costs nothing."""

    def is_watched(self, entity: str) -> bool:
        """Does anybody watch it, also those who are nobody's audience: who only wait to be told to stop?"""

    def began(self, entity: str, epoch: str, offset: int) -> None:
        """An entity woke, or was built anew: watchers of another epoch have to start over."""

    def watched(self) -> list[tuple[str, str]]:
        """The entities that somebody watches, each with the epoch that its watchers know."""


class Nobody:
    """No audience."""

    def publish(self, entity: str, epoch: str, event: StoredEvent) -> None:
        pass

    def publish_ephemeral(self, entity: str, data: bytes, key: str) -> None:
        pass

    def kick(self, entity: str, kick: Kick) -> None:
        pass

    def watching(self, entity: str) -> Collection[Principal]:
        return []

    def is_watched(self, entity: str) -> bool:
        return False

    def began(self, entity: str, epoch: str, offset: int) -> None:
        pass

    def watched(self) -> list[tuple[str, str]]:
        return []
