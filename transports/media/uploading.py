"""More of an upload: what comes becomes objects, piece by piece, and the entity is told of them.

An object is there before the entity hears of it, so what the entity counts is there. A client that is cut off goes on
where the last of its bytes became one; with a checksum, where the request began, since nobody has compared it. What the
entity refuses is deleted again. Where it is not known what became of its word, nothing is: whatever is left over goes
with the upload's other parts.
"""

import hashlib
from collections.abc import AsyncGenerator
from typing import Protocol

import trio

from greenroom.actors.media.messages import HowFar, Part, Receive, Standing
from greenroom.actors.media.names import part_name
from greenroom.actors.media.state import UPLOADING
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.message import Ask, Reply
from greenroom.actors.model.principal import Principal
from greenroom.store.objects.in_threads import ThreadedObjects
from greenroom.store.objects.objects import ObjectsUnavailable
from greenroom.transports.media.body import Gone, TooSlow
from greenroom.transports.media.tus import Checksum

PIECE_BYTES = 1 << 20  # of one object, and so of one request in memory
CHECKED_BYTES_MAX = 16 << 20  # of one request with a checksum: until its end nothing of it counts, nor has an owner
DELETE_S = 5.0


class Asking(Protocol):
    """Router.ask."""

    async def __call__(self, entity: str, message: Ask[Reply], /, *, principal: Principal) -> Reply:
        """Raises: ActorError."""


class Appending:
    """One request that brings more."""

    def __init__(
        self,
        media: str,
        *,
        ask: Asking,
        objects: ThreadedObjects,
        principal: Principal,
        checksum: Checksum | None,
    ) -> None:
        self._media = media
        self._ask = ask
        self._objects = objects
        self._principal = principal
        self._checksum = checksum
        self._digest = hashlib.new(checksum.algorithm) if checksum is not None else None
        self._offset = 0  # of what the entity has not heard of yet
        self._pending = bytearray()
        self._standing = Standing("", 0, 0, 0)
        self._stored: list[Part] = []

    async def run(self, offset: int, length: int | None, pieces: AsyncGenerator[bytes, None]) -> Standing:
        """`length` of all that comes, where it was said.

        Raises: Refused and other ActorErrors, ObjectsUnavailable; Gone and TooSlow, once what came is kept.
        """
        standing = self._standing = await self._say(HowFar())
        if standing.state != UPLOADING:
            raise Refused("media.complete", "all of it has come already", status=409)
        if standing.offset != offset:
            raise Refused("media.offset", f"it goes on at {standing.offset}, not at {offset}", status=409)
        room = standing.size - offset
        if length is not None:
            self._require(room - length)
        self._offset = offset
        try:
            try:
                async for piece in pieces:
                    room -= len(piece)
                    self._require(room)
                    await self._take(piece)
            except (Gone, TooSlow):
                if self._checksum is None:
                    await self._tell_all()
                raise
            if self._checksum is not None and self._seen != self._checksum.digest:
                raise Refused("media.checksum", "what came is not what was sent: send it again", status=460)
            return await self._tell_all()
        except BaseException:
            await self._discard()
            raise

    def _require(self, left: int) -> None:
        """Is this many bytes of the upload left behind what comes? Raises: Refused."""
        size = self._standing.size
        if left < 0:
            raise Refused("media.too_long", f"it was to have {size} bytes", status=413)
        if self._checksum is not None and size - self._standing.offset - left > CHECKED_BYTES_MAX:
            text = f"with a checksum, a request brings at most {CHECKED_BYTES_MAX} bytes"
            raise Refused("media.too_much_at_once", text, status=413)

    @property
    def _seen(self) -> bytes:
        return self._digest.digest() if self._digest is not None else b""

    async def _take(self, piece: bytes) -> None:
        if self._digest is not None:
            self._digest.update(piece)
        self._pending += piece
        while len(self._pending) >= PIECE_BYTES:
            await self._store(PIECE_BYTES)
            if self._checksum is None:
                await self._tell()

    async def _store(self, size: int) -> None:
        """Raises: ObjectsUnavailable."""
        at = self._offset + sum(part.size for part in self._stored)
        part = Part(part_name(self._media, at), size)
        self._stored.append(part)  # before it is: what was begun is deleted too
        await self._objects.put(part.name, bytes(self._pending[:size]))
        del self._pending[:size]

    async def _tell_all(self) -> Standing:
        """Raises: ActorError, ObjectsUnavailable."""
        if self._pending:
            await self._store(len(self._pending))
        if self._stored:
            await self._tell()
        return self._standing

    async def _tell(self) -> None:
        """Raises: ActorError."""
        told, self._stored = self._stored, []  # whatever becomes of this, they may count
        try:
            self._standing = await self._say(Receive(offset=self._offset, parts=told))
        except Refused:
            self._stored = told
            raise
        self._offset = self._standing.offset

    async def _say(self, message: Ask[Standing]) -> Standing:
        return await self._ask(f"media:{self._media}", message, principal=self._principal)

    async def _discard(self) -> None:
        """What nobody will hear of. What can't be deleted goes with the rest of the upload."""
        with trio.move_on_after(DELETE_S, shield=True):
            for part in self._stored:
                try:
                    await self._objects.delete(part.name)
                except ObjectsUnavailable:
                    return
