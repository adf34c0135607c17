"""A hub by itself, and watchers that write down what they are handed."""

from collections.abc import Callable
from functools import partial
from typing import Any

from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.principal import Principal
from greenroom.config.limits import HubConfig
from greenroom.config.telemetry.instruments import Instruments
from greenroom.store.journal.records import StoredEvent
from greenroom.transports.hub.hub import Hub
from greenroom.transports.hub.publication import Publication
from tests.transports.hub.auction import Auction
from tests.transports.world import Note

A = "note:a"


class Plain:
    """Shows what it was asked to encode."""

    calls = 0

    @staticmethod
    def publications(channel: str, epoch: str, batch: list[Publication]) -> bytes:
        Plain.calls += 1
        return f"{channel} {epoch} {[one.offset for one in batch]}".encode()

    @staticmethod
    def ephemeral(channel: str, data: bytes) -> bytes:
        return b"~" + data

    @staticmethod
    def presence(channel: str, kind: str, info: bytes) -> bytes:
        return kind.encode() + info


class Silent(Plain):
    @staticmethod
    def presence(channel: str, kind: str, info: bytes) -> bytes:
        return b""


class Watcher:
    granted = False

    def __init__(self, user: str = "ann", *, wants_joins: bool = False, encoding: Any = Plain) -> None:
        self.principal = Principal(user=user, client=f"c-{user}", info=user.encode())
        self.wants_joins = wants_joins
        self.encoding = encoding
        self.got: list[bytes] = []
        self.last_offset = 0
        self.ring_keys: list[str] = []
        self.kicks: list[tuple[int, str]] = []
        self.restarts = 0
        self.on_deliver: Any = None

    def deliver(self, batch: bytes, last_offset: int) -> None:
        self.got.append(batch)
        self.last_offset = last_offset
        if self.on_deliver is not None:
            self.on_deliver()

    def deliver_ephemeral(self, piece: bytes, key: str) -> None:
        self.got.append(piece)
        self.ring_keys.append(key)

    def kicked(self, code: int, reason: str) -> None:
        self.kicks.append((code, reason))

    def epoch_changed(self) -> None:
        self.restarts += 1


class Connection:
    """Of a user, with what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def kicked(self, code: int, reason: str) -> Callable[[], None]:
        self.told.append("silent")
        return partial(self._end, code, reason)

    def _end(self, code: int, reason: str) -> None:
        self.told.append(f"{code} {reason}")
        self.leave()

    def leave(self) -> None:
        self.told.append("left")

    def unwatch(self, code: int, reason: str) -> None:
        self.told.append(f"{code} {reason}, what it watches")


class Setup:
    def __init__(self, config: HubConfig | None = None) -> None:
        self.instruments = Instruments()
        self.wakes = 0
        self.signed_out: list[str] = []
        self.hub = Hub(
            Kinds((Note, Auction)),
            config or HubConfig(leave_s=0),
            self.instruments,
            wake=self._wake,
            kicked_everywhere=self.signed_out.append,
        )

    def _wake(self) -> None:
        self.wakes += 1

    def watch(self, watcher: Watcher, entity: str = A, *, epoch: str = "e", offset: int = 0) -> Any:
        topic = self.hub.topic(entity, epoch, offset)
        self.hub.attach(topic, watcher)
        return topic

    def publish(self, *offsets: int, entity: str = A, epoch: str = "e") -> None:
        for offset in offsets:
            self.hub.publish(entity, epoch, event(offset))


def event(offset: int, payload: bytes = b'{"n":1}') -> StoredEvent:
    return StoredEvent(offset, 7, payload)
