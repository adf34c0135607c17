"""People on a real server, over HTTP: edges, their rows, and what happens though it is killed in between."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.e2e.server import Server, wait_until

MODULES = (
    "greenroom.actors.social.follows.actor:Follows",
    "greenroom.actors.social.follows.views",
    "greenroom.actors.social.follows.recount",
    "greenroom.actors.social.profile.actor:Profile",
    "greenroom.actors.social.profile.views",
    "tests.actors.social.follows.neighbours",
)


@pytest.fixture(scope="module")
def people() -> Iterator[Server]:
    server = Server(
        GREENROOM_ENTITIES=",".join(MODULES), GREENROOM_WORK="social:2", GREENROOM_BUILT_IN_VIEWS="conversations"
    )
    server.start()
    yield server
    print(server.log()[-20_000:])
    server.remove()


def say(server: Server, by: str, what: str, **fields: Any) -> Any:
    return server.command(f"follows:{by}", what, fields, user=by)


def counts(server: Server, user: str) -> tuple[int, int]:
    """Followers and followed, as everybody sees them."""
    answer = server.request("GET", f"/api/authors/{user}", user=None, headers={"X-Greenroom-User": "zoe"})
    assert answer.status == 200, answer
    rows = answer.body["rows"]
    return (rows[0]["followers"], rows[0]["following"]) if rows else (0, 0)


def listed(server: Server, user: str, which: str, by: str) -> list[str]:
    users: list[str] = server.command(f"follows:{user}", "list", {"which": which}, user=by)["users"]
    return users


def feed(server: Server, user: str) -> list[str]:
    follows: list[str] = server.request("GET", f"/api/feed/{user}").body["view"]["follows"]
    return follows


def recounted(server: Server, author: str) -> Any:
    """By a job."""
    staff = {"Authorization": f"Bearer {server.token('staff', roles=['admin'])}"}

    def command(entity: str, name: str, fields: Any) -> Any:
        return server.command(entity, name, fields, user=None, headers=staff)

    job = {"job": "job.recount_followers", "arguments": {"author": author}}
    id_ = command("queue:social", "add", job)["id"]

    def look() -> Any:
        return server.request("GET", f"/api/job/{id_}", user=None, headers=staff).body["view"]

    wait_until(lambda: look()["state"] == "completed", "the recount")
    return look()["result"]


def test_edges_counts_lists_and_suggestions(people: Server) -> None:
    for user, author in (
        ("ann", "bob"),
        ("ann", "cat"),
        ("bob", "cat"),
        ("bob", "dan"),
        ("cat", "dan"),
        ("dan", "ann"),
    ):
        say(people, user, "follow", user=author)
    wait_until(lambda: counts(people, "dan") == (2, 1) and counts(people, "ann") == (1, 2), "all edges")
    wait_until(lambda: listed(people, "dan", "followers", "zoe") == ["bob", "cat"], "the rows")
    assert listed(people, "ann", "following", "zoe") == ["cat", "bob"]
    assert feed(people, "ann") == ["bob", "cat"]

    def followed_by_those(user: str) -> set[str]:
        return set(listed(people, user, "following", "zoe"))

    # Before it is asked for: an answer is good for a minute.
    wait_until(lambda: followed_by_those("bob") == {"cat", "dan"}, "the rows of whom bob follows")
    wait_until(lambda: followed_by_those("cat") == {"dan"}, "the rows of whom cat follows")

    def suggested() -> list[Any]:
        found = say(people, "ann", "suggest")["users"]
        return [(one["user"], one["followed_by"], sorted(one["some"])) for one in found[:1]]

    wait_until(lambda: suggested() == [("dan", 2, ["bob", "cat"])], "the rows of whom they follow")
    wait_until(lambda: say(people, "ann", "relate", user="dan")["follows_back"] is True, "the row of who follows back")
    assert say(people, "ann", "relate", user="dan")["standing"] == "none"
    for path in ("/api/followers/dan", "/api/following/dan", "/api/follows/ann"):
        assert people.request("GET", path, user="dan").status == 403


def test_nobody_follows_themself_or_what_is_no_user(people: Server) -> None:
    for user, status, name in (("ann", 409, "follows.oneself"), ("system", 422, "invalid"), ("", 422, "invalid")):
        answer = people.request("POST", "/api/follows/ann/follow", {"user": user}, user="ann")
        assert (answer.status, answer.body["error"]["name"]) == (status, name), answer


def test_a_block_holds_and_lists_are_closed_to_who_is_blocked(people: Server) -> None:
    say(people, "eve", "follow", user="fay")
    wait_until(lambda: feed(people, "eve") == ["fay"], "the edge")
    say(people, "fay", "block", user="eve")
    wait_until(lambda: counts(people, "fay") == (0, 0) and feed(people, "eve") == [], "its end")
    answer = people.request("POST", "/api/follows/fay/list", {"which": "followers"}, user="eve")
    assert (answer.status, answer.body["error"]["name"]) == (403, "follows.closed"), answer


def test_a_block_holds_in_the_conversation_of_the_two_whether_or_not_there_is_one(people: Server) -> None:
    def send(by: str, to: str) -> Any:
        answer = people.request("POST", f"/api/room/@{'%2B'.join(sorted((by, to)))}/send", {"text": "hi"}, user=by)
        return answer.body["error"]["name"] if "error" in answer.body else answer.status

    def is_blocked(user: str) -> bool:
        return bool(send("uma", user) == "room.blocked")

    assert send("uma", "vic") == 200
    for user in ("vic", "wim"):
        say(people, "uma", "block", user=user)
        wait_until(partial(is_blocked, user), "the block")
        assert send(user, "uma") == "room.blocked"

    def conversations(user: str) -> list[str]:
        return [row["room"] for row in people.request("GET", f"/api/conversations/{user}", user=user).body["rows"]]

    assert conversations("wim") == [] and conversations("vic") == ["@uma+vic"]
    say(people, "uma", "unblock", user="wim")
    wait_until(lambda: send("wim", "uma") == 200, "its end")
    wait_until(lambda: conversations("wim") == ["@uma+wim"], "their conversation")


def test_counts_are_exact_though_the_server_is_killed_meanwhile(people: Server) -> None:
    fans = [f"fan-{number}" for number in range(30)]
    for number, fan in enumerate(fans):
        say(people, fan, "follow", user="star")
        if number % 3 == 0:
            say(people, fan, "unfollow", user="star")
        if number % 6 == 0:
            say(people, fan, "follow", user="star")
        if number == 20:
            people.restart(kill=True)
    stay = {fan for number, fan in enumerate(fans) if number % 3 or number % 6 == 0}
    wait_until(lambda: counts(people, "star")[0] == len(stay), "the count")
    wait_until(lambda: set(listed(people, "star", "followers", "zoe")) == stay, "the rows")
    assert all(feed(people, fan) == (["star"] if fan in stay else []) for fan in fans)
    assert recounted(people, "star") == {"followers": len(stay), "edges": len(stay), "moved": False}


def test_people_are_found_by_what_they_say_of_themselves(people: Server) -> None:
    people.command("profile:ann", "set", {"name": "Ann Áron", "bio": "I grow tomatoes"}, user="ann")
    assert people.request("GET", "/api/profiles/ann", user="bob").body["rows"][0]["name"] == "Ann Áron"

    def found(words: str) -> list[str]:
        answer = people.request("GET", f"/api/people/all?search={words}", user="bob")
        assert answer.status == 200, answer
        return [row["user"] for row in answer.body["rows"]]

    wait_until(lambda: found("tomatoes") == ["ann"], "the row")
    assert found("potatoes") == []
    answer = people.request("POST", "/api/profile/ann/set", {"name": "раураӏ"}, user="ann")
    assert (answer.status, answer.body["error"]["name"]) == (422, "profile.look_alike"), answer
