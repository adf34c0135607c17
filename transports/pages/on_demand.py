"""The pages' app, made when somebody first asks for a page: importing Quart and what it needs takes 0.3 s of a start.

In a thread, so that commands are answered meanwhile. A server that has just started has clients waiting for it; who
asks for pages then is `/ready`, most of the time, and waits that little.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from greenroom.transports.http.handover import is_media
from greenroom.transports.http.prefix import without_prefix
from greenroom.transports.pages.context import PagesContext

if TYPE_CHECKING:
    from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGISendCallable, Scope


class PagesOnDemand:
    """An ASGI callable."""

    def __init__(self, context: PagesContext, create: "Callable[[PagesContext], ASGIFramework] | None" = None) -> None:
        self._context = context
        self._create: Callable[[PagesContext], ASGIFramework] = create or _create
        self._limiter = trio.CapacityLimiter(1)  # so that it is made once
        self._app: ASGIFramework | None = None
        self._media = context.media
        self._prefix = context.prefix.encode()

    async def __call__(self, scope: "Scope", receive: "ASGIReceiveCallable", send: "ASGISendCallable") -> None:
        if scope["type"] == "lifespan":  # Hypercorn's way to say that it starts and stops: the app has no use for it
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            return
        below = await self._below(scope, send)
        if below is None:
            return
        if self._media is not None and below["type"] == "http" and is_media(below["raw_path"]):
            await self._media(below, receive, send)  # which needs no Quart
            return
        if self._app is None:
            await trio.to_thread.run_sync(self._make, limiter=self._limiter)
        assert self._app is not None
        await self._app(below, receive, send)

    async def _below(self, scope: "Scope", send: "ASGISendCallable") -> "Scope | None":
        """`scope` with the path that the app knows; None when it was answered: the prefix alone lacks its slash, and
        what its page names would be looked for beside it."""
        if not self._prefix or scope["type"] != "http":
            return scope
        if scope["raw_path"] == self._prefix:
            location = self._prefix.rpartition(b"/")[2] + b"/"
            headers = [(b"location", location), (b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 308, "headers": headers, "trailers": False})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return None
        raw = without_prefix(scope["raw_path"], self._prefix)
        taken = len(scope["raw_path"]) - len(raw)  # of plain ASCII, so as many characters as bytes
        return {**scope, "raw_path": raw, "path": scope["path"][taken:]}

    def _make(self) -> None:
        self._app = self._app or self._create(self._context)


def _create(context: PagesContext) -> "ASGIFramework":
    from greenroom.transports.pages.app import create_pages

    return create_pages(context)
