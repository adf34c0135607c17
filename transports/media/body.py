"""What a request brings, piece by piece, as it comes: never more of it than one read is in memory here."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import trio

WAIT_S = 20.0  # for more of a body

Receive = Callable[[], Awaitable[Any]]  # ASGI's


class Gone(Exception):
    """The client is gone."""


class TooSlow(Exception):
    """Nothing came for so long, or not all of it by then."""


class Body:
    """Of one request."""

    def __init__(self, receive: Receive, *, until: float) -> None:
        """`until`, on trio's clock, all of it is to be here."""
        self._receive = receive
        self._until = until
        self._is_whole = False

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Raises: Gone, TooSlow."""
        while not self._is_whole:
            with trio.move_on_at(min(self._until, trio.current_time() + WAIT_S)) as scope:
                message = await self._receive()
            if scope.cancelled_caught:
                raise TooSlow
            if message["type"] == "http.disconnect":
                raise Gone
            self._is_whole = not message.get("more_body", False)
            if message.get("body"):
                yield message["body"]

    async def read(self, bytes_max: int) -> bytes | None:
        """All of it; None: it is longer. Raises: Gone, TooSlow."""
        whole = b""
        async for piece in self.pieces():
            whole += piece
            if len(whole) > bytes_max:
                return None
        return whole

    async def drain(self, bytes_max: int, seconds: float) -> None:
        """Let what is still coming go by, for a while: who closes on a client that speaks takes its answer away."""
        with trio.move_on_after(seconds):
            try:
                async for piece in self.pieces():
                    bytes_max -= len(piece)
                    if bytes_max < 0:
                        return
            except (Gone, TooSlow):
                pass

    async def gone(self) -> None:
        """Return when the client is."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
