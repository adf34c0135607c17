"""Who watches a page of a view, and keeps it by what it is told."""

from typing import Any, Protocol

import msgspec

from greenroom.actors.model.errors import ActorError
from greenroom.actors.model.principal import Principal
from greenroom.transports.hub.encoding import Encoding
from greenroom.transports.hub.publication import Publication
from greenroom.transports.hub.recovery import Missed
from greenroom.transports.hub.topic import Topic
from greenroom.transports.hub.watching import Position
from greenroom.transports.services import Services

ANN = Principal(user="ann")
Row = dict[str, Any]


class AsPublished:
    """An encoding that is what is published, one a line."""

    @staticmethod
    def publications(channel: str, epoch: str, batch: list[Publication]) -> bytes:
        return b"\n".join(one.json for one in batch if one.json)

    @staticmethod
    def ephemeral(channel: str, data: bytes) -> bytes:
        return b""

    @staticmethod
    def presence(channel: str, kind: str, info: bytes) -> bytes:
        return b""


class ServingNode(Protocol):
    @property
    def services(self) -> Services: ...


class Watcher:
    """Knows the page by its key fields. Told to start over it comes again with its position."""

    encoding: type[Encoding] = AsPublished
    wants_joins = granted = as_view = gone = False

    def __init__(self, node: ServingNode, entity: str, principal: Principal = ANN, *, key: tuple[str, ...]) -> None:
        self.node = node
        self.entity = entity
        self.principal = principal
        self.key = key
        self.topic: Topic | None = None
        self.position: Position | None = None
        self.rows: dict[tuple[Any, ...], Row] = {}
        self.said: list[Any] = []  # publications
        self.pages = 0  # times that all of it was given
        self.starts_over = 0
        self.refusals: list[ActorError] = []
        self.waits = False  # refused for now

    def watch(self) -> "Watcher":
        self.node.services.watching.watch(self.entity, self, self.position)
        return self

    def again(self) -> None:
        """Come again, where it was to do so later."""
        if self.waits:
            self.waits = False
            self.watch()

    def leave(self) -> None:
        topic, self.topic = self.topic, None
        if topic is not None:
            self.node.services.watching.leave(topic, self)

    def _key_of(self, row: Row) -> tuple[Any, ...]:
        return tuple(row[name] for name in self.key)

    # Watcher.

    def abandoned(self) -> None:
        raise AssertionError

    def admitted(self, topic: Topic, view: bytes, missed: Missed | None) -> "Watcher":
        self.topic = topic
        if missed is None or missed.publications is None:
            self.pages += 1
            self.rows = {self._key_of(row): row for row in msgspec.json.decode(view)["rows"]}
        else:
            for one in missed.publications:
                self._hear(one.json)
        self.position = Position(topic.epoch, topic.offset)
        return self

    def attached(self) -> None:
        pass

    def refused(self, error: ActorError) -> None:
        self.refusals.append(error)
        self.waits = error.temporary

    def broken(self, error: Exception) -> None:
        raise error

    # Subscriber.

    def deliver(self, batch: bytes, last_offset: int) -> None:
        assert self.position is not None
        for one in batch.split(b"\n"):
            self._hear(one)
        self.position.offset = last_offset

    def _hear(self, json: bytes) -> None:
        publication = msgspec.json.decode(json)
        assert "info" not in publication
        data = publication["data"]
        self.said.append(data)
        if "gone" in data:
            del self.rows[self._key_of(data["gone"])]
        else:
            self.rows[self._key_of(data["set"])] = data["set"]

    def deliver_ephemeral(self, piece: bytes, key: str) -> None:
        raise AssertionError

    def kicked(self, code: int, reason: str) -> None:
        assert code == 2500, reason  # it is to come again
        self.epoch_changed()

    def epoch_changed(self) -> None:
        self.starts_over += 1
        self.leave()
        self.watch()
