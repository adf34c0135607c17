"""Objects, for a node: each call in a thread, within a bound, so that a slow storage holds up nobody's event loop."""

from collections.abc import AsyncGenerator, Iterator

import trio

from greenroom.store.objects.objects import Objects

THREADS_MAX = 16  # that wait for the storage at once


class ThreadedObjects:
    """As Objects. A call that is cancelled ends with its request, for which the storage has its time."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._threads = trio.CapacityLimiter(THREADS_MAX)

    async def put(self, name: str, data: bytes) -> None:
        """Raises: ObjectsUnavailable."""
        await trio.to_thread.run_sync(self._objects.put, name, data, limiter=self._threads)

    async def delete(self, name: str) -> None:
        """Raises: ObjectsUnavailable."""
        await trio.to_thread.run_sync(self._objects.delete, name, limiter=self._threads)

    async def pieces(self, name: str, first: int, size: int) -> AsyncGenerator[bytes, None]:
        """A thread for each piece, given back between them: who reads slowly keeps none. Raises: ObjectMissing,
        ObjectsUnavailable."""
        pieces = self._objects.pieces(name, first, size)
        while (piece := await trio.to_thread.run_sync(_next, pieces, limiter=self._threads)) is not None:
            yield piece


def _next(pieces: Iterator[bytes]) -> bytes | None:
    return next(pieces, None)
