"""Every cell of the table of who may do what, on a real node, through every way in."""

import itertools
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Protocol, get_args
from unittest.mock import Mock

import pytest
import trio

from greenroom.actors.chat.room.actor import Room
from greenroom.actors.chat.room.direct import direct_key
from greenroom.actors.chat.room.messages import Ban, BarredChanged, Leave, Mute, React, Read, SendMessage, Set, SetRole
from greenroom.actors.identity.session import Session, SignOut
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.message import Ask
from greenroom.actors.model.principal import Principal
from greenroom.transports.client.reading import READS as RPC_READS
from greenroom.transports.hub.reading import Sureness
from tests.transports.permissions import ENDS, GOES_ON, NOT_APPLICABLE, TABLES, WATCHING, YES, page
from tests.transports.small_node import Peer, SmallNode, head, small_node
from tests.transports.world import STARTED, token

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "permissions.md"
# Behind the sign-out of `signed_out`, so that only their token is too old.
ISSUED = {"signed_out": STARTED - 100}
ROLES = {"service": ["service"], "viewer": ["viewer"], "admin": ["admin"]}
# A room's cast: those of the table, a second member, who is done to, and a second moderator.
MEMBERS = ("owner", "moderator", "moderator2", "member", "member2", "left", "muted", "banned", "signed_out")
numbers = itertools.count(1)
PAIRS = list(itertools.product((False, True), repeat=2))  # as an event stream? as a view?
NO_MESSAGE = 999_999
PERMISSION_DENIED = 103
SIGNED_OUT = 3507

Row = Callable[["Scene", str], tuple[str, dict[str, Any]]]  # a scene, who -> command, its fields


class Scene:
    """One room with its cast, each of whom has said something."""

    def __init__(self, node: SmallNode, entity: str) -> None:
        self.node = node
        self.entity = entity
        self.said: dict[str, int] = {}  # who -> the offset of what they said

    @property
    def user(self) -> str:
        """Whose session it is."""
        return self.entity.partition(":")[2]

    async def ask(self, who: str, message: Ask[Any]) -> Any:
        principal = Principal(user=who, roles=frozenset(["service"]))  # whom nobody counts the rooms of
        return await self.node.kernel.router.ask(self.entity, message, principal=principal)

    async def say(self, *who: str) -> None:
        for one in who:
            self.said[one] = (await self.ask(one, SendMessage(text=f"by {one}"))).offset

    async def bar(self, *, barred: bool) -> None:
        """As the `follows` of `blocks` tells it."""
        self.node.kernel.router.tell(self.entity, BarredChanged(by="blocks", barred=barred))
        await self.ask("blocks", Read(offset=0))  # answered behind it

    async def played(self) -> "Scene":
        await self.say(*MEMBERS)
        for one in ("moderator", "moderator2"):
            await self.ask("owner", SetRole(user=one, role="moderator"))
        for one in MEMBERS:
            await self.ask(one, React(offset=self.said["member2"], emoji="!"))
        for one in ("muted", "moderator2"):
            await self.ask("owner", Mute(user=one))
        await self.ask("left", Leave())
        for one in ("banned", "somebody banned"):
            await self.ask("owner", Ban(user=one))
        return self

    def another(self, who: str) -> int:
        """A message that is not by `who`."""
        return next(offset for one, offset in self.said.items() if one not in (who, "banned"))


async def staged(node: SmallNode, kind: str) -> Scene:
    """A room of this kind, or a session, on which nothing was tried yet; but there is only one direct conversation."""
    number = next(numbers)
    if kind == "session":
        return Scene(node, f"session:member{number}")
    if kind == "direct":
        scene = Scene(node, f"room:{direct_key('member', 'signed_out')}")
        await scene.say("member", "signed_out")
        return scene
    if kind == "barred":
        scene = Scene(node, f"room:{direct_key('blocks', 'blocked')}")
        await scene.bar(barred=False)
        await scene.say("blocks", "blocked")
        await scene.bar(barred=True)
        return scene
    scene = await Scene(node, f"room:{number}").played()
    if kind == "closed":
        await scene.ask("owner", Set(open=False))
    return scene


async def written(scene: Scene) -> int:
    """How many events its journal has."""
    head, _ = await scene.node.journal.read(scene.entity, limit=1)
    return head.offset if head is not None else 0


ROWS: dict[str, Row] = {
    "join": lambda scene, who: ("join", {}),
    "leave": lambda scene, who: ("leave", {}),
    "send": lambda scene, who: ("send", {"text": "x"}),
    "send, in reply to what is none": lambda scene, who: ("send", {"text": "x", "reply_to": NO_MESSAGE}),
    "gift": lambda scene, who: ("gift", {"item": "rose"}),
    "typing": lambda scene, who: ("typing", {}),
    "comment": lambda scene, who: ("comment", {"text": "x"}),
    "mark as read": lambda scene, who: ("read", {"offset": 1}),
    "edit one's own": lambda scene, who: ("edit", {"offset": scene.said[who], "text": "x"}),
    "edit another's": lambda scene, who: ("edit", {"offset": scene.another(who), "text": "x"}),
    "delete one's own": lambda scene, who: ("delete", {"offset": scene.said[who]}),
    "delete another's": lambda scene, who: ("delete", {"offset": scene.another(who)}),
    "delete what is none": lambda scene, who: ("delete", {"offset": NO_MESSAGE}),
    "react": lambda scene, who: ("react", {"offset": scene.another(who), "emoji": "?"}),
    "unreact": lambda scene, who: ("unreact", {"offset": scene.another(who), "emoji": "!"}),
    "invite": lambda scene, who: ("invite", {"user": "somebody"}),
    "mute a member": lambda scene, who: ("mute", {"user": "member2"}),
    "mute a moderator": lambda scene, who: ("mute", {"user": "moderator2"}),
    "mute the owner": lambda scene, who: ("mute", {"user": "owner"}),
    "unmute a member": lambda scene, who: ("unmute", {"user": "muted"}),
    "unmute a moderator": lambda scene, who: ("unmute", {"user": "moderator2"}),
    "ban a member": lambda scene, who: ("ban", {"user": "member2"}),
    "ban a moderator": lambda scene, who: ("ban", {"user": "moderator2"}),
    "ban the owner": lambda scene, who: ("ban", {"user": "owner"}),
    "unban": lambda scene, who: ("unban", {"user": "somebody banned"}),
    "set, and pin": lambda scene, who: ("set", {"title": "x", "pinned": scene.another("")}),
    "role": lambda scene, who: ("role", {"user": "member2", "role": "moderator"}),
    "push": lambda scene, who: ("push", {"data": 1}),
    "sign out": lambda scene, who: ("sign_out", {}),
}


def command_of(kind: str, row: str, scene: "Scene", who: str) -> tuple[str, dict[str, Any]]:
    if kind == "session" and row == "mark as read":
        return "read", {"channel": "room:a", "offset": 1}
    return ROWS[row](scene, who)


class Door(Protocol):
    """Of a node, wherever it runs."""

    async def connect(self) -> Peer: ...

    def clock(self) -> float: ...


class Ways:
    """One user with a token, or nobody, at the door of a node."""

    def __init__(self, node: Door, who: str, *, user: str = "", roles: list[str] | None = None) -> None:
        self.node = node
        self.user = user or who
        self.token = ""
        if who != "anonymous":
            issued = ISSUED.get(who, node.clock())
            self.token = token(sub=self.user, iat=issued, exp=node.clock() + 10_000, roles=roles or ROLES.get(who, []))
        self.headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}

    async def http(self, method: str, path: str, body: Any = None) -> str:
        peer = await self.node.connect()
        encoded = json.dumps(body).encode() if body is not None else None
        response = await peer.request(method, path, encoded, **self.headers)
        verdict = YES if response.status == 200 else response.error["name"]
        await peer.stream.aclose()
        return str(verdict)

    async def command(self, way: str, entity: str, name: str, fields: dict[str, Any]) -> str:
        if way == "http":
            kind, _, key = entity.partition(":")
            return await self.http("POST", f"/api/{kind}/{key.replace('+', '%2B')}/{name}", fields)
        sent: dict[str, Any] = {"rpc": {"method": f"{entity}/{name}", "data": fields}}
        if way == "publish":
            sent = {"publish": {"channel": entity, "data": fields}}
        found = await self.websocket(sent)
        return "session.signed_out" if found == str(SIGNED_OUT) else found

    async def watch(self, entity: str, *, stream: bool, as_view: bool) -> Peer:
        """A peer that has been admitted."""
        peer = await self.node.connect()
        if stream:
            shown = "&as=view" if as_view else ""
            channel = entity.replace("+", "%2B")
            await peer.send(head("GET", f"/events?channel={channel}{shown}", None, **self.headers))
            assert (await peer.response()).status == 200
            await peer.event()
            return peer
        await peer.upgrade()
        await peer.command({"connect": {"token": self.token} if self.token else {}, "id": 1})
        await peer.command({"subscribe": {"channel": entity} | ({"data": {"as": "view"}} if as_view else {}), "id": 2})
        assert "subscribe" in await peer.reply(2)
        return peer

    async def websocket(self, command: dict[str, Any], *before: dict[str, Any]) -> str:
        """The name of the refusal; `103` where there is no more than that, and the code of a connect's close."""
        peer = await self.node.connect()
        try:
            await peer.upgrade()
            await peer.command({"connect": {"token": self.token} if self.token else {}, "id": 1})
            answer = await peer.reply(1)
            if "error" in answer:
                return str((await peer.closed())[0])
            for number, one in enumerate((*before, command)):
                await peer.command(one | {"id": number + 2})
                answer = await peer.reply(number + 2)
        finally:
            await peer.stream.aclose()
        error = answer.get("error")
        if error is None:
            return YES
        if error["code"] == PERMISSION_DENIED:
            return str(PERMISSION_DENIED)
        return str(error["message"]).partition(":")[0]


async def read_verdicts(ways: Ways, entity: str, expected: str) -> dict[str, str]:
    """By way in."""
    kind, _, key = entity.partition(":")
    path = f"/api/{kind}/{key.replace('+', '%2B')}"
    events = f"/events?channel={entity.replace('+', '%2B')}"
    found = {
        "view": await ways.http("GET", path),
        "history": await ways.http("GET", f"{path}/history"),
    }
    for sure in get_args(Sureness):
        found[f"view, {sure}"] = await ways.http("GET", f"{path}?read={sure}")
        found[f"history, {sure}"] = await ways.http("GET", f"{path}/history?read={sure}")
        for name in RPC_READS:
            asked = {"rpc": {"method": f"{entity}/{name}", "data": {"read": sure}}}
            found[f"rpc {name}, {sure}"] = as_read(await ways.websocket(asked), expected)
    for more in ("", "&as=view", "&since=1"):
        found[f"events {more}"] = await streamed(ways, events + more)
    # A session is subscribed to by the server as its user connects.
    leave = [{"unsubscribe": {"channel": entity}}] if entity == f"session:{ways.user}" else []
    of_client: dict[str, dict[str, Any]] = {
        "subscribe": {"subscribe": {"channel": entity}},
        "subscribe as view": {"subscribe": {"channel": entity, "data": {"as": "view"}}},
        "recover": {"subscribe": {"channel": entity, "recover": True, "offset": 1}},
        "presence": {"presence": {"channel": entity}},
        "presence stats": {"presence_stats": {"channel": entity}},
        "history of a client": {"history": {"channel": entity, "limit": 10}},
    }
    for name, command in of_client.items():
        found[name] = as_read(await ways.websocket(command, *leave), expected)
    return found


def as_read(verdict: str, expected: str) -> str:
    """Of what only reads a client hears no more than that it may not, and of an old token as its connection ends."""
    if verdict == str(SIGNED_OUT):
        return "session.signed_out"
    if verdict == str(PERMISSION_DENIED) and expected not in (YES, "session.signed_out"):
        return expected
    return verdict


async def streamed(ways: Ways, address: str) -> str:
    peer = await ways.node.connect()
    try:
        response = await peer.request("GET", address, None, **ways.headers)
        if response.status == 200:
            return YES
        return str(response.error["name"])
    finally:
        await peer.stream.aclose()


def full_name(kind: str, verdict: str) -> str:
    if verdict in (YES, NOT_APPLICABLE, "unauthenticated", "not_staff", "not_operator", "not_admin"):
        return verdict
    if verdict == "signed_out":
        return "session.signed_out"
    if "." in verdict or verdict in ("unknown_kind", "forbidden"):
        return verdict
    return f"{'session' if kind == 'session' else 'room'}.{verdict}"


@pytest.fixture
async def node() -> AsyncIterator[SmallNode]:
    """Outside `local`, where the anonymous may look. One whose user has signed out since their token was issued."""
    async with small_node(kinds=(Room, Session), anonymous=False, anonymous_watch=True) as made:
        await made.kernel.router.ask("session:signed_out", SignOut())
        yield made


def test_the_page_is_what_is_declared() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "run: python -m tests.transports.permissions > docs/reference/permissions.md"
    )


def test_every_command_has_a_row() -> None:
    scene = Scene(Mock(), "")  # nothing is sent
    scene.said = dict.fromkeys(MEMBERS, 1)
    for table, kind in (("open", Room), ("session", Session)):
        tried = {command_of(table, row, scene, "owner")[0] for row in TABLES[table] if not row.startswith("read")}
        assert tried == set(Kinds((kind,))[kind.kind].commands)


@pytest.mark.parametrize("kind", ["open", "closed", "direct", "barred", "session"])
async def test_who_may_read(node: SmallNode, kind: str) -> None:
    scene = await staged(node, kind)
    for who, verdict in TABLES[kind]["read"].items():
        entity = "session:signed_out" if kind == "session" and who == "signed_out" else scene.entity
        expected = full_name(kind, verdict)
        user = scene.user if kind == "session" and who == "member" else who
        found = await read_verdicts(Ways(node, who, user=user), entity, expected)
        assert found == dict.fromkeys(found, expected), (kind, who)


@pytest.mark.parametrize("kind", ["open", "closed", "direct"])
async def test_who_may_read_by_a_subscription_token(node: SmallNode, kind: str) -> None:
    scene = await staged(node, kind)
    for who, verdict in TABLES[kind]["read, by a subscription token"].items():
        ways = Ways(node, who)
        granted = token(sub=who if ways.token else "", channel=scene.entity, exp=node.clock() + 10_000)
        found = await ways.websocket({"subscribe": {"channel": scene.entity, "token": granted}})
        expected = full_name(kind, verdict)
        assert as_read(found, expected) == expected, (kind, who)


@pytest.mark.parametrize("kind", ["open", "closed", "direct", "barred", "session"])
async def test_who_may_command(node: SmallNode, kind: str) -> None:
    """What is refused has changed nothing, so that the next may try it on the same scene."""
    scene: Scene | None = None
    for row, verdicts in TABLES[kind].items():
        for who, verdict in verdicts.items():
            if row.startswith("read") or verdict == NOT_APPLICABLE:
                continue
            expected = full_name(kind, verdict)
            for way in ("http", "rpc", "publish") if row == "send" else ("http", "rpc"):
                scene = scene or await staged(node, kind)
                before = await written(scene)
                name, fields = command_of(kind, row, scene, who)
                ways = Ways(node, who, user=scene.user if kind == "session" and who == "member" else who)
                found = await ways.command(way, scene.entity, name, fields)
                assert found == expected, (kind, row, who, way)
                if found == YES:
                    scene = None
                else:
                    assert await written(scene) == before, (kind, row, who, way)


@pytest.mark.parametrize(("kind", "who", "what", "outcome"), WATCHING)
async def test_who_goes_on_watching(node: SmallNode, kind: str, who: str, what: str, outcome: str) -> None:
    scene = await staged(node, kind)
    ways = Ways(node, who)
    watching = [await ways.watch(scene.entity, as_view=as_view, stream=stream) for stream, as_view in PAIRS]
    match what:
        case "is banned":
            await scene.ask("owner", Ban(user=who))
        case "is muted":
            await scene.ask("owner", Mute(user=who))
        case "leaves":
            await scene.ask(who, Leave())
        case "signs out":
            await node.kernel.router.ask(f"session:{who}", SignOut())
        case _:
            await scene.ask("owner", Set(open=False))
    await scene.ask("signed_out" if kind == "direct" else "owner", SendMessage(text="still heard"))
    for peer, (stream, _) in zip(watching, PAIRS, strict=True):
        with trio.fail_after(10):
            assert await what_becomes_of(peer, stream=stream) == outcome
        await peer.stream.aclose()


async def what_becomes_of(peer: Peer, *, stream: bool) -> str:
    if stream:
        while b"still heard" not in peer._rest:
            if not await peer._more():
                return ENDS
        return GOES_ON
    while True:
        opcode, payload = await peer.frame()
        if opcode == 8 or b'"unsubscribe"' in payload:
            return ENDS
        if b"still heard" in payload:
            return GOES_ON
