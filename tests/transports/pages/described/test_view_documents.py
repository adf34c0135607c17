"""Views in the documents of the API."""

from typing import Any

from greenroom import View
from greenroom.actors.chat.room import Room
from greenroom.actors.chat.views import Conversations, Messages
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.views.installed import Views
from greenroom.actors.views.page_actor import page_kind
from greenroom.transports.pages import Bounds
from greenroom.transports.pages.asyncapi import asyncapi
from greenroom.transports.pages.chapters import chapters
from greenroom.transports.pages.openapi import openapi
from tests.actors.views.boards import ALL_VIEWS, Board, Show
from tests.actors.views.memory_board import MemoryBoard
from tests.transports.pages.counter import resolve

BOUNDS = Bounds(deadline_max_s=60.0, history_max=300)


def kinds_and_views() -> tuple[Kinds, Views]:
    """As a node has them: with the pages among its kinds."""
    kinds = Kinds((Show,))
    views = Views(kinds, ALL_VIEWS)
    kinds.install(page_kind(Board, MemoryBoard()))
    return kinds, views


def test_openapi_says_what_rows_are_and_how_they_are_asked_for() -> None:
    kinds, views = kinds_and_views()
    document: Any = openapi(kinds, BOUNDS, version="1", views=views)
    board = document["paths"]["/api/board/{key}"]
    assert set(board) == {"parameters", "get"}
    assert [one["name"] for one in board["get"]["parameters"]] == [
        "limit", "after", "before", "at", "stale", "user", "X-Request-Timeout",
    ]  # fmt: skip
    page = board["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    row = resolve(document, page["properties"]["rows"]["items"])
    assert set(row["properties"]) == {"show", "user", "claps"}
    notes = [one["name"] for one in document["paths"]["/api/notes/{key}"]["get"]["parameters"]]
    assert {"search", "number", "team", "open"} <= set(notes)
    assert not {"room", "title", "weight"} & set(notes)
    (key,) = document["paths"]["/api/everybody/{key}"]["parameters"]
    assert key["schema"] == {"const": "all"}
    assert "/api/board/{key}/history" not in document["paths"]
    assert [tag["name"] for tag in document["tags"]] == ["show", "board", "notes", "everybody", "closed"]
    assert document["tags"][1]["description"] == "The claps of each show's users, the most first."


def test_rows_of_several_views_are_told_apart() -> None:
    kinds, views = kinds_and_views()
    document: Any = openapi(kinds, BOUNDS, version="1", views=views)
    assert {"board.Row", "notes.Row", "everybody.Row"} <= set(document["components"]["schemas"])


def test_asyncapi_has_the_channels_of_views_that_can_be_watched() -> None:
    kinds, views = kinds_and_views()
    document: Any = asyncapi(kinds, version="1", views=views)
    assert set(document["channels"]) == {"show", "board", "notes", "closed"}
    assert document["channels"]["board"]["address"] == "board:{key}"
    messages = document["components"]["messages"]
    row = resolve(document, messages["board.set"]["payload"]["properties"]["set"])
    assert set(row["properties"]) == {"show", "user", "claps"}
    assert messages["board.gone"]["payload"]["properties"]["gone"]["required"] == ["show", "user"]
    assert document["operations"]["board.watch"]["action"] == "send"


def test_people_read_of_kinds_that_say_something_of_their_own() -> None:
    kinds, _ = kinds_and_views()
    assert [chapter.name for chapter in chapters(kinds)] == ["show"]


def test_openapi_has_the_search_across_pages_of_views_that_are_there() -> None:
    def paths(*views: type[View]) -> Any:
        kinds = Kinds([Room])
        return openapi(kinds, BOUNDS, version="1", views=Views(kinds, views))["paths"]

    get = paths(Conversations, Messages)["/api/conversations/{key}/messages"]["get"]
    assert get["operationId"] == "conversations.messages"
    required = {one.get("name", ""): one.get("required") for one in get["parameters"]}
    assert required["search"] and not required["room"] and not required["limit"]
    assert "/api/conversations/{key}/messages" not in paths(Messages)
