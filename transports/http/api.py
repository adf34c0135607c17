"""Commands, views and history over HTTP.

`POST /api/{kind}/{key}/{command}`, `GET /api/{kind}/{key}`, `GET /api/{kind}/{key}/history?since=&limit=&reverse=`.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog
import trio
from msgspec import Struct
from opentelemetry.trace import Span

from greenroom.actors.model.entity import split_entity
from greenroom.actors.model.envelope import Envelope, digest_of, own_command_id
from greenroom.actors.model.errors import ActorError, DeadlineExceeded, HandlerFailed, Overloaded, Unavailable
from greenroom.actors.model.kinds import Kind, Kinds
from greenroom.actors.model.lifecycle import Inspect, Inspected
from greenroom.actors.model.message import Message
from greenroom.actors.model.principal import Principal
from greenroom.config.limits import HttpConfig
from greenroom.config.telemetry.instruments import Instruments
from greenroom.config.telemetry.tracing import Tracing, traceparent_of
from greenroom.store.errors import StoreUnavailable
from greenroom.store.journal.journal import Journal
from greenroom.transports.auth.http_principal import http_principal
from greenroom.transports.auth.sign_outs import SessionChecks
from greenroom.transports.auth.tokens import TokenVerifier
from greenroom.transports.codecs.http_error import HttpError
from greenroom.transports.codecs.http_head import Request, query_pairs
from greenroom.transports.deadlines import Deadlines
from greenroom.transports.errors import BadRequest, error_headers, http_error_body
from greenroom.transports.http.live import Finish
from greenroom.transports.hub.hub import first_publications

log = structlog.get_logger("greenroom.http")

COMMAND_ID_MAX = 255  # characters
INSPECT = Inspect()


class HttpApiServices(Struct):
    kinds: Kinds
    submit: Callable[[str, Envelope], None]
    journal: Journal
    tokens: TokenVerifier | None
    anonymous: bool
    config: HttpConfig
    history_max: int
    history_bytes_max: int  # of one answer
    deadlines: Deadlines
    sessions: SessionChecks
    spawn: Callable[[Callable[[], Awaitable[None]]], None]
    instruments: Instruments
    tracing: Tracing
    trust_traces: bool  # a client's `traceparent` decides whether its trace is recorded


class _Slot:
    """Where the answer of one request goes."""

    __slots__ = ("_api", "_finish", "_then", "done", "label", "span")

    def __init__(
        self, api: "HttpApi", label: tuple[str, str], finish: Finish, then: Callable[[Inspected], None] | None
    ) -> None:
        self._api = api
        self._finish = finish
        self._then = then
        self.label = label
        self.done = False
        self.span: Span | None = None
        api.in_flight += 1

    def _end(self, outcome: str) -> None:
        self.done = True
        self._api.in_flight -= 1
        self._api.services.instruments.count_command(*self.label, outcome)
        if self.span is not None:
            self.span.set_attribute("greenroom.outcome", outcome)
            self.span.end()

    def resolve(self, reply: Any, encoded: bytes | None) -> None:
        if self.done:
            return
        try:
            if self._then is not None:
                self._end("ok")
                self._then(reply)
                return
            body = encoded if encoded is not None else msgspec.json.encode(reply)
        except Exception as error:  # the edge: an entity's reply that is no JSON must not end the entity
            log.exception("reply_not_encodable", kind=self.label[0], command=self.label[1])
            if not self.done:
                self._end("internal")
            finish_with_error(self._finish, HandlerFailed(repr(error)))
            return
        self._end("ok")
        self._finish(200, body, ())

    def reject(self, error: ActorError) -> None:
        if not self.done:
            self._end(error.name)
            finish_with_error(self._finish, error)

    def expire(self) -> None:
        self.reject(DeadlineExceeded())


def finish_with_error(finish: Finish, error: ActorError) -> None:
    finish(error.status, http_error_body(error), error_headers(error))


def method_not_allowed(allow: str) -> HttpError:
    return HttpError(405, f"the methods here are {allow}", ((b"Allow", allow.encode()),))


class HttpApi:
    def __init__(self, services: HttpApiServices) -> None:
        self.services = services
        self.in_flight = 0

    def handle(self, request: Request, finish: Finish) -> None:
        """Answer one request under `/api/` by calling `finish` once."""
        try:
            if self.in_flight >= self.services.config.in_flight_max:
                raise Overloaded("too many commands are in work")
            self._route(request, finish)
        except ActorError as error:
            finish_with_error(finish, error)
        except HttpError as error:
            name = "method_not_allowed" if error.status == 405 else "bad_request"
            shown = BadRequest(error.reason, name=name, status=error.status)
            finish(error.status, http_error_body(shown), error.headers)

    def _route(self, request: Request, finish: Finish) -> None:
        segments = request.segments
        if len(segments) not in (3, 4) or segments[0] != "api":
            path = request.path.decode("latin-1")[:200]
            raise BadRequest(f"no such address: {path}", name="not_found", status=404)
        _, kind, key = segments[:3]
        principal = http_principal(request.headers, self.services.tokens, anonymous=self.services.anonymous)
        entity = f"{kind}:{key}"
        split_entity(entity)
        installed = self.services.kinds[kind]
        method = "GET" if request.method == "HEAD" else request.method
        if len(segments) == 3:
            if method != "GET":
                raise method_not_allowed("GET, HEAD, OPTIONS")
            self._inspect(request, entity, "view", principal, finish, lambda seen: self._view(seen, finish))
        elif method == "POST":
            self._command(request, entity, installed, segments[3], principal, finish)
        elif segments[3] == "history":
            if method != "GET":
                raise method_not_allowed("GET, HEAD, OPTIONS")
            asked = _HistoryQuery.of(request.query, self.services.history_max)
            self._inspect(
                request, entity, "history", principal, finish, lambda seen: self._history(entity, asked, seen, finish)
            )
        else:
            installed.command(segments[3])
            raise method_not_allowed("POST, OPTIONS")

    def _command(
        self, request: Request, entity: str, kind: Kind, name: str, principal: Principal, finish: Finish
    ) -> None:
        command = kind.command(name)
        message = command.decode(request.body or b"{}")
        command_id = message.idempotency_key
        header = request.headers.get(b"idempotency-key")
        if header is not None:
            command_id = header.decode("latin-1")
        if command_id is not None and not 0 < len(command_id) <= COMMAND_ID_MAX:
            raise BadRequest(f"Idempotency-Key must be 1 to {COMMAND_ID_MAX} characters")
        if command_id is not None:
            command_id = own_command_id(principal, command_id)
        slot = _Slot(self, (kind.name, name), finish, None)
        self._submit(request, entity, message, principal, slot, command_id, len(request.body))

    def _inspect(
        self,
        request: Request,
        entity: str,
        what: str,
        principal: Principal,
        finish: Finish,
        then: Callable[[Inspected], None],
    ) -> None:
        slot = _Slot(self, (entity.partition(":")[0], what), finish, then)
        self._submit(request, entity, INSPECT, principal, slot, None, 0)

    def _submit(
        self,
        request: Request,
        entity: str,
        message: Message,
        principal: Principal,
        slot: _Slot,
        command_id: str | None,
        size: int,
    ) -> None:
        now = trio.current_time()
        try:
            deadline = now + self._timeout_s(request)
            parent = request.headers.get(b"traceparent") if self.services.trust_traces else None
            slot.span = self.services.tracing.begin(
                ".".join(slot.label), parent.decode("latin-1") if parent is not None else None
            )
            self.services.deadlines.add(deadline, slot)
            envelope = Envelope(
                message=message,
                principal=principal,
                slot=slot,
                deadline=deadline,
                command_id=command_id,
                digest=digest_of(message) if command_id is not None else None,
                trace=traceparent_of(slot.span) if slot.span is not None else None,
                size=size,
                queued_at=now,
            )
            if b"authorization" not in request.headers:
                self.services.submit(entity, envelope)
                return

            def submit() -> None:
                if not slot.done:
                    try:
                        self.services.submit(entity, envelope)
                    except ActorError as error:
                        slot.reject(error)

            self.services.sessions.check(principal, deadline, submit, slot.reject)
        except ActorError as error:
            slot.reject(error)

    def _timeout_s(self, request: Request) -> float:
        asked = request.headers.get(b"x-request-timeout")
        config = self.services.config
        if asked is None:
            return config.deadline_s
        try:
            timeout_s = float(asked)
        except ValueError:
            timeout_s = -1.0
        if not 0 < timeout_s <= config.deadline_max_s:
            raise BadRequest(f"X-Request-Timeout must be seconds, above 0 and at most {config.deadline_max_s:g}")
        return timeout_s

    def _view(self, seen: Inspected, finish: Finish) -> None:
        finish(
            200,
            b'{"view":%b,"epoch":%b,"offset":%d}' % (seen.view, msgspec.json.encode(seen.epoch), seen.offset),
            (),
        )

    def _history(self, entity: str, asked: "_HistoryQuery", seen: Inspected, finish: Finish) -> None:
        if asked.epoch and asked.epoch != seen.epoch:
            gone = BadRequest(
                "since: the journal began anew; load the view and start over", name="epoch_changed", status=409
            )
            finish_with_error(finish, gone)
            return

        async def read() -> None:
            after, before = (asked.offset, seen.offset + 1)
            if asked.reverse:
                after, before = 0, min(before, asked.offset) if asked.offset else before
            try:
                head, events = await self.services.journal.read(
                    entity, after=after, before=before, limit=asked.limit, reverse=asked.reverse
                )
                if head is not None and (head.epoch != seen.epoch or head.offset < seen.offset):
                    # The entity that was asked has yet to hear that its journal is another.
                    finish_with_error(finish, Unavailable("the journal began anew"))
                    return
                shown = first_publications(events, seen.epoch, bytes_max=self.services.history_bytes_max)
            except StoreUnavailable:
                finish_with_error(finish, Unavailable("the store is not reachable"))
            except Exception as error:  # the edge: whoever waits for this must hear something
                log.exception("history_failed", entity=entity)
                finish_with_error(finish, HandlerFailed(repr(error)))
            else:
                body = b'{"publications":[%b],"epoch":%b,"offset":%d}'
                finish(200, body % (b",".join(shown), msgspec.json.encode(seen.epoch), seen.offset), ())

        try:
            self.services.spawn(read)
        except ActorError as error:
            finish_with_error(finish, error)


class _HistoryQuery(Struct):
    epoch: str
    offset: int
    limit: int
    reverse: bool

    @classmethod
    def of(cls, query: bytes, limit_max: int) -> "_HistoryQuery":
        """`since` is an offset or `epoch:offset`. Raises: BadRequest, HttpError."""
        found = dict(query_pairs(query))
        epoch, _, offset = found.get("since", "0").rpartition(":")
        limit, reverse = found.get("limit", "100"), found.get("reverse", "").lower()
        if not offset.isascii() or not offset.isdigit() or len(offset) > 16:
            raise BadRequest("since must be an offset or epoch:offset")
        if not limit.isascii() or not limit.isdigit() or not 1 <= int(limit[:9]) <= limit_max:
            raise BadRequest(f"limit must be 1 to {limit_max}")
        if reverse not in ("", "0", "1", "true", "false"):
            raise BadRequest("reverse must be true or false")
        return cls(epoch, int(offset), int(limit), reverse in ("1", "true"))
