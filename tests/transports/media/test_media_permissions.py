"""The cells of the table of who may do what that are about media: through every way in."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from greenroom.actors.identity.session import Session, SignOut
from greenroom.actors.jobs.queue import Queue
from greenroom.actors.jobs.single import SingleJob
from greenroom.actors.media.actor import Media
from greenroom.actors.media.jobs import Looked, Rendered
from greenroom.actors.media.messages import Begin, HowFar, Part, Publish, Receive, Rendition, Reserve
from greenroom.actors.media.names import new_id
from greenroom.actors.media.uploads import Uploads
from greenroom.actors.model.lifecycle import Answered, Inspect, Inspected, Undelivered
from greenroom.transports.media.app import MediaApp
from tests.transports.media.stage import Stage
from tests.transports.permissions import TABLES, YES
from tests.transports.small_node import SmallNode, small_node
from tests.transports.test_job_permissions import Reads
from tests.transports.test_permissions import Ways, as_read, full_name, streamed

ORIGINAL = Rendition(name="original", object="o", type="image/jpeg", size=4, digest="ab", width=4, height=3)
THUMB = Rendition(name="thumb", object="t", type="image/webp", size=5, digest="cd", width=2, height=1)
TABLE = TABLES["media"]


@pytest.fixture
async def node() -> AsyncIterator[SmallNode]:
    kinds = (Session, Media, Uploads, Queue, SingleJob)
    async with small_node(kinds=kinds, anonymous=False, anonymous_watch=True, jobs=Reads().of) as made:
        await made.kernel.router.ask("session:signed_out", SignOut())
        yield made


class Shelf(Stage):
    """On a real node: an upload that is ready, and its files."""

    def __init__(self, folder: Path, node: SmallNode, who: str, owner: str) -> None:
        super().__init__(folder)
        self.node, self.who, self.owner = node, who, owner
        self.ways = Ways(node, who)
        self.media = new_id()
        self.app = MediaApp(
            ask=node.kernel.router.ask,
            objects=self.threaded,
            links=self.links,
            tokens=node.services.tokens,
            sessions=node.services.sessions,
            anonymous=False,
            most=self.most,
            clock=node.clock,
        )

    async def filled(self, *, public: bool = False, whole: bool = True, failed: bool = False) -> "Shelf":
        ask, entity = self.node.kernel.router.ask, f"media:{self.media}"
        room = Reserve(media=self.media, size=4, made_max=9, unfinished_s=3600.0, uploads_max=99, bytes_max=1 << 40)
        await ask(f"uploads:{self.owner}", room)
        await ask(entity, Begin(owner=self.owner, size=4, made_max=9, unfinished_s=3600.0))
        for rendition in (ORIGINAL, THUMB) if whole else ():
            self.objects.put(rendition.object, bytes(rendition.size))
        if whole:
            await ask(entity, Receive(offset=0, parts=[Part("p", 4)]))
            results = (("check", Looked(ORIGINAL)), ("render", Rendered([THUMB])))
            for about, result in () if failed else results:
                reply = msgspec.Raw(msgspec.json.encode(result))
                await self.hear(Answered(entity=await self.job(), about=about, reply=reply))
        if failed:
            await self.hear(Undelivered(entity=await self.job(), about="check", name="job.failed"))
        if public:
            await ask(entity, Publish())
        return self

    async def job(self) -> str:
        inspected = await self.node.kernel.router.ask(f"media:{self.media}", Inspect())
        assert isinstance(inspected, Inspected)
        return f"job:{msgspec.json.decode(inspected.view)['job']}"

    async def hear(self, told: Answered | Undelivered) -> None:
        entity = f"media:{self.media}"
        self.node.kernel.router.tell_here(entity, told)
        await self.node.kernel.router.ask(entity, HowFar())  # behind it

    async def http(self, method: str, path: str, body: bytes = b"", **headers: str) -> str:
        answer = await self.request(method, path, body, user="", more={**self.ways.headers, **headers})
        if answer.status < 300:
            return YES
        return answer.error if answer.body else {401: "unauthenticated", 403: "media.not_yours"}[answer.status]


Row = Callable[[Shelf], Awaitable[str]]
OCTETS = {"Content_Type": "application/offset+octet-stream", "Upload_Offset": "0"}


def file(name: str) -> Row:
    return lambda shelf: shelf.http("GET", f"/media/{shelf.media}/{name}")


def link(shelf: Shelf) -> Awaitable[str]:
    return shelf.http("POST", f"/media/{shelf.media}/links", b'{"name": "thumb"}')


def by_link(shelf: Shelf) -> Awaitable[str]:
    return shelf.http("GET", shelf.links.signed(shelf.media, "thumb", int(shelf.node.clock()) + 60))


ROWS: dict[str, Row] = {
    "begin an upload": lambda shelf: shelf.http("POST", "/media", Upload_Length="4"),
    "ask how far one is": lambda shelf: shelf.http("HEAD", f"/media/{shelf.media}"),
    "go on with one": lambda shelf: shelf.http("PATCH", f"/media/{shelf.media}", b"1234", **OCTETS),
    "delete by its address": lambda shelf: shelf.http("DELETE", f"/media/{shelf.media}"),
    "see what was made of it": file("thumb"),
    "see the original": file("original"),
    "see what was made of a public one": file("thumb"),
    "see the original of a public one": file("original"),
    "make a link": link,
    "make a link to a public one": link,
    "see by a link": by_link,
}
COMMANDS: dict[str, Callable[[Shelf], tuple[str, str]]] = {
    "publish": lambda shelf: (f"media:{shelf.media}", "publish"),
    "try again": lambda shelf: (f"media:{shelf.media}", "try_again"),
    "delete": lambda shelf: (f"media:{shelf.media}", "delete"),
    "clear what a user has": lambda shelf: (f"uploads:{shelf.owner}", "clear"),
}
READS: dict[str, Callable[[Shelf], str]] = {
    "read": lambda shelf: f"media:{shelf.media}",
    "read one that is public": lambda shelf: f"media:{shelf.media}",
    "read what a user has": lambda shelf: f"uploads:{shelf.owner}",
}


def expected(row: str, verdict: str) -> str:
    if verdict == "not_yours":
        return "uploads.not_yours" if "a user has" in row else "media.not_yours"
    return full_name("media", verdict)


async def shelf_for(node: SmallNode, folder: Path, row: str, who: str) -> Shelf:
    owner = who if who == "signed_out" else "owner"
    whole = row not in ("go on with one", "ask how far one is")
    return await Shelf(folder, node, who, owner).filled(public="public" in row, whole=whole, failed=row == "try again")


def test_every_row_is_tried() -> None:
    assert set(TABLE) == {*ROWS, *COMMANDS, *READS}
    assert len(Media.commands) + len(Uploads.commands) == len(COMMANDS)


@pytest.mark.parametrize("row", ROWS)
async def test_who_may_over_http(node: SmallNode, tmp_path: Path, row: str) -> None:
    for who, verdict in TABLE[row].items():
        shelf = await shelf_for(node, tmp_path, row, who)
        found = await ROWS[row](shelf)
        if row == "ask how far one is" and verdict == "signed_out":
            verdict = "unauthenticated"  # HEAD has no body that says more
        assert found == expected(row, verdict), (row, who)


@pytest.mark.parametrize("row", COMMANDS)
async def test_who_may_command(node: SmallNode, tmp_path: Path, row: str) -> None:
    for who, verdict in TABLE[row].items():
        for way in ("http", "rpc"):
            shelf = await shelf_for(node, tmp_path, row, who)
            entity, name = COMMANDS[row](shelf)
            assert await shelf.ways.command(way, entity, name, {}) == expected(row, verdict), (row, who, way)


@pytest.mark.parametrize("row", READS)
async def test_who_may_read(node: SmallNode, tmp_path: Path, row: str) -> None:
    for who, verdict in TABLE[row].items():
        shelf = await shelf_for(node, tmp_path, row, who)
        entity, ways, wanted = READS[row](shelf), shelf.ways, expected(row, verdict)
        path = f"/api/{entity.replace(':', '/', 1)}"
        for found in (
            await ways.http("GET", path),
            await ways.http("GET", f"{path}/history"),
            as_read(await ways.websocket({"subscribe": {"channel": entity}}), wanted),
            await streamed(ways, f"/events?channel={entity}"),
        ):
            assert found == wanted, (row, who)
