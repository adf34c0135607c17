"""`/media`: uploads begun, gone on with and deleted (tus.py), files served, and links to them made.

An ASGI callable of its own beside the pages: what comes is read as it comes, and what goes is read from the storage as
fast as the client takes it. It decides about headers and says what entities answer; whether somebody may, the entities
know.

| | |
|---|---|
| `POST /media` | begin an upload |
| `HEAD`, `PATCH`, `DELETE /media/ID` | how far it is; more of it; forget it |
| `GET /media/ID/NAME` | a file |
| `POST /media/ID/links` | a link to a file, for anybody who has it |
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import parse_qsl, unquote

import msgspec
import structlog
import trio
from msgspec import Meta, Struct

from greenroom.actors.media.messages import Begin, Delete, Find, HowFar, Reserve
from greenroom.actors.media.names import ID, new_id
from greenroom.actors.model.errors import ActorError, DeadlineExceeded, InvalidCommand, Overloaded, Refused
from greenroom.actors.model.principal import SYSTEM, Principal
from greenroom.config.limits import MediaConfig
from greenroom.store.objects.in_threads import ThreadedObjects
from greenroom.store.objects.objects import ObjectMissing, ObjectsUnavailable
from greenroom.transports.auth.http_principal import http_principal
from greenroom.transports.auth.sign_outs import SessionChecks
from greenroom.transports.auth.tokens import TokenVerifier
from greenroom.transports.errors import BadRequest, error_headers, http_error_body
from greenroom.transports.http.origins import origin_allowed
from greenroom.transports.media import tus
from greenroom.transports.media.body import Body, Gone, TooSlow
from greenroom.transports.media.links import TTL_MAX_S, Links
from greenroom.transports.media.serving import Serving
from greenroom.transports.media.tus import Headers
from greenroom.transports.media.uploading import Appending, Asking

if TYPE_CHECKING:
    from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope

log = structlog.get_logger("greenroom.media")

ASK_S = 10.0  # for an entity's answer
SESSION_S = 2.0  # longest wait for a session that is asked whether its user's token counts
OF_USER_MAX = 8  # requests of one user under way
OF_NOBODY_MAX = 32  # of all the anonymous, and by links: half of the places that there are (MEDIA_MAX in handover.py)
FIELDS_MAX = 10  # of a query
LINK_BYTES_MAX = 1_000  # of a body that asks for a link
REST_S = 5.0  # of a request's time, for what is to be said after its body
DRAIN_BYTES, DRAIN_S = 1 << 20, 1.0
JSON = b"application/json"
SAFE: Headers = [
    (b"X-Content-Type-Options", b"nosniff"),
    (b"Content-Security-Policy", b"default-src 'none'; sandbox; frame-ancestors 'none'"),
    (b"Referrer-Policy", b"no-referrer"),
    (b"Cross-Origin-Resource-Policy", b"cross-origin"),  # whoever may see it may show it: no cookie opens anything
]
METHODS = b"GET, HEAD, POST, PATCH, DELETE, OPTIONS"
EXPOSED = (
    b"Location, Upload-Offset, Upload-Length, Upload-Expires, Tus-Resumable, Tus-Version, Tus-Max-Size, "
    b"Tus-Extension, Tus-Checksum-Algorithm, ETag, Content-Range, Accept-Ranges, Retry-After"
)


class StorageFailed(ActorError):
    """The storage did not do it. What was taken before is kept: go on from there, later."""

    name, status, temporary = "media.storage", 503, True


class WantedLink(Struct, frozen=True, forbid_unknown_fields=True):
    """What `POST /media/ID/links` takes."""

    name: Annotated[str, Meta(max_length=50)]
    ttl_s: Annotated[float, Meta(ge=1, le=TTL_MAX_S)] = 3_600.0


class Answer(Struct, frozen=True):
    """All that is said of a request whose answer is short."""

    status: int
    headers: Headers
    body: bytes = b""


class MediaApp:
    """An ASGI callable, of one node."""

    def __init__(
        self,
        *,
        ask: Asking,
        objects: ThreadedObjects,
        links: Links | None,
        tokens: TokenVerifier | None,
        sessions: SessionChecks,
        anonymous: bool,
        most: MediaConfig,
        clock: Callable[[], float],
        origins: tuple[str, ...] = (),
        prefix: str = "",
    ) -> None:
        """`links`: None where there is nothing to sign them with. `anonymous`: clients may name themselves (local).
        `origins`: of other pages that may come, see `origin_allowed`. `prefix`: see http/prefix.py."""
        self._ask = ask
        self._objects = objects
        self._links = links
        self._tokens = tokens
        self._sessions = sessions
        self._anonymous = anonymous
        self._most = most
        self._clock = clock
        self._origins = origins
        self._prefix = prefix
        self._serving = Serving(self._soon, links)
        self._under_way: dict[str, int] = {}  # by user; "": nobody's

    async def __call__(self, scope: "Scope", receive: "ASGIReceiveCallable", send: "ASGISendCallable") -> None:
        assert scope["type"] == "http"
        body = Body(receive, until=trio.current_time() + self._most.request_s - REST_S)
        headers = dict(scope["headers"])
        request = Request(
            tus.method_of(scope["method"], headers),
            segments_of(scope["raw_path"]),
            scope["query_string"],
            headers,
            body,
        )
        shared: Headers = [(b"Tus-Resumable", tus.VERSION), *SAFE]
        try:
            shared += self._cors(request)
            await self._answer(request, send, shared)
        except Gone:
            pass
        except Exception as error:
            await self._refuse(request, send, shared, refusal_of(error))

    async def _refuse(self, request: "Request", send: "ASGISendCallable", shared: Headers, error: ActorError) -> None:
        said = http_error_body(error)
        length = (b"Content-Length", b"%d" % len(said))
        headers = [(b"Content-Type", JSON), length, (b"Cache-Control", b"no-store"), *error_headers(error), *shared]
        if error.status == 412:
            headers.append((b"Tus-Version", tus.VERSION))
        await _start(send, error.status, headers)
        await _body(send, b"" if request.method == "HEAD" else said, more=True)
        await request.body.drain(DRAIN_BYTES, DRAIN_S)
        await _body(send, b"", more=False)

    def _cors(self, request: "Request") -> Headers:
        """What the browser of another page has to be told. Raises: BadRequest."""
        origin = request.headers.get(b"origin")
        vary = (b"Vary", b"Origin")
        if origin is None:
            return [vary]
        host, proto = request.headers.get(b"host", b""), request.headers.get(b"x-forwarded-proto")
        if not origin_allowed(origin, host, self._origins, proto):
            raise BadRequest("origin not allowed (GREENROOM_ALLOWED_ORIGINS)", name="forbidden", status=403)
        said = [(b"Access-Control-Allow-Origin", origin), (b"Access-Control-Expose-Headers", EXPOSED), vary]
        if request.method == "OPTIONS":
            said += [(b"Access-Control-Allow-Methods", METHODS), (b"Access-Control-Max-Age", b"300")]
            asked = request.headers.get(b"access-control-request-headers")
            if asked is not None:
                said.append((b"Access-Control-Allow-Headers", asked))
        return said

    async def _answer(self, request: "Request", send: "ASGISendCallable", shared: Headers) -> None:
        """Raises: ActorError, ObjectsUnavailable, Gone, TooSlow."""
        if request.method == "OPTIONS":
            await _say(send, Answer(204, tus.options_headers(self._most.bytes_max)), shared)
            return
        match request.method, request.segments:
            case "POST", []:
                act = self._begin
            case "HEAD", [_]:
                act = self._how_far
            case "PATCH", [_]:
                act = self._append
            case "DELETE", [_]:
                act = self._delete
            case "POST", [_, "links"]:
                act = self._link
            case (("GET" | "HEAD"), [_, _]):
                await self._serve(request, send, shared)
                return
            case _:
                raise unknown(request)
        if request.segments and not ID.fullmatch(request.segments[0]):
            raise unknown(request)
        principal = await self._who(request, looks=False)
        async with self._place(principal.user):
            await _say(send, await act(request, principal), shared)

    # Uploads.

    async def _begin(self, request: "Request", principal: Principal) -> Answer:
        tus.check_version(request.headers)
        wanted = tus.wanted(request.headers, bytes_max=self._most.bytes_max)
        if not principal.user:
            raise Refused("unauthenticated", "an upload needs a user", status=401)
        media, most = new_id(), self._most
        reserve = Reserve(
            media=media,
            size=wanted.size,
            made_max=most.made_bytes_max,
            unfinished_s=most.unfinished_s,
            uploads_max=most.user_uploads_max,
            bytes_max=most.user_bytes_max,
            name=wanted.name,
            said=wanted.type,
            digest=wanted.digest,
        )
        await self._soon(f"uploads:{principal.user}", reserve, principal=principal)
        begin = Begin(
            owner=principal.user,
            size=wanted.size,
            made_max=most.made_bytes_max,
            unfinished_s=most.unfinished_s,
            name=wanted.name,
            said=wanted.type,
            digest=wanted.digest,
        )
        await self._soon(f"media:{media}", begin, principal=SYSTEM)
        standing = await self._soon(f"media:{media}", HowFar(), principal=principal)
        location = (b"Location", f"{self._prefix}/media/{media}".encode())
        return Answer(201, [location, *tus.standing_headers(standing)])

    async def _how_far(self, request: "Request", principal: Principal) -> Answer:
        tus.check_version(request.headers)
        standing = await self._soon(f"media:{request.segments[0]}", HowFar(), principal=principal)
        return Answer(200, [*tus.standing_headers(standing), (b"Cache-Control", b"no-store")])

    async def _append(self, request: "Request", principal: Principal) -> Answer:
        tus.check_version(request.headers)
        appending = Appending(
            request.segments[0],
            ask=self._soon,
            objects=self._objects,
            principal=principal,
            checksum=tus.checksum(request.headers),
        )
        offset, length = tus.offset(request.headers), tus.length(request.headers)
        async with aclosing(request.body.pieces()) as pieces:
            standing = await appending.run(offset, length, pieces)
        return Answer(204, tus.standing_headers(standing))

    async def _delete(self, request: "Request", principal: Principal) -> Answer:
        tus.check_version(request.headers)
        await self._soon(f"media:{request.segments[0]}", Delete(), principal=principal)
        return Answer(204, [])

    # Files.

    async def _link(self, request: "Request", principal: Principal) -> Answer:
        if self._links is None:
            raise Refused("media.no_links", "GREENROOM_MEDIA_SECRET is not set", status=404)
        said = await request.body.read(LINK_BYTES_MAX)
        if said is None:
            raise Refused("media.too_long", f"at most {LINK_BYTES_MAX} bytes", status=413)
        try:
            wanted = msgspec.json.decode(said, type=WantedLink)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidCommand(str(error)) from None
        media = request.segments[0]
        await self._soon(f"media:{media}", Find(name=wanted.name, to_share=True), principal=principal)
        expires = int(self._clock() + wanted.ttl_s)
        link = self._prefix + self._links.signed(media, wanted.name, expires)
        body = msgspec.json.encode({"url": link, "expires": expires})
        return Answer(200, [(b"Content-Type", JSON), (b"Cache-Control", b"no-store")], body)

    async def _serve(self, request: "Request", send: "ASGISendCallable", shared: Headers) -> None:
        media, name = request.segments
        if not ID.fullmatch(media):
            raise unknown(request)
        query = request.query
        principal = await self._who(request, looks=True, linked="signature" in query)
        async with self._place(principal.user):
            shown = await self._serving.find(media, name, query, principal, self._clock())
            served = shown.served(request.headers)
            if request.method == "HEAD" or served.range.status not in (200, 206):
                await _start(send, served.range.status, [*served.headers, *shared])
                await _body(send, b"", more=False)
                return
            async with aclosing(self._objects.pieces(served.object, served.range.first, served.range.size)) as pieces:
                first = await anext(pieces, b"")  # so that a storage that fails is an answer, and no broken one
                await _start(send, served.range.status, [*served.headers, *shared])
                async with trio.open_nursery() as nursery:  # owner: this request; ended with its client
                    nursery.start_soon(_until_gone, request.body, nursery.cancel_scope)
                    await _body(send, first, more=True)
                    try:
                        async for piece in pieces:
                            await _body(send, piece, more=True)
                        await _body(send, b"", more=False)
                    except (ObjectsUnavailable, ObjectMissing) as error:
                        # An answer that ends before its length is none: the client asks for the rest.
                        log.warning("media_storage_failed", error=str(error))
                    nursery.cancel_scope.cancel()

    # Whoever asks.

    async def _who(self, request: "Request", *, looks: bool, linked: bool = False) -> Principal:
        """`looks`: it changes nothing, and nobody may look at what is public. Raises: ActorError."""
        if linked:
            return Principal(user="")
        principal = http_principal(request.headers, self._tokens, anonymous=self._anonymous, watches=looks)
        if b"authorization" not in request.headers:
            return principal
        answered = trio.Event()
        why: list[ActorError] = []

        def refused(error: ActorError) -> None:
            why.append(error)
            answered.set()

        self._sessions.check(principal, trio.current_time() + SESSION_S, answered.set, refused)
        await answered.wait()
        if why:
            raise why[0]
        return principal

    @asynccontextmanager
    async def _place(self, user: str) -> AsyncIterator[None]:
        """Raises: Overloaded."""
        most = OF_USER_MAX if user else OF_NOBODY_MAX
        if self._under_way.get(user, 0) >= most:
            raise Overloaded("too many requests of one user are under way")
        self._under_way[user] = self._under_way.get(user, 0) + 1
        try:
            yield
        finally:
            self._under_way[user] -= 1
            if not self._under_way[user]:
                del self._under_way[user]

    async def _soon(self, entity: str, message: Any, /, *, principal: Principal) -> Any:
        """Raises: ActorError."""
        with trio.move_on_after(ASK_S):
            return await self._ask(entity, message, principal=principal)
        raise DeadlineExceeded


class Request(Struct, frozen=True):
    """One of ours."""

    method: str
    segments: list[str]  # below /media
    query_string: bytes
    headers: Mapping[bytes, bytes]
    body: Body

    @property
    def query(self) -> dict[str, str]:
        """Raises: BadRequest."""
        try:
            return dict(parse_qsl(self.query_string.decode("latin-1"), max_num_fields=FIELDS_MAX))
        except ValueError:
            raise BadRequest(f"a query has at most {FIELDS_MAX} fields") from None


def segments_of(path: bytes) -> list[str]:
    """Of a path below /media."""
    return [unquote(one) for one in path.decode("latin-1").split("/")[2:]]


def unknown(request: Request) -> BadRequest:
    known = len(request.segments) <= 2 and all(request.segments)
    if known and request.method not in ("GET", "HEAD", "POST", "PATCH", "DELETE"):
        return BadRequest("no such method here", name="method_not_allowed", status=405)
    return BadRequest("no such address", name="not_found", status=404)


def refusal_of(error: Exception) -> ActorError:
    """As a client is told. What is no refusal is a mistake of ours, or of a storage, and logged."""
    match error:
        case ActorError():
            return error
        case TooSlow():
            return Refused("media.too_slow", "it came too slowly: go on from where it is", status=408)
        case ObjectsUnavailable() | ObjectMissing():
            log.warning("media_storage_failed", error=str(error))
            return StorageFailed()
    log.exception("media_failed", exc_info=error)
    return ActorError("internal")


async def _until_gone(body: Body, scope: trio.CancelScope) -> None:
    await body.gone()
    scope.cancel()


async def _say(send: "ASGISendCallable", answer: Answer, shared: Headers) -> None:
    length: Headers = [] if answer.status == 204 else [(b"Content-Length", b"%d" % len(answer.body))]
    await _start(send, answer.status, [*answer.headers, *length, *shared])
    await _body(send, answer.body, more=False)


async def _start(send: "ASGISendCallable", status: int, headers: Headers) -> None:
    lower = [(name.lower(), value) for name, value in headers]
    await send({"type": "http.response.start", "status": status, "headers": lower, "trailers": False})


async def _body(send: "ASGISendCallable", body: bytes, *, more: bool) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})
