"""The documents of the API, each made when it is first asked for and kept: what they say is in the code.

To make one takes the event loop for some 30 ms, which whoever may read them could otherwise take again and again.
"""

from functools import cached_property

import msgspec
from jinja2 import Template

from greenroom.transports.pages.asyncapi import asyncapi, servers
from greenroom.transports.pages.chapters import chapters
from greenroom.transports.pages.context import PagesContext
from greenroom.transports.pages.message_schemas import Json
from greenroom.transports.pages.openapi import openapi

encode = msgspec.json.encode


class Documents:
    """Of one node, as bytes."""

    def __init__(self, context: PagesContext, page: Template) -> None:
        """`page` shows `chapters` and `version`."""
        self._context = context
        self._page = page

    @cached_property
    def page(self) -> bytes:
        """HTML, for people."""
        context = self._context
        return self._page.render(chapters=chapters(context.kinds), version=context.version).encode()

    @cached_property
    def openapi(self) -> bytes:
        """JSON."""
        context = self._context
        has_admin = context.desk is not None
        return encode(
            openapi(
                context.kinds,
                context.bounds,
                version=context.version,
                prefix=context.prefix,
                admin=has_admin,
                views=context.views or (),
            )
        )

    def asyncapi(self, host: str) -> bytes:
        """JSON, which names `host` with its port: as whoever asks reaches us."""
        return encode({**self._asyncapi, "servers": servers(host=host, prefix=self._context.prefix)})

    @cached_property
    def _asyncapi(self) -> Json:
        context = self._context
        return asyncapi(context.kinds, version=context.version, views=context.views or ())
