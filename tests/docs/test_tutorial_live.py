"""The entity that the tutorial builds, named in GREENROOM_ENTITIES and used as the tutorial uses it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from centrifuge import ReplyError

from tests.docs.test_tutorial import write_blocks
from tests.e2e.event_stream import EventStream, Following
from tests.e2e.sdk import connected, run, until, watching
from tests.e2e.server import Server, wait_until


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a reader stands, with `poll.py` beside them."""
    path = tmp_path_factory.mktemp("reader")
    write_blocks("writing-an-entity.md", path)
    return path


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[Server]:
    server = Server(cwd=folder, GREENROOM_ENTITIES="poll:Poll")
    try:
        server.start()
        yield server
    finally:
        print(server.log())
        server.remove()


def test_the_command_line_lists_it(running: Server) -> None:
    listed = running.greenroom("entities")
    for name in ("poll.opened", "poll.voted", "poll.closed", "vote", "choice"):
        assert name in listed


def test_commands_view_and_history_over_http(running: Server) -> None:
    opened = {"question": "Where to?", "choices": ["noodles", "soup"]}
    assert running.command("poll:lunch", "open", opened, user="ann") == {}
    assert running.command("poll:lunch", "vote", {"choice": "soup"}, user="bob") == {}
    view = running.request("GET", "/api/poll/lunch").body
    assert view["view"] == {"question": "Where to?", "closed": False, "counts": {"soup": 1}}
    assert view["offset"] == 2
    assert [one["data"]["type"] for one in running.history("poll:lunch")] == ["poll.opened", "poll.voted"]
    wrong = running.request("POST", "/api/poll/lunch/vote", {"choice": "cake"}, user="bob")
    assert wrong.status == 404 and wrong.body["error"]["name"] == "poll.no_such_choice"
    short = running.request("POST", "/api/poll/other/open", {"question": "?", "choices": ["one"]}, user="ann")
    assert short.status == 422 and "choices" in short.body["error"]["message"]


def test_commands_and_the_channel_over_the_sdk(running: Server) -> None:
    async def scenario() -> None:
        async with connected(running, "ann") as ann, connected(running, "bob") as bob:
            _, watch = await watching(bob, "poll:dinner", recoverable=True)
            assert watch.subscribed[0].data == {"question": "", "closed": False, "counts": {}}
            await ann.rpc("poll:dinner/open", {"question": "What?", "choices": ["fish", "rice"]})
            vote = {"choice": "rice", "idempotency_key": "k"}
            for _ in range(2):
                await bob.rpc("poll:dinner/vote", vote)
            with pytest.raises(ReplyError, match=r"poll\.not_yours"):
                await bob.rpc("poll:dinner/close", {})
            await ann.rpc("poll:dinner/close", {})
            await until(lambda: len(watch.publications) == 3, "three events")
            assert [pub.data["type"] for pub in watch.publications] == ["poll.opened", "poll.voted", "poll.closed"]
            assert watch.offsets == [1, 2, 3]

    run(scenario)


def test_it_survives_sigkill(running: Server) -> None:
    running.command("poll:supper", "open", {"question": "Bread?", "choices": ["yes", "no"]}, user="ann")
    with Following(EventStream(running, "poll:supper")) as stream:
        wait_until(lambda: stream.views == 1, "the view")
        running.restart(kill=True)
        running.command("poll:supper", "vote", {"choice": "yes"}, user="bob")
        stream.until_offset(2)
    view = running.request("GET", "/api/poll/supper").body["view"]
    assert view == {"question": "Bread?", "closed": False, "counts": {"yes": 1}}
