"""Each document is made once, and still says what differs from one who asks to the next."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from jinja2 import Template

from greenroom.actors.model.kinds import Kind, Kinds
from greenroom.transports.pages import Bounds, PagesContext
from greenroom.transports.pages.documents import Documents
from tests.transports.pages.counter import Counter
from tests.transports.world import no_metrics


class Looked(Kinds):
    """Counts how often somebody went through it."""

    looks = 0

    def __iter__(self) -> Iterator[Kind]:
        self.looks += 1
        return super().__iter__()


async def ready() -> tuple[bool, Mapping[str, Any]]:
    return True, {}


def documents(kinds: Kinds) -> Documents:
    context = PagesContext(
        env="local",
        version="1.2.3",
        kinds=kinds,
        bounds=Bounds(deadline_max_s=60.0, history_max=300),
        health=dict,
        ready=ready,
        scrape=no_metrics,
        prefix="/chat",
    )
    return Documents(context, Template("{{ version }} {{ chapters[0].name }}"))


def test_each_is_made_once_and_none_before_it_is_asked_for() -> None:
    kinds = Looked([Counter])
    found = documents(kinds)
    assert kinds.looks == 0
    first = (found.page, found.openapi, found.asyncapi("a"))
    assert first[0] == b"1.2.3 counter"
    looks = kinds.looks
    assert (found.page, found.openapi, found.asyncapi("a")) == first and kinds.looks == looks


def test_asyncapi_names_the_host_that_was_asked_for() -> None:
    found = documents(Kinds([Counter]))
    for host in ("chat.example.org:8443", "localhost:8000"):
        document = json.loads(found.asyncapi(host))
        server = {"host": host, "pathname": "/chat/connection/websocket", "protocol": "ws"}
        assert document["servers"] == {"here": server} and "counter" in document["channels"]
