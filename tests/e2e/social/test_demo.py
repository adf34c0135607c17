"""All of `greenroom.social` on a real server: filled by the demo, and moderated."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from greenroom.supervisors.cli.demo.world import Demo
from tests.e2e.server import Answer, Server, wait_until

USERS, SEED = 12, 3


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    one = Server(GREENROOM_ENTITIES="greenroom.social", GREENROOM_WORK="social:2")
    one.start()
    yield one
    one.remove()


@pytest.fixture(scope="module")
def said(server: Server) -> str:
    return server.greenroom("demo", "social", "--users", str(USERS), "--seed", str(SEED), "--server", server.url)


def rows(server: Server, path: str, **headers: str) -> list[dict[str, Any]]:
    answer = server.request("GET", f"/api/{path}", user=None, headers=headers)
    assert answer.status == 200, answer
    return list(answer.body["rows"])


def staff(server: Server, role: str = "moderator") -> dict[str, str]:
    return {"Authorization": f"Bearer {server.token('mod', roles=[role])}"}


def moderate(server: Server, entity: str, command: str, fields: Any = None) -> Any:
    return server.command(entity, command, fields, user=None, headers=staff(server))


def post(server: Server, text: str, user: str = "ann") -> Answer:
    return server.request("POST", f"/api/feed/{user}/post", {"text": text}, user=user)


def sees(server: Server, post: str, user: str) -> bool:
    answer = server.request("POST", f"/api/feed/{user}/see", {"id": post}, user=user)
    assert answer.status in (200, 404), answer
    return answer.status == 200


def test_a_world_is_made_as_it_was_planned(server: Server, said: str) -> None:
    world = Demo(USERS, SEED)
    posts = len(world.acts("posts")) + len(world.acts("shares"))
    assert said.startswith(f"{USERS} people, {len(world.acts('follows'))} follows, {posts} posts, "), said
    user, followers = world.most_followed()[0]
    assert f"{user} ({followers})" in said
    authors = server.request("GET", f"/api/authors/{user}", user=user).body["rows"]
    assert authors[0]["followers"] == followers
    some = next(one for one in world.people if one.name and not one.name.isascii())
    assert server.request("GET", f"/api/profile/{some.user}", user="ann").body["view"]["name"] == some.name


def test_once_more_it_changes_nothing(server: Server, said: str) -> None:
    world = Demo(USERS, SEED)
    public = [one for one in world.acts("posts") if one.fields["visibility"] == "public" and not one.fields["is_story"]]
    planned = (len(public) + len(world.acts("shares")), len(world.acts("reactions")))

    def counted() -> tuple[int, int]:
        walls = [
            server.request("POST", "/api/feed/ann/of", {"author": one.user, "limit": 100}, user="ann")
            for one in world.people
        ]
        posts = [one for wall in walls for one in wall.body["posts"]]
        return len(posts), sum(sum(one.get("reactions", {}).values()) for one in posts)

    wait_until(lambda: counted() == planned, "all of it on the walls")
    again = server.greenroom("demo", "social", "--users", str(USERS), "--seed", str(SEED), "--server", server.url)
    without_time = re.compile(r" in \d+ s")
    assert without_time.sub("", again) == without_time.sub("", said)
    assert counted() == planned


def test_a_rule_holds_from_the_next_post_on(server: Server) -> None:
    rules = {
        "pills": {"verdict": "refuse", "words": "cheap pills"},
        "casino": {"verdict": "hide", "domain": "casino.example"},
    }
    moderate(server, "rules:all", "put", {"rules": rules})
    assert post(server, "chеap p1lls!").status == 422
    hidden = post(server, "come to www.casino.example").body["id"]
    wait_until(lambda: sees(server, hidden, "ann"), "its author to see it")
    assert not sees(server, hidden, "bob")
    wait_until(lambda: bool(rows(server, "cases/pending", **staff(server))), "the queue")
    queue = rows(server, "cases/pending", **staff(server))
    assert [(row["case"], row["rule"]) for row in queue] == [(hidden, "casino")]
    moderate(server, f"case:{hidden}", "restore", {"why": "an advert for a museum"})
    wait_until(lambda: sees(server, hidden, "bob"), "others to see it")
    history = server.request("GET", f"/api/case/{hidden}/history", user=None, headers=staff(server)).body
    moved = history["publications"][-1]["data"]
    assert (moved["type"], moved["by"], moved["why"]) == ("case.moved", "mod", "an advert for a museum")


def test_reports_hide_a_post_until_a_moderator_has_looked(server: Server) -> None:
    made = post(server, "a joke").body["id"]
    wait_until(lambda: sees(server, made, "bob"), "the post")
    for user in "bcdef":
        server.command(f"case:{made}", "report", {"reason": "spam"}, user=user)
    wait_until(lambda: not sees(server, made, "bob"), "the post to be hidden")
    assert server.request("GET", f"/api/case/{made}", user="ann").status == 403
    assert server.request("GET", "/api/cases/pending", user="ann").status == 403
    wait_until(lambda: made in [row["case"] for row in rows(server, "cases/pending", **staff(server))], "the queue")
    assert moderate(server, f"case:{made}", "look")["text"] == "a joke"
    moderate(server, f"case:{made}", "dismiss")
    wait_until(lambda: sees(server, made, "bob"), "the post to be shown again")


def test_a_comment_has_a_case_of_its_own(server: Server) -> None:
    moderate(server, "rules:all", "put", {"rules": {"luck": {"verdict": "hide", "words": "bad luck"}}})
    made = post(server, "what do you think?").body["id"]
    wait_until(lambda: sees(server, made, "bob"), "the post")

    def texts(user: str) -> list[str]:
        page = server.command(f"thread:{made}", "read", {}, user=user)
        return [comment["text"] for comment in page["comments"]]

    said = server.command(f"thread:{made}", "comment", {"text": "just b a d luck"}, user="bob")
    wait_until(lambda: texts("bob") != [], "its author to see it")
    assert texts("cy") == []
    case = f"{made}.{said['offset']}"
    wait_until(lambda: case in [row["case"] for row in rows(server, "cases/pending", **staff(server))], "the queue")
    assert moderate(server, f"case:{case}", "look")["author"] == "bob"
    moderate(server, f"case:{case}", "dismiss")
    wait_until(lambda: texts("cy") != [], "others to see it")


def test_a_shadowed_author_alone_sees_what_they_post(server: Server) -> None:
    moderate(server, "rules:all", "shadow", {"user": "eve", "seconds": 600, "why": "spam"})
    made = post(server, "hello", "eve").body["id"]
    wait_until(lambda: sees(server, made, "eve"), "its author to see it")
    assert not sees(server, made, "bob")
