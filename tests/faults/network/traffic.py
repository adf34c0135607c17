"""People at every host who speak in all rooms and watch all rooms, whatever becomes of the network; and what they saw.

Each speaker sends one message after another under a key of its own, first to the node of its own host, and until it is
acknowledged to the others in turn. Each watcher follows its own node, and resumes there. Nobody here crosses the
network that is cut: what a node can't do for those beside it, they see.
"""

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from tests.e2e.event_stream import EventStream, Following
from tests.e2e.server import Server
from tests.faults.network.lab import Host

PATIENCE_S = 0.6  # for an answer; then another node is asked
PAUSE_S = 0.03  # between two messages of a speaker, and before one is sent again


@dataclass(frozen=True, slots=True)
class Node:
    """A server on a host of its own."""

    host: Host
    server: Server


@dataclass(frozen=True, slots=True)
class Acknowledged:
    room: str
    text: str
    offset: int
    by: str  # the host of the node that answered
    sent_s: float  # for the first time, on the machine's monotonic clock
    at_s: float


class Speaker(threading.Thread):
    """In one room, from one host."""

    def __init__(self, name: str, room: str, nodes: Sequence[Node], home: int, ending: threading.Event) -> None:
        super().__init__(daemon=True)
        self._name = name
        self._room = room
        self._nodes = nodes
        self._home = home
        self._ending = ending
        self.acknowledged: list[Acknowledged] = []
        self.refused: list[str] = []  # answers that say that sending again won't help

    def run(self) -> None:
        for number in count():
            if self._ending.is_set():
                return
            self._say(f"{self._name} {number}")
            time.sleep(PAUSE_S)

    def _say(self, text: str) -> None:
        """Until it is acknowledged, also at the end."""
        sent_s = time.monotonic()
        for attempt in count():
            node = self._nodes[(self._home + attempt) % len(self._nodes)]
            offset = self._tried(node, text)
            if offset:
                found = Acknowledged(self._room, text, offset, node.host.name, sent_s, time.monotonic())
                self.acknowledged.append(found)
                return
            time.sleep(PAUSE_S)

    def _tried(self, node: Node, text: str) -> int:
        """The offset; 0 when it has to be tried again."""
        body = json.dumps({"text": text, "idempotency_key": text})
        path = f"/api/{self._room.replace(':', '/')}/send"
        with node.host.inside():
            wire = http.client.HTTPConnection("127.0.0.1", node.server.port, timeout=PATIENCE_S)
            try:
                wire.request("POST", path, body, {"X-Greenroom-User": self._name})
                answer = wire.getresponse()
                said = json.loads(answer.read())
            except (OSError, http.client.HTTPException, ValueError):
                return 0
            finally:
                wire.close()
        if answer.status == 200:
            return int(said["offset"])
        if not said["error"].get("temporary", answer.status >= 500 or answer.status == 429):
            self.refused.append(f"{self._room}: {answer.status} {said}")
        return 0


class InsideStream(EventStream):
    """An event stream from the host of its server."""

    def __init__(self, node: Node, rooms: Sequence[str]) -> None:
        super().__init__(node.server, *rooms, user="watcher")
        self._host = node.host

    def follow(self) -> None:
        with self._host.inside():
            super().follow()


class Traffic:
    """`with Traffic(nodes, rooms) as traffic:` speaks and watches; `finish` says what is wrong with what it saw."""

    def __init__(self, nodes: Sequence[Node], rooms: Sequence[str], tag: str) -> None:
        """`tag`: no other traffic in these rooms has the same."""
        self._rooms = rooms
        self._nodes = nodes
        self._ending = threading.Event()
        self._stack = contextlib.ExitStack()
        self.watchers = [InsideStream(node, rooms) for node in nodes]
        self.speakers = [
            Speaker(f"{tag}{number}", room, nodes, number % len(nodes), self._ending)
            for number, room in enumerate(rooms)
        ]

    def __enter__(self) -> "Traffic":
        for watcher in self.watchers:
            self._stack.enter_context(Following(watcher))
        for speaker in self.speakers:
            speaker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._stack.close()

    def connects(self, node: Node) -> int:
        """How often the watcher at that node has come to it."""
        return self.watchers[self._nodes.index(node)].connects

    @property
    def acknowledged(self) -> list[Acknowledged]:
        return [one for speaker in self.speakers for one in list(speaker.acknowledged)]

    def all_answered_since(self, moment_s: float) -> bool:
        """Has every room acknowledged something that was sent after that?"""
        return all(any(one.sent_s > moment_s for one in reversed(speaker.acknowledged)) for speaker in self.speakers)

    def has_answered_since(self, moment_s: float, host: str) -> bool:
        """Has that host's node acknowledged something that was sent after that?"""
        return any(one.sent_s > moment_s and one.by == host for one in self.acknowledged)

    def stop_speaking(self, within_s: float) -> None:
        self._ending.set()
        deadline = time.monotonic() + within_s
        for speaker in self.speakers:
            speaker.join(max(deadline - time.monotonic(), 0.0))
            assert not speaker.is_alive(), f"{speaker.name} has had no answer for {within_s:g} s"

    def wrong(self, stored: dict[str, list[tuple[int, str]]], *, histories: int = 1) -> list[str]:
        """What should not be, in words. `stored`: of each room offset and text of all messages, "" where an event is
        none. `histories`: a new one has watchers start over, once."""
        found = [text for speaker in self.speakers for text in speaker.refused]
        for room, events in stored.items():
            offsets = [offset for offset, _ in events]
            if offsets != list(range(1, len(offsets) + 1)):
                found.append(f"{room} has a gap in its history")
            texts = [text for _, text in events if text]
            if len(texts) != len(set(texts)):
                found.append(f"{room} has a message twice")
        for one in self.acknowledged:
            if dict(stored[one.room]).get(one.offset) != one.text:
                found.append(f"{one.room}: {one.text!r}, acknowledged at {one.offset} by {one.by}, is not there")
        for watcher in self.watchers:
            for room in self._rooms:
                found += _wrong_with(watcher, room, stored[room][-1][0], histories)
        return found

    def have_seen_all(self, stored: dict[str, list[tuple[int, str]]]) -> bool:
        return all(
            _positions(watcher, room)[-1:] == [stored[room][-1][0]] for watcher in self.watchers for room in self._rooms
        )


def _positions(watcher: EventStream, room: str) -> list[int]:
    """Where it was, event by event, views included."""
    return [
        event.data["offset"]
        for event in list(watcher.events)
        if event.data.get("channel") == room and "offset" in event.data
    ]


def _wrong_with(watcher: EventStream, room: str, last: int, histories: int) -> list[str]:
    position, views, found = 0, 0, []
    for event in list(watcher.events):
        if event.data.get("channel") != room or "offset" not in event.data:
            continue
        offset = event.data["offset"]
        if event.name == "view":
            views += 1
            if offset < position:
                found.append(f"a watcher of {room} was sent back from {position} to {offset}")
        elif offset != position + 1:
            found.append(f"a watcher of {room} was at {position} and then saw {offset}")
        position = offset
    if views > histories:
        found.append(f"a watcher of {room} had to start over {views - 1} times")
    if position != last:
        found.append(f"a watcher of {room} has seen no more than {position} of {last}")
    return found
