"""What was shown and what came of it, as files of JSON lines: for analytics, and to train on.

It runs where it is named beside the rest, and GREENROOM_RANKING_EXPOSURES says into which folder:

    GREENROOM_ENTITIES=greenroom.social,greenroom.actors.social.ranking.sink:Exposures

A line is what a webhook has for one event. Files are named `exposures-TIME-PROCESS-NUMBER.jsonl`, so that several nodes
may share a folder; whoever has read one may take it away. For Kafka or a webhook, subclass these with `of = EXPOSURES`.
"""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import ClassVar

import msgspec
import structlog
import trio

from greenroom.actors.sinks.errors import Unreachable
from greenroom.actors.sinks.item import item
from greenroom.actors.sinks.sink import Batch, Since, Sink
from greenroom.actors.social.ranking.events import EngagedWith, Exposed

EXPOSURES = (Exposed, EngagedWith)
FILE_BYTES_MAX = 64 << 20  # then the next begins
FILES_MAX = 256  # of a folder; then the oldest go

log = structlog.get_logger("greenroom.social")


class Exposures(Sink, version=1):
    """The events of `features`, a line each."""

    of = EXPOSURES
    name = "exposures"
    since: ClassVar[Since] = "kept"

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Raises: Unreachable without the setting."""
        folder = self.config.exposures
        if folder is None:
            raise Unreachable("GREENROOM_RANKING_EXPOSURES is not set")
        self._lines = LineFiles(folder)
        self._threads = trio.CapacityLimiter(1)
        try:
            yield
        finally:
            with trio.CancelScope(shield=True):  # no more than a close
                await trio.to_thread.run_sync(self._lines.close, limiter=self._threads)

    async def deliver(self, batch: Batch) -> None:
        """See Sink. Raises: OSError, of a disk that is full or gone."""
        lines = b"".join(msgspec.json.encode(item(batch, event, of)) + b"\n" for event, of in batch)
        await trio.to_thread.run_sync(self._lines.write, lines, limiter=self._threads)


class LineFiles:
    """Files of lines in one folder, one after another. It blocks; nobody else writes to a file of ours."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._name = f"exposures-{int(time.time() * 1000)}-{os.getpid()}"
        self._number = 0
        self._file: int | None = None
        self._size = 0

    def write(self, lines: bytes) -> None:
        """On disk once this returns. Raises: OSError, after which part of it may be there, in a file that is ended."""
        if self._file is None or self._size + len(lines) > FILE_BYTES_MAX:
            self._begin()
        assert self._file is not None
        try:
            left = memoryview(lines)
            while left:
                left = left[os.write(self._file, left) :]
            os.fsync(self._file)
        except OSError:
            self.close()
            raise
        self._size += len(lines)

    def _begin(self) -> None:
        self.close()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._number += 1
        path = self._folder / f"{self._name}-{self._number:06}.jsonl"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o640)
        self._size = 0
        self._forget_oldest()

    def _forget_oldest(self) -> None:
        found: list[tuple[int, Path]] = []
        for path in self._folder.glob("exposures-*.jsonl"):
            with suppress(FileNotFoundError):  # somebody else has taken it away meanwhile
                found.append((path.stat().st_mtime_ns, path))
        for _, path in sorted(found)[:-FILES_MAX]:
            path.unlink(missing_ok=True)
            log.warning("exposures_dropped", path=str(path))

    def close(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            os.close(file)
