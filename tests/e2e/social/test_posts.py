"""Posts, their reactions and threads on a real server: what is told arrives, rows follow, a kill takes nothing."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from greenroom.actors.social.post.views import reacted_key
from tests.e2e.server import Answer, Server, wait_until


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    one = Server(GREENROOM_ENTITIES="greenroom.social", GREENROOM_WORK="social:1")
    one.start()
    yield one
    print(one.log()[-20_000:])
    one.remove()


def post(server: Server, text: str, user: str = "ann", **fields: Any) -> str:
    """Once it is a row."""
    made = str(server.command(f"feed:{user}", "post", {"text": text, **fields}, user=user)["id"])
    wait_until(lambda: bool(rows(server, f"posts/{made}")), "the post to be published")
    return made


def rows(server: Server, page: str) -> list[dict[str, Any]]:
    """As staff sees them."""
    headers = {"Authorization": f"Bearer {server.token('root', roles=['service'])}"}
    answer = server.request("GET", f"/api/{page}", user=None, headers=headers)
    assert answer.status == 200, answer
    found: list[dict[str, Any]] = answer.body["rows"]
    return found


def has(server: Server, page: str, post: str) -> bool:
    return any(post in row.values() for row in rows(server, page))


def has_none(server: Server, page: str, post: str) -> bool:
    return not has(server, page, post)


def told(server: Server, user: str, post: str) -> set[tuple[str, str]]:
    """Of what somebody is told of a post: the kind, and the newest of who did it."""
    found = [row for row in rows(server, f"notices/{user}") if post in row["about"]]
    return {(row["kind"], name) for row in found for name in row["names"]}


def refused(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.body["error"]["name"]


def test_a_post_from_its_first_like_until_it_is_gone(server: Server) -> None:
    made = post(server, "Tea with @dan, #tea")
    assert server.command(f"post:{made}", "react", user="bob") == {"reactions": {"like": 1}, "mine": "like"}
    assert rows(server, f"posts/{made}")[0]["reactions"] == {"like": 1}, "an inline view has it at once"
    said = server.command(f"thread:{made}", "comment", {"text": "I too @cat"}, user="bob")
    wait_until(lambda: rows(server, f"posts/{made}")[0]["comments"] == 1, "the comment to be counted")
    for page in ("wall/ann", "tagged/tea", "said/all?search=tea"):
        wait_until(partial(has, server, page, made), page)
    wait_until(lambda: ("mention", "ann") in told(server, "dan", made), "dan to hear that he is mentioned")
    wait_until(lambda: ("mention", "bob") in told(server, "cat", made), "cat to hear that she is mentioned")
    wait_until(lambda: {("like", "bob"), ("comment", "bob")} <= told(server, "ann", made), "ann to hear")
    page = server.command(f"thread:{made}", "read", user="cat")
    assert [one["offset"] for one in page["comments"]] == [said["offset"]]

    server.command(f"post:{made}", "delete", user="ann")
    assert rows(server, f"posts/{made}") == []
    for page in ("wall/ann", "tagged/tea", "said/all?search=tea", f"comments/{made}"):
        wait_until(partial(has_none, server, page, made), page)
    assert refused(server.request("POST", f"/api/post/{made}/react", {}, user="ann")) == (410, "post.gone")
    assert refused(server.request("POST", f"/api/post/{made}/react", {}, user="bob")) == (404, "post.not_found")
    wait_until(lambda: not told(server, "dan", made), "dan's notice to be withdrawn")


def test_who_is_barred_finds_no_post_from_then_on(server: Server) -> None:
    made = post(server, "hello")
    server.command(f"post:{made}", "react", user="eve")
    server.command("follows:ann", "block", {"user": "eve"}, user="ann")

    def is_refused() -> bool:
        answer = server.request("POST", f"/api/post/{made}/react", {"reaction": "love"}, user="eve")
        return answer.status == 404 and refused(answer)[1] == "post.not_found"

    wait_until(is_refused, "the block to hold", within_s=10.0)
    assert server.request("POST", f"/api/thread/{made}/comment", {"text": "hi"}, user="eve").status == 404
    server.command("follows:ann", "unblock", {"user": "eve"}, user="ann")


def test_what_was_liked_and_said_outlives_a_kill(server: Server) -> None:
    made, other = post(server, "one"), post(server, "two", user="bob")
    for user in ("bob", "cat", "dan"):
        server.command(f"post:{made}", "react", user=user)
    server.command("feed:bob", "post", {"text": "look", "share_of": made}, user="bob")
    server.command(f"thread:{other}", "comment", {"text": "hm"}, user="cat")
    server.restart(kill=True)
    wait_until(lambda: rows(server, f"posts/{made}")[0]["shares"] == 1, "the share to be counted")
    wait_until(lambda: rows(server, f"posts/{other}")[0]["comments"] == 1, "the comment to be counted")
    assert server.command(f"post:{made}", "unreact", user="dan") == {"reactions": {"like": 2}, "mine": ""}
    page = f"reacted/{reacted_key(made, 'bob')}"
    wait_until(lambda: [row["reaction"] for row in rows(server, page)] == ["like"], "what bob has said to be a row")
    headers = {"Authorization": f"Bearer {server.token('root', roles=['service'])}"}
    counted = server.request("POST", f"/api/post/{made}/recount", {}, user=None, headers=headers)
    assert counted.body == {"shown": {"like": 2}, "counted": {"like": 2}, "drift": 0}


def test_rows_of_notices_as_of_the_channel_have_nothing_of_what_was_taken_back(server: Server) -> None:
    """Both comments are bob's: what says who, how many and when is the same with one of them."""
    made = post(server, "hello", user="ida")
    command = partial(server.command, f"thread:{made}", user="bob")
    command("comment", {"text": "the first"})
    second = command("comment", {"text": "the second"})

    def group() -> dict[str, Any]:
        found: list[dict[str, Any]] = server.request("GET", "/api/inbox/ida", user="ida").body["view"]["groups"]
        return next((one for one in found if one["kind"] == "comment"), {"text": None})

    wait_until(lambda: group()["text"] == "the second", "ida to hear")
    before = group()
    command("delete", {"offset": second["offset"]})
    wait_until(lambda: group()["text"] == "", "it to be taken back")
    assert {name for name, value in group().items() if value != before[name]} == {"text"}
    offset = server.request("GET", "/api/inbox/ida", user="ida").body["offset"]
    (row,) = server.request("GET", f"/api/notices/ida?at=inbox:ida@{offset}", user="ida").body["rows"]
    assert row["text"] == "" and row["names"] == ["bob"]
