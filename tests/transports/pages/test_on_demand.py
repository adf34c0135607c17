"""The pages' app is made by the first request, once."""

from typing import Any

import trio

from greenroom.actors.model.kinds import Kinds
from greenroom.transports.pages import Bounds, PagesContext, PagesOnDemand
from tests.transports.world import no_metrics


async def ready() -> tuple[bool, dict[str, Any]]:
    return True, {}


BOUNDS = Bounds(deadline_max_s=60.0, history_max=300)
CONTEXT = PagesContext(
    env="local", version="0", kinds=Kinds([]), bounds=BOUNDS, health=dict, ready=ready, scrape=no_metrics
)


async def test_the_app_is_made_by_the_first_request_once_and_answers_all() -> None:
    made: list[PagesContext] = []
    answered: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await trio.lowlevel.checkpoint()
        answered.append(scope["path"])

    def create(context: PagesContext) -> Any:
        made.append(context)
        return app

    pages: Any = PagesOnDemand(CONTEXT, create)
    assert made == []
    async with trio.open_nursery() as nursery:
        for path in "abc":
            nursery.start_soon(pages, {"type": "http", "path": path}, None, None)
    await pages({"type": "http", "path": "d"}, None, None)
    assert made == [CONTEXT]
    assert sorted(answered[:3]) == ["a", "b", "c"] and answered[3:] == ["d"]


async def test_start_and_stop_make_no_app() -> None:
    def create(context: PagesContext) -> Any:
        raise AssertionError

    said: list[str] = []

    async def receive() -> dict[str, str]:
        await trio.lowlevel.checkpoint()
        return {"type": "lifespan.shutdown" if said else "lifespan.startup"}

    async def send(event: dict[str, str]) -> None:
        await trio.lowlevel.checkpoint()
        said.append(event["type"])

    pages: Any = PagesOnDemand(CONTEXT, create)
    await pages({"type": "lifespan"}, receive, send)
    assert said == ["lifespan.startup.complete"]
