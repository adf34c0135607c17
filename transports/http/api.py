"""Commands, views and history over HTTP.

`POST /api/{kind}/{key}/{command}`, `GET /api/{kind}/{key}`, `GET /api/{kind}/{key}/history?since=&limit=&reverse=`, and
`GET /api/{view}/{key}` of views that are made of many entities, or `GET /api/{other}/{key}/{view}` of all pages that
another view's page names (transports/views/reading.py), and `GET /api/jobs` and `GET /api/queues` (job_lists.py).
What such a path names is told by `addresses.py`.
"""

from collections.abc import Callable
from functools import partial

import msgspec
import structlog
import trio
from opentelemetry.trace import Span

from greenroom.actors.model.entity import split_entity
from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import ActorError, DeadlineExceeded, HandlerFailed, Overloaded
from greenroom.actors.model.kinds import Command
from greenroom.actors.model.lifecycle import Inspected
from greenroom.actors.model.principal import STAFF_ROLES, Principal
from greenroom.actors.views.installed import Installed
from greenroom.actors.views.page_actor import check_access
from greenroom.config.telemetry.instruments import OTHER
from greenroom.config.telemetry.shown import shown
from greenroom.config.telemetry.tracing import ENTITY, traceparent_of
from greenroom.transports.auth.http_principal import http_identity
from greenroom.transports.codecs.http_error import HttpError
from greenroom.transports.codecs.http_head import Request
from greenroom.transports.codecs.numbers import seconds
from greenroom.transports.errors import BadRequest, error_headers, http_error_body
from greenroom.transports.http.addresses import HISTORY, VIEW, Address, Addresses, split_key
from greenroom.transports.http.job_lists import LIST_PATHS, list_answer, list_request
from greenroom.transports.http.live import Finish, Headers
from greenroom.transports.http.queries import history_range, sureness_of
from greenroom.transports.hub.reading import Page, page_json
from greenroom.transports.services import Services
from greenroom.transports.views.reading import answer as rows_of
from greenroom.transports.views.reading import is_known, understood

log = structlog.get_logger("greenroom.http")

COMMAND_ID_MAX = 255  # characters
ANONYMOUS_TOGETHER = "anonymous"  # no user is called so: see RESERVED_USERS


class _Answer:
    """The one answer of one request, from when the request is understood; also the reply slot of its command."""

    __slots__ = ("_api", "_finish", "_tick", "deadline", "done", "label", "span", "trace")

    def __init__(self, api: "HttpApi", request: Request, address: Address, finish: Finish, now: float) -> None:
        """`now` on the trio clock. Raises: BadRequest when the request's own deadline is none."""
        services, headers = api.services, request.headers
        timeout_s = services.http.deadline_s
        if b"x-request-timeout" in headers:
            timeout_s = api.timeout_s(headers[b"x-request-timeout"])
        self.deadline = deadline = now + timeout_s
        self.label = address.label
        self.done = False
        parent: str | None = None
        if services.anonymous and b"traceparent" in headers:  # else only we decide what is recorded
            parent = headers[b"traceparent"].decode("latin-1")
        span = services.tracing.begin(address.span, parent)
        if span is not None:
            span.set_attribute(ENTITY, address.entity)
        self.span: Span | None = span
        self.trace = traceparent_of(span) if span is not None else None
        self._api = api
        self._finish = finish
        api.in_flight += 1
        self._tick = services.deadlines.add(deadline, self)

    def _end(self, outcome: str) -> None:
        self.done = True
        self._tick.pop(self, None)
        api, (kind, command) = self._api, self.label
        api.in_flight -= 1
        api.services.instruments.count_command(kind, command, outcome)
        if self.span is not None:
            self.span.set_attribute("greenroom.outcome", outcome)
            self.span.end()

    def give(self, body: bytes, headers: Headers = (), *, status: int = 200) -> None:
        if not self.done:
            self._end("ok")
            self._finish(status, body, headers)

    def resolve(self, reply: object, encoded: bytes | None) -> None:
        if self.done:
            return
        try:
            body = encoded if encoded is not None else msgspec.json.encode(reply)
        except Exception as error:  # the edge: an entity's reply that is no JSON must not end the entity
            log.exception("reply_not_encodable", kind=self.label[0], command=self.label[1])
            self.broken(error)
            return
        self._end("ok")
        self._finish(200, body, ())

    def reject(self, error: ActorError) -> None:
        if not self.done:
            self._end(error.name)
            finish_with_error(self._finish, error)

    def broken(self, error: Exception) -> None:
        """By a mistake of ours, or of an entity."""
        self.reject(HandlerFailed(shown(error)))

    def expire(self) -> None:
        self.reject(DeadlineExceeded())


def finish_with_error(finish: Finish, error: ActorError) -> None:
    finish(error.status, http_error_body(error), error_headers(error))


def method_not_allowed(allow: str) -> HttpError:
    return HttpError(405, f"the methods here are {allow}", ((b"Allow", allow.encode()),))


class HttpApi:
    """Answers requests under `/api/`: the entity named by the path is asked, as the request's principal."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self._address = Addresses(services.kinds).find
        self.in_flight = 0  # requests that will be answered

    def handle(self, request: Request, finish: Finish) -> None:
        """Answer one request under `/api/` by calling `finish` once."""
        services = self.services
        try:
            if self.in_flight >= services.http.in_flight_max:
                raise Overloaded("too many commands are in work")
            path, method = request.path, request.method
            if path.count(b"/") < 3 and path not in LIST_PATHS:
                raise BadRequest(f"no such address: {path.decode('latin-1')[:200]}", name="not_found", status=404)
            principal = http_identity(
                request.headers,
                services.tokens,
                anonymous=services.anonymous,
                watches=services.anonymous_watch and method in ("GET", "HEAD"),
            ).principal
            if path in LIST_PATHS:
                self._list(request, principal, finish)
                return
            view = self._view_of(request) if services.views is not None else None
            if view is not None:
                self._rows(request, view, principal, finish)
                return
            address = self._address(path, method == "POST")
            if address.command is not None:
                self._command(request, address, address.command, principal, finish)
            else:
                self._look(request, address, principal, finish)
        except ActorError as error:
            self._count_refused(request, error.name)
            finish_with_error(finish, error)
        except HttpError as error:
            name = "method_not_allowed" if error.status == 405 else "bad_request"
            self._count_refused(request, name)
            shown = BadRequest(error.reason, name=name, status=error.status)
            finish(error.status, http_error_body(shown), error.headers)

    def _count_refused(self, request: Request, outcome: str) -> None:
        """One that was refused before it was understood. Names that nobody installed are counted together."""
        kind, command = OTHER, OTHER
        segments = request.segments
        if self._view_of(request) is not None:
            kind, command = segments[1], VIEW
        elif len(segments) > 2 and segments[1] in self.services.kinds:
            installed = self.services.kinds[segments[1]]
            kind = installed.name
            _, name = split_key(installed, list(segments[2:]), request.method == "POST")
            if name in installed.commands or name in (HISTORY, VIEW):
                command = name
        self.services.instruments.count_command(kind, command, outcome)

    def _look(self, request: Request, address: Address, principal: Principal, finish: Finish) -> None:
        if address.name not in (HISTORY, VIEW):
            raise method_not_allowed("POST, OPTIONS")
        if request.method not in ("GET", "HEAD"):
            raise method_not_allowed("GET, HEAD, OPTIONS")
        if address.name == HISTORY:
            self._history(request, address, principal, finish)
        else:
            self._view(request, address, principal, finish)

    def _command(
        self, request: Request, address: Address, command: Command, principal: Principal, finish: Finish
    ) -> None:
        headers, body = request.headers, request.body
        message = command.decode(body or b"{}")
        key = message.idempotency_key
        if b"idempotency-key" in headers:
            key = headers[b"idempotency-key"].decode("latin-1")
        if key is not None and not 0 < len(key) <= COMMAND_ID_MAX:
            raise BadRequest(f"Idempotency-Key must be 1 to {COMMAND_ID_MAX} characters")
        now = trio.current_time()
        answer = _Answer(self, request, address, finish, now)
        try:
            envelope = Envelope.command(
                message,
                principal,
                answer,
                now=now,
                deadline=answer.deadline,
                idempotency_key=key,
                trace=answer.trace,
                size=len(body),
            )
        except ActorError as error:
            answer.reject(error)
            return
        if b"authorization" not in headers:
            try:
                self.services.submit(address.entity, envelope)
            except ActorError as error:
                answer.reject(error)
        else:
            submit = partial(self._submit, address.entity, envelope, answer)
            self.services.sessions.check(principal, answer.deadline, submit, answer.reject)

    def _submit(self, entity: str, envelope: Envelope, answer: _Answer) -> None:
        if not answer.done:
            try:
                self.services.submit(entity, envelope)
            except ActorError as error:
                answer.reject(error)

    def _view(self, request: Request, address: Address, principal: Principal, finish: Finish) -> None:
        sureness = sureness_of(request.query)
        answer = _Answer(self, request, address, finish, trio.current_time())

        def seen(found: Inspected) -> None:
            body = b'{"view":%b,"epoch":%b,"offset":%d}'
            answer.give(body % (found.view, msgspec.json.encode(found.epoch), found.offset))

        def read() -> None:
            self.services.reading.inspect(
                address.entity,
                principal,
                seen,
                answer.reject,
                answer.broken,
                deadline=answer.deadline,
                trace=answer.trace,
                sureness=sureness,
            )

        self._once_signed_in(request, principal, answer, read)

    def _view_of(self, request: Request) -> Installed | None:
        """The view whose rows a request wants. Its history is that of its pages' entities."""
        views = self.services.views
        segments = request.segments
        if views is None or request.method not in ("GET", "HEAD") or segments[3:] == (HISTORY,):
            return None
        return views.views.get(segments[1])

    def _rows(self, request: Request, view: Installed, principal: Principal, finish: Finish) -> None:
        """Raises: BadEntity, BadRequest, HttpError; what the view refuses with."""
        views, hub = self.services.views, self.services.hub
        assert views is not None
        parts = request.segments[2:]
        asked = views.views.across(view.name, parts[-1]) if len(parts) > 1 else None
        key = "/".join(parts if asked is None else parts[:-1])
        entity = f"{view.name}:{key}"
        split_entity(entity)
        wanted = understood(request.query, asked or view)
        address = Address(entity, VIEW, (view.name, VIEW), f"{view.name}.{VIEW}", None)
        answer = _Answer(self, request, address, finish, trio.current_time())
        # Staff may act for many. Nothing tells the anonymous apart, so all of them have what one user has.
        who = (principal.user or ANONYMOUS_TOGETHER) if STAFF_ROLES.isdisjoint(principal.roles) else ""

        async def read() -> None:
            across = view.name if asked is not None else ""
            of, until = asked or view, answer.deadline
            etag, body = await rows_of(views, hub, of, key, wanted, until, who=who, across=across)
            headers = ((b"ETag", etag), (b"Cache-Control", b"private, no-cache"))
            if is_known(etag, request.headers.get(b"if-none-match")):
                answer.give(b"", headers, status=304)
            else:
                answer.give(body, headers)

        def start() -> None:
            self.services.reads.start(read, answer.reject, answer.broken)

        def permit(asked_of: str, then: Callable[[], None]) -> None:
            self.services.reading.permit(
                asked_of, principal, then, answer.reject, answer.broken, deadline=answer.deadline, trace=answer.trace
            )

        def wait() -> None:
            if wanted.entity:  # how far an entity is, is nothing for those who may not watch it
                permit(wanted.entity, start)
            else:
                start()

        def begin() -> None:
            guard = view.view.guarded_by
            if guard:
                permit(f"{guard}:{key}", wait)
                return
            try:
                check_access(view.view, principal, key)
            except ActorError as error:
                answer.reject(error)
            except Exception as error:  # the edge: the view's own code may raise anything
                log.exception("read_failed", entity=entity, error=shown(error))
                answer.broken(error)
            else:
                wait()

        self._once_signed_in(request, principal, answer, begin)

    def _list(self, request: Request, principal: Principal, finish: Finish) -> None:
        """Raises: BadRequest, HttpError."""
        lists = self.services.jobs
        if request.method not in ("GET", "HEAD"):
            raise method_not_allowed("GET, HEAD, OPTIONS")
        if lists is None:
            raise BadRequest("no jobs are kept here", name="not_found", status=404)
        wanted = list_request(request.path, request.query)
        name = request.segments[1]
        address = Address(name, VIEW, (name, VIEW), f"{name}.{VIEW}", None)
        answer = _Answer(self, request, address, finish, trio.current_time())

        async def read() -> None:
            answer.give(await list_answer(lists, wanted, principal))

        def start() -> None:
            self.services.reads.start(read, answer.reject, answer.broken)

        self._once_signed_in(request, principal, answer, start)

    def _history(self, request: Request, address: Address, principal: Principal, finish: Finish) -> None:
        wanted = history_range(request.query, self.services.client.history_max)
        sureness = sureness_of(request.query)
        answer = _Answer(self, request, address, finish, trio.current_time())

        def shown(page: Page) -> None:
            answer.give(page_json(page))

        def read() -> None:
            self.services.reading.history(
                address.entity,
                principal,
                wanted,
                shown,
                answer.reject,
                answer.broken,
                gone=lambda: answer.done,
                deadline=answer.deadline,
                trace=answer.trace,
                sureness=sureness,
            )

        self._once_signed_in(request, principal, answer, read)

    def _once_signed_in(
        self, request: Request, principal: Principal, answer: _Answer, then: Callable[[], None]
    ) -> None:
        """A token counts until its user signs out; who comes without one has none to lose."""
        if b"authorization" in request.headers:
            self.services.sessions.check(principal, answer.deadline, then, answer.reject)
        else:
            then()

    def timeout_s(self, asked: bytes) -> float:
        """How long a request with this `X-Request-Timeout` is worth answering. Raises: BadRequest."""
        most = self.services.http.deadline_max_s
        timeout_s = seconds(asked.decode("latin-1"), most=most)
        if timeout_s is None:
            raise BadRequest(f"X-Request-Timeout must be seconds, above 0 and at most {most:g}")
        return timeout_s
