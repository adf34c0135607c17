"""A file on its way to whoever may see it: who that is, and the headers that it goes with."""

from collections.abc import Mapping
from urllib.parse import quote

from msgspec import Struct

from greenroom.actors.media.messages import Find, Found
from greenroom.actors.media.names import ORIGINAL
from greenroom.actors.model.principal import SYSTEM, Principal
from greenroom.transports.media.links import Links
from greenroom.transports.media.ranges import Wanted, wanted
from greenroom.transports.media.tus import Headers
from greenroom.transports.media.uploading import Asking

PUBLIC_S = 60  # that caches may show a file which is public no more, or deleted
LINKED_S = 3_600


class Served(Struct, frozen=True):
    """What is answered."""

    object: str
    range: Wanted
    headers: Headers


class Serving:
    """Files of media."""

    def __init__(self, ask: Asking, links: Links | None) -> None:
        self._ask = ask
        self._links = links

    async def find(self, media: str, name: str, query: Mapping[str, str], principal: Principal, now: float) -> "Shown":
        """Raises: ActorError."""
        entity, message = f"media:{media}", Find(name=name)
        if self._links is not None and "signature" in query:
            left_s = self._links.check(
                media, name, expires=query.get("expires", ""), signature=query["signature"], now=now
            )
            found = await self._ask(entity, message, principal=SYSTEM)
            return Shown(found, f"private, max-age={min(left_s, LINKED_S)}")
        found = await self._ask(entity, message, principal=principal)
        return Shown(found, f"public, max-age={PUBLIC_S}" if found.is_public else "private, no-cache")


class Shown(Struct, frozen=True):
    """A file, and for how long whom it is kept by."""

    found: Found
    cache: str

    def served(self, headers: Mapping[bytes, bytes]) -> Served:
        """For a request with these headers."""
        file = self.found.rendition
        etag = f'"{file.digest[:32]}"'.encode()
        range_ = wanted(headers, size=file.size, etag=etag)
        said: Headers = [(b"ETag", etag), (b"Cache-Control", self.cache.encode()), (b"Accept-Ranges", b"bytes")]
        if range_.status == 416:
            said.append((b"Content-Range", b"bytes */%d" % file.size))
        elif range_.status != 304:
            said += [
                (b"Content-Type", file.type.encode()),
                (b"Content-Length", b"%d" % range_.size),
                (b"Content-Disposition", self._disposition),
            ]
            if range_.status == 206:
                last = range_.first + range_.size - 1
                said.append((b"Content-Range", b"bytes %d-%d/%d" % (range_.first, last, file.size)))
        return Served(file.object, range_, said)

    @property
    def _disposition(self) -> bytes:
        """An original is what a stranger has sent: it is saved, and opens in no page's name."""
        if self.found.rendition.name != ORIGINAL:
            return b"inline"
        return f"attachment; filename*=UTF-8''{quote(self.found.file_name or ORIGINAL, safe='')}".encode()
