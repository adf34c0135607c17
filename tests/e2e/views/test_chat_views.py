"""The views of the chat on a real server: who may read which rows, and that they follow."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.server import Answer, Server, wait_until


@pytest.fixture(scope="module")
def views_server() -> Iterator[Server]:
    server = Server(GREENROOM_BUILT_IN_VIEWS="conversations,entities,messages,rooms")
    server.start()
    yield server
    print(server.log()[-20_000:])
    server.remove()


class Chat:
    """Two rooms, one of them closed, and a direct conversation, in all of which somebody has said `walrus`."""

    def __init__(self, server: Server, name: str) -> None:
        self.server = server
        self.open, self.closed, self.direct = f"{name}-open", f"{name}-closed", f"@{name}-ann+{name}-bob"
        self.ann, self.bob, self.eve = f"{name}-ann", f"{name}-bob", f"{name}-eve"
        self.at = ""
        server.command(f"room:{self.closed}", "join", user=self.ann)
        server.command(f"room:{self.closed}", "set", {"open": False}, user=self.ann)
        server.command(f"room:{self.direct}", "send", {"text": "a walrus for two"}, user=self.bob)
        server.command(f"room:{self.open}", "send", {"text": "a walrus for all"}, user=self.bob)
        self.say(self.closed, "a walrus for few")

    def say(self, room: str, text: str) -> int:
        said = self.server.command(f"room:{room}", "send", {"text": text}, user=self.ann)
        self.at = f"room:{room}@{said['offset']}"
        return int(said["offset"])

    def get(self, path: str, user: str, **more: Any) -> Answer:
        """Once what was said last is folded, which is for those to wait for who may watch that room."""
        entity, _, offset = self.at.rpartition("@")
        room, at = entity.partition(":")[2], f"&at={entity.replace('@', '%40')}%40{offset}"
        for page in (f"messages/{room}?limit=1", f"conversations/{self.ann}?limit=1", "rooms/open?limit=1"):
            waited = self.server.request("GET", f"/api/{page}{at}", user=self.ann)
            assert waited.status == 200, waited
        return self.server.request("GET", f"/api/{path}", user=user, **more)

    def texts(self, path: str, user: str) -> list[str]:
        answer = self.get(path, user)
        assert answer.status == 200, answer
        return sorted(row["text"] for row in answer.body["rows"])


@pytest.fixture
def chat(views_server: Server, request: pytest.FixtureRequest) -> Chat:
    return Chat(views_server, f"t{len(request.node.name)}")


def test_a_room_s_messages_are_searched_by_whoever_may_watch_it(chat: Chat) -> None:
    assert chat.texts(f"messages/{chat.closed}?search=walrus", chat.ann) == ["a walrus for few"]
    answer = chat.get(f"messages/{chat.closed}?search=walrus", chat.bob)
    assert (answer.status, answer.body["error"]["name"]) == (403, "room.closed")
    answer = chat.get(f"messages/{chat.direct.replace('+', '%2B')}?search=walrus", chat.eve)
    assert (answer.status, answer.body["error"]["name"]) == (403, "room.not_member")
    found = chat.get(f"messages/{chat.closed}?search=walrus", chat.ann).body
    assert found["matches"][0]["snippet"][1] == "walrus"


def test_a_search_of_everything_finds_what_is_in_one_s_own_rooms(chat: Chat) -> None:
    path = "conversations/{}/messages?search=walrus"
    assert chat.texts(path.format(chat.ann), chat.ann) == ["a walrus for few", "a walrus for two"]
    assert chat.texts(path.format(chat.bob), chat.bob) == ["a walrus for all", "a walrus for two"]
    assert chat.texts(path.format(chat.eve), chat.eve) == []
    for who in (chat.bob, chat.eve):
        answer = chat.get(path.format(chat.ann), who)
        assert (answer.status, answer.body["error"]["name"]) == (403, "conversations.not_yours")
    answer = chat.get(f"conversations/{chat.ann}/messages?limit=5", chat.ann)
    assert answer.status == 400
    first = chat.get(path.format(chat.bob) + "&limit=1", chat.bob).body
    (second,) = chat.get(path.format(chat.bob) + f"&limit=1&after={first['next']}", chat.bob).body["rows"]
    assert second != first["rows"][0]


def test_whoever_is_put_out_finds_nothing_there_any_more(chat: Chat) -> None:
    chat.server.command(f"room:{chat.open}", "join", user=chat.eve)
    wait_until(lambda: chat.open in conversations(chat, chat.eve), "the row to come")
    assert chat.open in conversations(chat, chat.bob)
    token = chat.server.token("root", roles=["admin"])
    headers = {"Authorization": f"Bearer {token}"}
    chat.server.command(f"room:{chat.open}", "ban", {"user": chat.bob}, headers=headers)
    wait_until(lambda: chat.open not in conversations(chat, chat.bob), "the row to go")
    assert chat.texts(f"conversations/{chat.bob}/messages?search=walrus", chat.bob) == ["a walrus for two"]
    assert chat.get(f"messages/{chat.open}?search=walrus", chat.bob).body["error"]["name"] == "room.banned"
    listed = {row["room"]: row for row in chat.get("rooms/open?limit=1000", chat.bob).body["rows"]}
    assert set(listed[chat.open]) == {"listed", "room", "title", "members", "at_ms"}, "the room, and nothing said in it"
    assert chat.open in conversations(chat, chat.eve)


def test_edited_and_deleted_messages_are_found_no_more(chat: Chat) -> None:
    offset = chat.say(chat.closed, "first unicorn")
    chat.server.command(f"room:{chat.closed}", "edit", {"offset": offset, "text": "then griffin"}, user=chat.ann)
    chat.say(chat.closed, "last")
    assert chat.texts(f"messages/{chat.closed}?search=unicorn", chat.ann) == []
    assert chat.texts(f"messages/{chat.closed}?search=griffin", chat.ann) == ["then griffin"]
    chat.server.command(f"room:{chat.closed}", "delete", {"offset": offset}, user=chat.ann)
    chat.say(chat.closed, "last")
    assert chat.texts(f"messages/{chat.closed}?search=griffin", chat.ann) == []


def test_the_directory_lists_open_rooms(chat: Chat) -> None:
    chat.server.command(f"room:{chat.closed}", "set", {"title": "Aardvarks"}, user=chat.ann)
    chat.say(chat.closed, "hi")
    listed = [row["room"] for row in chat.get("rooms/open?limit=1000", chat.eve).body["rows"]]
    assert chat.open in listed
    assert chat.closed not in listed
    assert not any(room.startswith("@") for room in listed)
    assert chat.get("rooms/closed?limit=1", chat.eve).status == 403
    assert chat.get("rooms/open?search=aardvarks", chat.eve).body["rows"] == []
    chat.server.command(f"room:{chat.closed}", "set", {"open": True}, user=chat.ann)
    chat.say(chat.closed, "hi")
    (row,) = chat.get("rooms/open?search=aardvarks", chat.eve).body["rows"]
    assert (row["room"], row["members"]) == (chat.closed, 1)
    assert "hi" not in row.values(), "the directory is everybody's, also theirs who are banned"


def test_entities_are_for_staff(chat: Chat) -> None:
    assert chat.get("entities/room?limit=1", chat.ann).status == 403
    token = chat.server.token("bot", roles=["service"])
    offset = int(chat.at.rpartition("@")[2])

    def told() -> list[int]:
        answer = chat.get("entities/room?limit=1000", chat.ann, headers={"Authorization": f"Bearer {token}"})
        return [row["offset"] for row in answer.body["rows"] if row["key"] == chat.closed]

    wait_until(lambda: told() == [offset], "the entity's row")


def conversations(chat: Chat, user: str) -> dict[str, Any]:
    answer = chat.server.request("GET", f"/api/conversations/{user}", user=user)
    assert answer.status == 200, answer
    return {row["room"]: row for row in answer.body["rows"]}
