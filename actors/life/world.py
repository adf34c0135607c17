"""The world: what a life needs of what is around it, which is a node in production and the kit in tests."""

from contextlib import AbstractContextManager
from typing import Protocol

from greenroom.actors.model.actor import Runtime


class World(Runtime, Protocol):
    """`Runtime` is what actors see of it."""

    def monotonic(self) -> float:
        """Seconds of a clock that measures how long handlers have had the loop."""

    def new_epoch(self) -> str:
        """For one life of an entity without a journal: its offsets begin anew with each."""

    def trace(self, name: str, parent: str, entity: str) -> AbstractContextManager[object]:
        """A span of this entity under the W3C traceparent `parent`."""
