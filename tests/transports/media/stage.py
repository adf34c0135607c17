"""`/media` without a socket: the app, entities of the kit behind it, and objects in a folder."""

from collections.abc import Iterable, Mapping
from math import inf
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import trio
from msgspec import Struct

from greenroom.actors.media.actor import Media
from greenroom.actors.media.jobs import Looked, Rendered
from greenroom.actors.media.messages import Delete, Rendition
from greenroom.actors.media.uploads import Uploads
from greenroom.actors.model.effects import Told
from greenroom.actors.model.entity import split_entity
from greenroom.actors.model.principal import Principal
from greenroom.config.limits import MediaConfig
from greenroom.store.objects.in_threads import ThreadedObjects
from greenroom.store.objects.objects import Objects
from greenroom.testing import Kit
from greenroom.transports.media.app import MediaApp
from greenroom.transports.media.links import Links
from tests.actors.media.edge import ask

NOW = 1_750_000_000.0
KINDS: dict[str, type[Any]] = {"media": Media, "uploads": Uploads}


class Answer(Struct):
    """What came back."""

    status: int = 0
    headers: dict[str, str] = {}
    body: bytes = b""
    is_whole: bool = False

    @property
    def error(self) -> str:
        return str(msgspec.json.decode(self.body)["error"]["name"])


class NoSessions:
    """Everybody's token counts."""

    def check(self, principal: Principal, deadline: float, then: Any, refused: Any) -> None:
        then()


class Stage:
    def __init__(self, folder: Path, *, most: MediaConfig | None = None, origins: tuple[str, ...] = ()) -> None:
        self.folder = folder / "objects"
        self.folder.mkdir(exist_ok=True)
        self.objects = Objects(f"file://{self.folder}")
        self.threaded = ThreadedObjects(self.objects)
        self.links = Links(b"a secret of the tests")
        self.kits: dict[str, Kit[Any]] = {}
        self.most = most or MediaConfig()
        self.app = MediaApp(
            ask=self.ask,
            objects=self.threaded,
            links=self.links,
            tokens=None,
            sessions=NoSessions(),  # type: ignore[arg-type]
            anonymous=True,
            most=self.most,
            clock=lambda: NOW,
            origins=origins,
        )

    def kit(self, entity: str) -> Kit[Any]:
        if entity not in self.kits:
            kind, key = split_entity(entity)
            self.kits[entity] = Kit(KINDS[kind], key=key, now=NOW)
        return self.kits[entity]

    async def ask(self, entity: str, message: Any, /, *, principal: Principal) -> Any:
        await trio.lowlevel.checkpoint()
        kit = self.kit(entity)
        if principal.system:
            return kit.ask(message)
        return ask(kit, message, user=principal.user, roles=tuple(principal.roles))

    async def request(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] = b"",
        *,
        user: str = "ann",
        is_gone: bool = False,
        stalls: bool = False,
        more: Mapping[str, str] = MappingProxyType({}),
        **headers: str,
    ) -> Answer:
        """`is_gone`: its client is gone behind the body. `stalls`: no more comes of it."""
        path, _, query = path.partition("?")
        chunks = [body] if isinstance(body, bytes) else list(body)
        messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
        if is_gone:
            messages.append({"type": "http.disconnect"})
        elif not stalls:
            messages.append({"type": "http.request", "body": b"", "more_body": False})

        async def receive() -> Any:
            await trio.lowlevel.checkpoint()
            if not messages:
                await trio.sleep(inf)
            return messages.pop(0)

        answer = Answer()

        async def send(message: Any) -> None:
            await trio.lowlevel.checkpoint()
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                answer.body += message["body"]
                answer.is_whole = not message["more_body"]

        given = {name.replace("_", "-").lower(): value for name, value in (headers | dict(more)).items()}
        if user:
            given["x-greenroom-user"] = user
        scope = {
            "type": "http",
            "method": method,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        }
        await self.app(scope, receive, send)  # type: ignore[arg-type]
        return answer

    async def begin(self, size: int, *, user: str = "ann") -> str:
        answer = await self.request("POST", "/media", user=user, Upload_Length=str(size))
        assert answer.status == 201, answer
        return answer.headers["location"].removeprefix("/media/")

    async def append(self, media: str, offset: int, body: bytes | Iterable[bytes], **options: Any) -> Answer:
        octets = {"Content_Type": "application/offset+octet-stream", "Upload_Offset": str(offset)}
        return await self.request("PATCH", f"/media/{media}", body, **(octets | options))

    async def offset(self, media: str) -> int:
        return int((await self.request("HEAD", f"/media/{media}")).headers["upload-offset"])

    def kept(self) -> list[str]:
        return sorted(self.objects.names(""))

    async def ready(self, **files: bytes) -> str:
        """Media with these files, `original` among them."""
        media = await self.begin(10)
        await self.append(media, 0, bytes(10))
        made = []
        for name, data in files.items():
            at = f"{media}/{name}"
            self.objects.put(at, data)
            made.append(Rendition(name=name, object=at, type="image/webp", size=len(data), digest=name * 8))
        kit = self.kit(f"media:{media}")
        original = next(one for one in made if one.name == "original")
        self.ended(kit, "check", Looked(original))
        self.ended(kit, "render", Rendered([one for one in made if one.name != "original"]))
        return media

    def ended(self, kit: Kit[Any], about: str, result: Any) -> None:
        """The job that was started under that label."""
        (started,) = (one for one in kit.started if one.about == about)
        kit.answered(Told(f"job:{started.row.id}", Delete(), about=about), result)
