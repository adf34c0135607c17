"""Senders that go on whatever happens, and know what they were promised."""

import contextlib
import http.client
import itertools
import threading
import time
from collections.abc import Iterator

from tests.e2e.server import Server, wait_until

GIVE_UP_S = 60.0  # for one message, over all its attempts
PAUSE_S = 0.02  # between attempts


class Load:
    """`senders` threads that each send one message after the other into `room`, every message until it is
    acknowledged, always under the same idempotency key."""

    def __init__(
        self, server: Server, room: str, *, senders: int = 4, retry: bool = True, timeout_s: float = 5.0
    ) -> None:
        self._server = server
        self._room = room
        self._retry = retry
        self._timeout = {"X-Request-Timeout": str(timeout_s)}
        self._numbers = itertools.count()
        self._stop = threading.Event()
        self._failed: list[BaseException] = []
        self.acknowledged: dict[str, int] = {}  # text -> offset
        self.refused: dict[str, str] = {}  # text -> name of the error, where nothing is retried
        self.attempts_failed = 0
        self.slowest_s = 0.0
        self._threads = [threading.Thread(target=self._send_on) for _ in range(senders)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self._failed:
            raise self._failed[0]

    def wait_for(self, more: int) -> None:
        """Until so many more are acknowledged."""
        goal = len(self.acknowledged) + more
        wait_until(
            lambda: bool(self._failed) or len(self.acknowledged) >= goal, f"{more} more sends", within_s=GIVE_UP_S
        )

    def _send_on(self) -> None:
        try:
            while not self._stop.is_set():
                self._send(f"message {next(self._numbers)}")
        except BaseException as error:
            self._failed.append(error)

    def _send(self, text: str) -> None:
        began = time.monotonic()
        path = f"/api/{self._room.replace(':', '/')}/send"
        headers = {"Idempotency-Key": text, **self._timeout}
        connection = self._server.connection()
        while True:
            try:
                answer = self._server.request("POST", path, {"text": text}, headers=headers, connection=connection)
            except (OSError, http.client.HTTPException):
                connection.close()
                connection = self._server.connection()
                name = "disconnected"
            else:
                if answer.status == 200:
                    self.acknowledged[text] = answer.body["offset"]
                    self.slowest_s = max(self.slowest_s, time.monotonic() - began)
                    break
                name = answer.body["error"]["name"]
                assert answer.body["error"]["temporary"] and answer.status in (429, 503, 504), answer
            self.attempts_failed += 1
            if not self._retry:
                self.refused[text] = name
                break
            assert time.monotonic() - began < GIVE_UP_S, f"{text}: no answer but {name}"
            time.sleep(PAUSE_S)
        connection.close()

    def check(self) -> None:
        """Every acknowledged message is in the history, where it was said to be, once."""
        history = self._server.history(self._room)
        assert [one["offset"] for one in history] == list(range(1, len(history) + 1))
        found = [(one["data"]["text"], one["offset"]) for one in history if one["data"]["type"] == "room.message"]
        texts = [text for text, _ in found]
        assert len(set(texts)) == len(texts), "something was done twice"
        missing = self.acknowledged.items() - set(found)
        assert not missing, f"acknowledged, and not there: {sorted(missing)[:5]}"
        if self._retry:
            assert dict(found) == self.acknowledged  # nothing else either


@contextlib.contextmanager
def under_load(server: Server, room: str, *, retry: bool = True, timeout_s: float = 5.0) -> Iterator[Load]:
    """Load for as long as the block lasts, and a while after it; checked at the end."""
    load = Load(server, room, retry=retry, timeout_s=timeout_s)
    load.start()
    try:
        load.wait_for(50)
        yield load
        if retry:
            load.wait_for(50)
    finally:
        load.join()
    load.check()
