"""A feed on a real node: follow, post, hear of it, read it; edit, delete, block."""

from collections.abc import Iterator
from typing import Any

import pytest

from greenroom.actors.social.names import ms_of
from greenroom.actors.social.post.trends import hour_of
from tests.e2e.event_stream import EventStream, Following
from tests.e2e.server import Server, wait_until


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    one = Server(GREENROOM_ENTITIES="greenroom.social", GREENROOM_WORK="social:4")
    one.start()
    yield one
    print(one.log()[-3_000:])  # pytest shows it when a test has failed
    one.remove()


def posts(server: Server, user: str = "ann", command: str = "read", **fields: Any) -> list[Any]:
    fields = {"order": "newest", **fields} if command == "read" else fields
    found: list[Any] = server.command(f"feed:{user}", command, fields, user=user)["posts"]
    return found


def texts(server: Server, user: str = "ann", command: str = "read", **fields: Any) -> list[str]:
    return [one["text"] for one in posts(server, user, command, **fields)]


def heard(stream: EventStream, name: str) -> list[Any]:
    data = [event.data["data"] for event in stream.events if event.name == "message"]
    return [one for one in data if one["type"] == name]


def test_ann_follows_bob_and_sees_what_he_posts_until_he_blocks_her(server: Server) -> None:
    posts(server)  # she has been there, so posts are written to her
    server.command("follows:ann", "follow", {"user": "bob"})
    wait_until(lambda: server.request("GET", "/api/feed/ann").body["view"]["follows"] == 1, "her feed to know of it")
    stream = EventStream(server, "feed:ann", user="ann")
    with Following(stream):
        wait_until(lambda: stream.views == 1, "the view")
        first = server.command("feed:bob", "post", {"text": "hello #world"}, user="bob")["id"]
        wait_until(lambda: heard(stream, "feed.new") == [{"type": "feed.new", "count": 1}], "her page to hear of it")
        assert texts(server) == ["hello #world"]
        server.command("feed:ann", "show", {"top": first})
        second = server.command("feed:bob", "post", {"text": "and more"}, user="bob")["id"]
        wait_until(lambda: bool(heard(stream, "feed.top")), "it to be put on top")
        assert [one["id"] for one in heard(stream, "feed.top")[0]["posts"]] == [second]
    wait_until(lambda: texts(server, command="tagged", tag="world") == ["hello #world"], "the tag")
    wait_until(lambda: len(texts(server, command="search", words="more")) == 1, "the words")

    server.command(f"post:{first}", "react", user="ann")
    wait_until(lambda: posts(server)[1].get("mine") == "like", "her like to be a row")
    assert posts(server)[1]["reactions"] == {"like": 1}
    server.command(f"post:{first}", "edit", {"text": "hello again"}, user="bob")
    assert texts(server) == ["and more", "hello again"], "as it is now, with no page written anew"
    server.command(f"post:{second}", "delete", user="bob")
    assert texts(server) == ["hello again"]
    server.command("follows:bob", "block", {"user": "ann"}, user="bob")
    wait_until(lambda: texts(server) == [], "the block")
    assert texts(server, command="of", author="bob") == []
    answer = server.request("POST", "/api/feed/ann/see", {"id": first})
    assert (answer.status, answer.body["error"]["name"]) == (404, "feed.no_such_post")


def test_what_was_posted_is_read_after_a_crash(server: Server) -> None:
    for user in ("cyd", "dan"):
        posts(server, user)
    server.command("follows:cyd", "follow", {"user": "dan"}, user="cyd")
    wait_until(lambda: server.request("GET", "/api/feed/cyd", user="cyd").body["view"]["follows"] == 1, "her feed")
    ids = [server.command("feed:dan", "post", {"text": f"no {number}"}, user="dan")["id"] for number in range(3)]
    server.restart(kill=True)
    wait_until(lambda: texts(server, "cyd") == ["no 2", "no 1", "no 0"], "all of it to be there")
    page = server.command("feed:cyd", "read", {"order": "newest", "limit": 2}, user="cyd")
    server.restart(kill=True)
    answer = server.request("POST", "/api/feed/cyd/read", {"cursor": page["next"]}, user="cyd")
    assert (answer.status, answer.body["error"]["name"]) == (410, "feed.cursor_expired"), "in memory, and gone"
    stories = server.command("feed:dan", "post", {"text": "today", "is_story": True}, user="dan")["id"]
    wait_until(lambda: bool(server.command("feed:cyd", "stories", user="cyd")["rings"]), "the ring")
    (ring,) = server.command("feed:cyd", "stories", user="cyd")["rings"]
    assert ([one["id"] for one in ring["stories"]], ring["unseen"]) == ([stories], 1)
    wait_until(lambda: [one["id"] for one in posts(server, "cyd")] == ids[::-1], "all of it, once more")


def test_what_many_post_about_comes_up_for_who_follows_nobody(server: Server) -> None:
    """The only ranked read here: a node looks once a minute."""
    users = [f"t{number}" for number in range(5)]
    made = [server.command(f"feed:{user}", "post", {"text": "a cup of #oolong"}, user=user)["id"] for user in users]
    staff = {"Authorization": f"Bearer {server.token('root', roles=['service'])}"}

    def counted() -> int:
        hours = {hour_of(ms_of(post)) for post in made}
        pages = [server.request("GET", f"/api/trends/{hour}", user=None, headers=staff).body["rows"] for hour in hours]
        return sum(row["authors"] for rows in pages for row in rows if row["tag"] == "oolong")

    wait_until(lambda: counted() == len(users), "the tag to be counted")
    wait_until(lambda: len(posts(server, "zed", "tagged", tag="oolong")) == len(users), "all posts under it")
    page = server.command("feed:zed", "read", user="zed")
    assert {one["id"]: one["reason"] for one in page["posts"]} == dict.fromkeys(made, "trending")


def test_nobody_reads_anothers_feed_nor_what_feeds_are_made_of(server: Server) -> None:
    assert server.request("POST", "/api/feed/ann/read", {}, user="bob").status == 403
    assert server.request("GET", "/api/feed/ann", user="bob").status == 403
    for view in ("arrivals/ann", "readers/ann", "unwritten/bob", "posts/x", "wall/bob", "said/all", "trends/1"):
        assert server.request("GET", f"/api/{view}", user="ann").status == 403, view
