"""Views of two nodes behind one port, as clients see them: whoever folds, owns a page and serves may be three."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.event_stream import Event, EventStream, Following
from tests.e2e.sdk import connected, run, until, watching
from tests.e2e.server import Server, wait_until

SHOWS = [f"e2e-{number}" for number in range(6)]


@pytest.fixture(scope="module")
def views_server() -> Iterator[Server]:
    server = Server(options=("--nodes", "2"), GREENROOM_ENTITIES="tests.actors.views.boards")
    server.start()
    yield server
    print(server.log()[-20_000:])
    server.remove()


def page_of(show: str, rows: list[dict[str, Any]], said: list[Any]) -> dict[str, int]:
    """What a client has that was given these rows, and then told this."""
    page = {row["user"]: row["claps"] for row in rows}
    for one in said:
        if "gone" in one:
            del page[one["gone"]["user"]]
        else:
            assert one["set"]["show"] == show
            page[one["set"]["user"]] = one["set"]["claps"]
    return page


def streamed(channel: str, events: list[Event]) -> dict[str, int]:
    mine = [event for event in events if event.data["channel"] == channel]
    last = max((number for number, event in enumerate(mine) if event.name == "view"), default=None)
    if last is None:
        return {}
    rows = mine[last].data["data"]["rows"]
    return page_of(channel.partition(":")[2], rows, [event.data["data"] for event in mine[last + 1 :]])


def test_pages_follow_over_server_sent_events_and_resume(views_server: Server) -> None:
    channels = [f"board:{show}" for show in SHOWS]
    with Following(EventStream(views_server, *channels)) as stream:
        wait_until(lambda: stream.views == len(channels), "the pages")
        for number, user in enumerate(("ann", "bob", "eve", "joe"), 1):
            for show in SHOWS:
                views_server.command(f"show:{show}", "clap", {"user": user, "times": number})
        wanted = {"joe": 4, "eve": 3, "bob": 2}
        wait_until(lambda: all(streamed(one, stream.events) == wanted for one in channels), "all rows")
    for show in SHOWS:
        views_server.command(f"show:{show}", "leave", {"user": "joe"})
    with Following(EventStream(views_server, *channels, last_id=stream.last_id)) as resumed:
        wanted = {"eve": 3, "bob": 2, "ann": 1}
        wait_until(
            lambda: all(streamed(one, [*stream.events, *resumed.events]) == wanted for one in channels),
            "what was missed, or the page again from a node that has watched it for nobody",
        )


def test_pages_follow_over_the_client_protocol(views_server: Server) -> None:
    async def scenario() -> None:
        async with connected(views_server, "zoe") as client:
            for number in range(4):  # whichever node has it
                show = f"sdk-{number}"
                _, watch = await watching(client, f"board:{show}", recoverable=True)
                rows = watch.subscribed[0].data["rows"]

                def page(show: str = show, rows: Any = rows, watch: Any = watch) -> dict[str, int]:
                    return page_of(show, rows, [one.data for one in watch.publications])

                for times in (1, 5):
                    await client.rpc(f"show:{show}/clap", {"user": "ann", "times": times})
                await until(lambda page=page: page() == {"ann": 6}, "both claps")  # type: ignore[misc]
                await client.rpc(f"show:{show}/leave", {"user": "ann"})
                await until(lambda page=page: page() == {}, "the row to go")  # type: ignore[misc]
                assert watch.offsets == list(range(watch.offsets[0], watch.offsets[0] + len(watch.offsets)))

    run(scenario)


def test_rows_are_read_from_any_node(views_server: Server) -> None:
    reply = views_server.command("show:read", "clap", {"user": "ann", "times": 2})
    for _ in range(6):
        answer = views_server.request("GET", f"/api/board/read?at=show:read@{reply}")
        assert answer.status == 200
        assert answer.body["rows"] == [{"show": "read", "user": "ann", "claps": 2}]
        assert answer.headers["etag"].startswith('W/"')
    closed = views_server.request("GET", "/api/closed/all")
    assert (closed.status, closed.body["error"]["name"]) == (403, "view.closed")
    paths = views_server.request("GET", "/docs/openapi.json").body["paths"]
    assert {"/api/board/{key}", "/api/notes/{key}"} <= set(paths)


def test_a_server_that_was_killed_goes_on_where_its_views_stood(views_server: Server) -> None:
    with Following(EventStream(views_server, "board:killed")) as stream:
        wait_until(lambda: stream.views == 1, "the page")
        views_server.command("show:killed", "clap", {"user": "ann", "times": 1})
        wait_until(lambda: streamed("board:killed", stream.events) == {"ann": 1}, "the first")
        views_server.restart(kill=True)
        views_server.command("show:killed", "clap", {"user": "bob", "times": 1})
        wait_until(lambda: streamed("board:killed", stream.events) == {"ann": 1, "bob": 1}, "both", within_s=60)
