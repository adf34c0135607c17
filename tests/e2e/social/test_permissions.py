"""Every cell of the tables of who may do what that are about people, posts and feeds: on a real server, outside
`local`, over HTTP and over WebSocket."""

import time
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest
import trio

from greenroom import social
from greenroom.actors.model.actor import Actor
from greenroom.actors.views.view import View
from tests.e2e.server import Server, wait_until
from tests.e2e.social.permissions import SOCIAL
from tests.transports.permissions import NOT_APPLICABLE, TABLES, YES
from tests.transports.small_node import Peer
from tests.transports.test_permissions import Ways, as_read, streamed
from tests.transports.world import SECRET, token

AUTHOR = "author"
STAFF = {"Authorization": f"Bearer {token(sub='staff', roles=['service'], exp=2_000_000_000)}"}
AS_THEY_ARE = (YES, "unauthenticated", "moderators_only")
KEY = "A" * 87
ENDPOINT = {"endpoint": "https://push.example.org/x"}


class Far:
    """The door of a server that is another process."""

    def __init__(self, port: int) -> None:
        self._port = port

    def clock(self) -> float:
        return time.time()

    async def connect(self) -> Peer:
        sock = trio.socket.socket()
        await sock.connect(("127.0.0.1", self._port))
        return Peer(trio.SocketStream(sock))


class Scene:
    """An author with posts, each with a comment, and those around them; and another's post."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.door = Far(server.port)
        self.posts: dict[str, str] = {}
        self.said: dict[str, int] = {}
        for who in ("follower", "close"):
            self.say(who, f"follows:{who}", "follow", user=AUTHOR)
        for command, user in (("set_close", "close"), ("block", "blocked"), ("mute", "muted")):
            self.say(AUTHOR, f"follows:{AUTHOR}", command, user=user)
        for name in ("public", "followers", "close", "villains"):
            self.post(name)
        wait_until(lambda: all(self.follows(who) for who in ("follower", "close")), "those who follow")

    def say(self, by: str, entity: str, name: str, **fields: Any) -> Any:
        headers = {"Authorization": f"Bearer {token(sub=by, exp=time.time() + 1_000)}"}
        return self.server.command(entity, name, fields, user=None, headers=headers)

    def read(self, path: str) -> Any:
        answer = self.server.request("GET", f"/api/{path}", user=None, headers=STAFF)
        assert answer.status == 200, answer
        return answer.body

    def follows(self, who: str) -> bool:
        return bool(self.read(f"feed/{who}")["view"]["follows"])

    def post(self, name: str, commenter: str = "") -> None:
        """One for those `name` says, in place of the one before, with a comment."""
        by, visibility = ("villain", "public") if name == "villains" else (AUTHOR, name)
        made = str(self.say(by, f"feed:{by}", "post", text="hello", visibility=visibility)["id"])
        wait_until(lambda: bool(self.read(f"posts/{made}")["rows"]), "the post")
        self.posts[name] = made
        commenter = commenter or ("commenter" if name == "public" else by)
        self.said[name] = self.say(commenter, f"thread:{made}", "comment", text="said")["offset"]


Try = Callable[[Scene, str], tuple[str, str, dict[str, Any]]]  # a scene, who -> entity, command, its fields
Row = tuple[Try, ...]


def to(entity: str, command: str, **fields: Any) -> Try:
    return lambda scene, who: (entity, command, fields)


def own(kind: str, /, *commands: str, **fields: Any) -> Row:
    """Commands to what is the author's."""
    return tuple(to(f"{kind}:{AUTHOR}", one, **fields) for one in commands)


def see(name: str) -> Row:
    return (lambda scene, who: (f"feed:{who}", "see", {"id": scene.posts[name]}),)


def share(name: str) -> Row:
    return (lambda scene, who: (f"feed:{who}", "post", {"text": "", "share_of": scene.posts[name]}),)


def post(name: str, command: str, **fields: Any) -> Row:
    return (lambda scene, who: (f"post:{scene.posts[name]}", command, fields),)


def thread(name: str, command: str, **fields: Any) -> Row:
    return (lambda scene, who: (f"thread:{scene.posts[name]}", command, fields),)


def comment(command: str, name: str = "public", **fields: Any) -> Row:
    """A command about the comment."""
    return (lambda scene, who: (f"thread:{scene.posts[name]}", command, {"offset": scene.said[name], **fields}),)


def case(*commands: str, **fields: Any) -> Row:
    def one(command: str) -> Try:
        more = {"seconds": 1} if command == "shadow_author" else {}
        return lambda scene, who: (f"case:{scene.posts['villains']}", command, fields | more)

    return tuple(map(one, commands))


def listed(*lists: str) -> Row:
    return tuple(to(f"follows:{AUTHOR}", "list", which=one) for one in lists)


SPAM = {"reason": "spam"}
ABOUT_SOMEBODY = ("follow", "unfollow", "remove", "block", "unblock", "mute", "unmute", "set_close")
COMMANDS: dict[str, dict[str, Row]] = {
    "profile": {"set": own("profile", "set", bio="x"), "read what only they see": own("profile", "mine")},
    "follows": {
        "change": (
            *own("follows", *ABOUT_SOMEBODY, user="somebody"),
            *own("follows", "set_private", private=False),
        ),
        "accept or decline who has not asked": own("follows", "accept", "decline", user="nobody"),
        "list who follows them, whom they follow": listed("followers", "following"),
        "list the others": listed("pending", "asked", "muted", "blocked", "close"),
        "relate, suggest": (*own("follows", "relate", user="somebody"), *own("follows", "suggest")),
    },
    "post": {
        "see one for everybody": see("public"),
        "see one for followers": see("followers"),
        "see one for close friends": see("close"),
        "react to one for everybody": post("public", "react"),
        "react to one for followers": post("followers", "react"),
        "react to one for close friends": post("close", "react"),
        "unreact, of one for followers": post("followers", "unreact"),
        "share one for everybody": share("public"),
        "share one for followers": share("followers"),
        "edit": post("public", "edit", text="hello"),
        "delete": post("public", "delete"),
        "recount": post("public", "recount"),
        "ask for the counts of one for everybody": post("public", "watch"),
        "ask for the counts of one for followers": post("followers", "watch"),
    },
    "thread": {
        "read comments of a post for everybody": thread("public", "read"),
        "read comments of one for followers": thread("followers", "read"),
        "read comments of one for close friends": thread("close", "read"),
        "comment on a post for everybody": thread("public", "comment", text="x"),
        "comment on one for followers": thread("followers", "comment", text="x"),
        "comment on one for close friends": thread("close", "comment", text="x"),
        "like a comment on a post for everybody": comment("like"),
        "like a comment on one for followers": comment("like", "followers"),
        "unlike": comment("unlike"),
        "edit another's": comment("edit", text="x"),
        "delete another's": comment("delete"),
    },
    "feed": {
        "post": own("feed", "post", text="x"),
        "read what is in it": (
            *own("feed", "read", "stories"),
            *own("feed", "of", author="villain"),
            *own("feed", "tagged", tag="x"),
            *own("feed", "search", words="x"),
            lambda scene, who: (f"feed:{AUTHOR}", "see", {"id": scene.posts["public"]}),
        ),
        "say what was seen, and what is shown": (
            *own("feed", "seen", signals=[]),
            lambda scene, who: (f"feed:{AUTHOR}", "show", {"top": scene.posts["villains"]}),
        ),
        "ask why a post that was not ranked was": (
            lambda scene, who: (f"feed:{AUTHOR}", "explain", {"post": scene.posts["villains"]}),
        ),
    },
    "inbox": {
        "see, mark as read, archive, ask why": (
            *own("inbox", "see", "mark_read", "read_all", "why"),
            *own("inbox", "archive", groups=[]),
            *own("inbox", "still_so", channel="mail", groups=[1]),
        ),
        "choose what one is told of, and when": (
            *own("inbox", "prefer", kind="like", channel="live", pace="off"),
            *own("inbox", "set_hours", timezone="Europe/Berlin"),
        ),
        "add and remove mail, phones and servers": (
            *own("inbox", "set_mail", address="ann@example.org"),
            *own("inbox", "add_push", **ENDPOINT, p256dh=KEY, auth=KEY[:22]),
            *own("inbox", "remove_push", **ENDPOINT),
            *own("inbox", "set_hook", url="https://example.org/x"),
            *own("inbox", "remove_mail", "remove_hook"),
        ),
        "confirm mail that was not given": own("inbox", "confirm_mail", code="x"),
    },
    "case": {
        "report": case("report", reason="spam"),
        "report one for followers": (lambda scene, who: (f"case:{scene.posts['followers']}", "report", SPAM),),
        "look": case("look"),
        "hide, restore, dismiss, shadow its author": case("hide", "restore", "dismiss", "shadow_author"),
    },
    "rules": {
        "put, drop": (
            to("rules:all", "put", rules={"a": {"verdict": "refuse", "words": "cheap pills"}}),
            to("rules:all", "drop", names=["a"]),
        ),
        "list, try": (to("rules:all", "list"), to("rules:all", "try", text="x")),
        "shadow, unshadow, list who is": (
            to("rules:all", "shadow", user="somebody", seconds=1),
            to("rules:all", "unshadow", user="somebody"),
            to("rules:all", "shadows"),
        ),
    },
}
# What is to be read, and what is tried before.
READS: dict[str, dict[str, tuple[Callable[[Scene], str], str]]] = {
    "profile": {"read": (lambda scene: f"profile:{AUTHOR}", "")},
    "follows": {"read": (lambda scene: f"follows:{AUTHOR}", "")},
    "feed": {"read": (lambda scene: f"feed:{AUTHOR}", "")},
    "inbox": {"read": (lambda scene: f"inbox:{AUTHOR}", "")},
    "case": {"read": (lambda scene: f"case:{scene.posts['villains']}", "")},
    "rules": {"read": (lambda scene: "rules:all", "")},
    "post": {
        "watch one for everybody": (lambda scene: f"post:{scene.posts['public']}", ""),
        "watch one for everybody, having asked for counts": (
            lambda scene: f"post:{scene.posts['public']}",
            "watch",
        ),
        "watch one for followers": (lambda scene: f"post:{scene.posts['followers']}", ""),
        "watch one for followers, having asked for counts": (
            lambda scene: f"post:{scene.posts['followers']}",
            "watch",
        ),
    },
    "thread": {
        "watch those on a post for everybody": (lambda scene: f"thread:{scene.posts['public']}", ""),
        "watch those on a post for everybody, having tried to read them": (
            lambda scene: f"thread:{scene.posts['public']}",
            "read",
        ),
        "watch those on one for followers": (lambda scene: f"thread:{scene.posts['followers']}", ""),
        "watch those on one for followers, having tried to read them": (
            lambda scene: f"thread:{scene.posts['followers']}",
            "read",
        ),
    },
}
# Views' pages, and entities, of the last table.
PUBLIC_ROWS = ("profiles", "authors")
PERSONAL_ROWS = ("following", "followers", "wall", "arrivals", "readers", "unwritten")
ROWS: dict[str, Callable[[Scene, str], tuple[str, ...]]] = {
    "profiles, authors": lambda scene, who: tuple(f"{one}/{AUTHOR}" for one in PUBLIC_ROWS),
    "people": lambda scene, who: ("people/all",),
    "notices of one's own": lambda scene, who: (f"notices/{who}",),
    "notices of another": lambda scene, who: (f"notices/{AUTHOR}",),
    "cases": lambda scene, who: ("cases/open",),
    "all others": lambda scene, who: (
        *(f"{one}/{AUTHOR}" for one in PERSONAL_ROWS),
        *(f"{one}/{scene.posts['public']}" for one in ("posts", "comments", "reacted")),
        "tagged/x",
        "trends/1",
        "said/all",
        "trends/1",
    ),
    "what is nobody's: spread": lambda scene, who: (f"spread/{scene.posts['public']}",),
    "what is nobody's: features": lambda scene, who: (f"features/{AUTHOR}",),
    "what is nobody's: reactions": lambda scene, who: (f"reactions/{scene.posts['public']}.00",),
}
KINDS = tuple(COMMANDS)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    one = Server(
        GREENROOM_ENV="staging",
        GREENROOM_AUTH_SECRET=SECRET.decode(),
        GREENROOM_ANONYMOUS="watch",
        GREENROOM_ENTITIES="greenroom.social",
        GREENROOM_WORK="social:2",
    )
    one.start()
    yield one
    print(one.log()[-20_000:])
    one.remove()


@pytest.fixture(scope="module")
def scene(server: Server) -> Scene:
    return Scene(server)


def ways_of(scene: Scene, who: str) -> Ways:
    return Ways(scene.door, who, roles=["moderator"] if who == "moderator" else None)


def full_name(kind: str, verdict: str) -> str:
    return verdict if verdict in AS_THEY_ARE or "." in verdict else f"{kind}.{verdict}"


def test_every_row_is_tried() -> None:
    for kind in KINDS:
        assert {*COMMANDS[kind], *READS[kind]} == TABLES[kind].keys(), kind
    assert ROWS.keys() == TABLES["rows"].keys()
    assert SOCIAL.keys() == {*KINDS, "rows"}


def test_every_command_and_every_view_has_a_row() -> None:
    installed = [getattr(social, name) for name in social.__all__]
    kinds = [one for one in installed if isinstance(one, type) and issubclass(one, Actor)]
    scene: Any = Scene.__new__(Scene)  # nothing is sent
    names = ("public", "followers", "close", "villains")
    scene.posts, scene.said = dict.fromkeys(names, "0"), dict.fromkeys(names, 1)
    tried = {
        f"{entity.partition(':')[0]}.{command}"
        for rows in COMMANDS.values()
        for row in rows.values()
        for entity, command, _ in (one(scene, AUTHOR) for one in row)
    }
    assert tried == {str(one.__struct_config__.tag) for kind in kinds for one in kind.commands}
    pages = {page.partition("/")[0] for row in ROWS.values() for page in row(scene, AUTHOR)}
    views = {one.name for one in installed if isinstance(one, type) and issubclass(one, View)}
    assert pages == views | {kind.kind for kind in kinds if not kind.commands}


class Person(Ways):
    """With one connection for all that they say over WebSocket."""

    def __init__(self, scene: Scene, who: str) -> None:
        super().__init__(scene.door, who, roles=["moderator"] if who == "moderator" else None)
        self._scene = scene
        self._peer: Peer | None = None
        self._number = 1

    async def say(self, way: str, entity: str, name: str, fields: dict[str, Any]) -> str:
        """The verdict."""
        if way == "http":
            path = f"/api/{entity.replace(':', '/')}/{name}"
            answer = self._scene.server.request("POST", path, fields, user=None, headers=self.headers)
            return YES if answer.status == 200 else str(answer.body["error"]["name"])
        peer = self._peer = self._peer or await self._connected()
        self._number += 1
        await peer.command({"rpc": {"method": f"{entity}/{name}", "data": fields}, "id": self._number})
        error = (await peer.reply(self._number)).get("error")
        return YES if error is None else str(error["message"]).partition(":")[0]

    async def _connected(self) -> Peer:
        peer = await self.node.connect()
        await peer.upgrade()
        await peer.command({"connect": {"token": self.token} if self.token else {}, "id": 1})
        assert "connect" in await peer.reply(1)
        return peer

    async def leave(self) -> None:
        if self._peer is not None:
            await self._peer.stream.aclose()


@pytest.mark.parametrize("kind", KINDS)
async def test_who_may_command(scene: Scene, kind: str) -> None:
    people = {who: Person(scene, who) for who in next(iter(TABLES[kind].values()))}
    for row, tries in COMMANDS[kind].items():
        for one, (who, verdict) in product(tries, TABLES[kind][row].items()):
            if verdict == NOT_APPLICABLE:
                continue
            for way in ("http", "rpc"):
                entity, command, fields = one(scene, who)
                if (command, way) == ("set_mail", "rpc"):
                    continue  # there are so many a day
                found = await people[who].say(way, entity, command, fields)
                assert found == full_name(kind, verdict), (kind, row, who, way, entity, command)
                if found == YES and command == "delete":
                    scene.post("public")
                if found == YES and command == "report":
                    # So many reports hide one, and then nobody may report it.
                    scene.post(next(name for name, post in scene.posts.items() if entity == f"case:{post}"))
    for person in people.values():
        await person.leave()


async def read(ways: Ways, entity: str, expected: str) -> dict[str, str]:
    path = entity.replace(":", "/")
    return {
        "view": await ways.http("GET", f"/api/{path}"),
        "history": await ways.http("GET", f"/api/{path}/history"),
        "events": await streamed(ways, f"/events?channel={entity}"),
        "rpc": as_read(await ways.websocket({"rpc": {"method": f"{entity}/view", "data": {}}}), expected),
        "subscribe": as_read(await ways.websocket({"subscribe": {"channel": entity}}), expected),
    }


@pytest.mark.parametrize(("kind", "row"), [(kind, row) for kind in KINDS for row in READS[kind]])
async def test_who_may_read(scene: Scene, kind: str, row: str) -> None:
    entity_of, before = READS[kind][row]
    if kind in ("post", "thread"):  # of which nobody knows anything yet
        scene.post("public", commenter=AUTHOR)
        scene.post("followers")
    if kind == "case":
        scene.say("stranger", entity_of(scene), "report", reason="spam")
    for who, verdict in TABLES[kind][row].items():
        ways = ways_of(scene, who)
        if before:
            await ways.command("http", entity_of(scene), before, {})
        expected = full_name(kind, verdict)
        found = await read(ways, entity_of(scene), expected)
        assert found == dict.fromkeys(found, expected), (kind, row, who)


@pytest.mark.parametrize("row", ROWS)
async def test_who_may_read_rows(scene: Scene, row: str) -> None:
    for who, verdict in TABLES["rows"][row].items():
        if verdict == NOT_APPLICABLE:
            continue
        for page in ROWS[row](scene, who):
            found = await ways_of(scene, who).http("GET", f"/api/{page}")
            assert found == full_name("", verdict), (row, who, page)
