"""`GET /admin/live`: the cluster, with `?show=views` the tables of views and with `?show=queues` all queues, or with
`?entity=room:lobby` that entity, or `?queue=`, `?job=`, `?saga=`: as server-sent events for whoever may look.

Read by the pages with `fetch`, not `EventSource`: the token is in a header, and in no address. Each event stands for
itself, so of what a slow reader has not taken only the newest waits. Nothing is resumed.
"""

from collections.abc import Callable, Mapping
from functools import partial

import trio

from greenroom.actors.model.entity import split_entity
from greenroom.actors.model.errors import ActorError, Refused
from greenroom.transports.admin.desk import CLUSTER, VIEWS, Live
from greenroom.transports.admin.job_desk import JOB, QUEUE, QUEUES, SAGA
from greenroom.transports.admin.roles import Operators
from greenroom.transports.codecs.http_error import HttpError
from greenroom.transports.codecs.http_head import Request, query_pairs
from greenroom.transports.codecs.http_response import response, stream_head
from greenroom.transports.errors import error_headers, http_error_body
from greenroom.transports.hub.connected import Connections
from greenroom.transports.sockets.connection import Connection

LIVE = b"/admin/live"
KEEP_ALIVE_S = 15.0
SESSION_S = 2.0  # as for the pages
RECHECK_S = 30.0  # a sign-out that a broken link has lost is heeded after that, as by requests
EVENT_STREAM = b"text/event-stream; charset=utf-8"


class AdminStream:
    """One open response, from its request to its end."""

    def __init__(
        self,
        connection: Connection,
        request: Request,
        *,
        live: Live,
        operators: Operators,
        connections: Connections,
        clock: Callable[[], float],
        date: Callable[[], bytes],
    ) -> None:
        """`connections`: where the user's sign-out finds this. `clock` gives Unix seconds. Raises: HttpError for a bad
        request; ActorError for whoever may not look."""
        self._connection = connection
        self._live = live
        self._sessions = operators.sessions
        self._connections = connections
        self._clock = clock
        self._date = date
        self._has_token = b"authorization" in request.headers
        self._operator = operators.known(request.headers)
        self._what = _what(dict(query_pairs(request.query)))
        self._closed = False
        self._headed = False
        self._keep_alive_at = trio.current_time() + KEEP_ALIVE_S
        self._recheck_at = trio.current_time() + RECHECK_S

    @property
    def sees_all(self) -> bool:
        return self._operator.is_admin

    def start(self) -> None:
        """Begin; call once the connection speaks this protocol."""
        self._connections.add(self._operator.principal.user, self)
        if self._has_token:
            deadline = trio.current_time() + SESSION_S
            self._sessions.check(self._operator.principal, deadline, self._begin, self._refuse)
        else:
            self._begin()

    def _begin(self) -> None:
        if self._closed:
            return
        try:
            self._live.watch(self._what, self)
        except ActorError as error:
            self._refuse(error)
            return
        self._headed = True
        self._connection.send(stream_head(EVENT_STREAM, date=self._date()) + b":\n\n")

    def show(self, event: str, body: bytes) -> None:
        """See Onlooker."""
        if not self._closed and self._headed:
            self._keep_alive_at = trio.current_time() + KEEP_ALIVE_S
            self._connection.send_ephemeral(b"event: %b\ndata: %b\n\n" % (event.encode(), body), event)

    def _refuse(self, error: ActorError) -> None:
        if not self._closed:
            self._end()
            self._say_refused(error)

    def _say_refused(self, error: ActorError) -> None:
        self._connection.close_with(b"" if self._headed else refusal(error, self._date()))

    def _recheck(self, now: float) -> None:
        self._recheck_at = now + RECHECK_S
        if self._has_token:
            deadline = trio.current_time() + SESSION_S
            self._sessions.check(self._operator.principal, deadline, lambda: None, self._refuse_for_good)

    def _refuse_for_good(self, error: ActorError) -> None:
        if not error.temporary:  # amid troubles operators want to see
            self._refuse(error)

    def _end(self) -> None:
        self._closed = True
        self._live.leave(self._what, self)
        self._connections.remove(self._operator.principal.user, self)

    # The user's sign-out: see hub/connected.py.

    def kicked(self, code: int, reason: str) -> Callable[[], None]:
        if self._closed:
            return self.leave
        self._end()
        return partial(self._say_refused, Refused("kicked", reason))

    def leave(self) -> None:
        pass  # has left

    def unwatch(self, code: int, reason: str) -> None:
        self._refuse(Refused("kicked", reason))

    # From the connection.

    def received(self, data: bytes) -> None:
        pass  # nothing more is expected on this connection

    def half_closed(self) -> None:
        self._connection.abort()

    def disconnected(self) -> None:
        if not self._closed:
            self._end()

    def too_slow(self, why: str) -> None:
        self._connection.abort()

    @property
    def busy(self) -> bool:
        return False

    def shut_down(self, again_ms: int) -> None:
        if not self._closed:
            self._end()
            self._connection.close_with(b"retry: %d\n\n" % again_ms if self._headed else b"")

    def tick(self, now: float, queue_age_s: float) -> None:
        if self._closed or self._connection.waited_s(now) > queue_age_s:
            self._connection.abort()
        elif self._clock() >= self._operator.expires_at:
            self._end()
            self._connection.close_with(b"")
        else:
            if now >= self._recheck_at and self._headed:
                self._recheck(now)
            if now >= self._keep_alive_at and self._headed:
                self._keep_alive_at = now + KEEP_ALIVE_S
                self._connection.send(b":\n\n")


def _what(query: Mapping[str, str]) -> str:
    """Raises: BadEntity, HttpError."""
    for page, parameter in ((QUEUE, "queue"), (JOB, "job"), (SAGA, "saga")):
        if parameter in query:
            return page + _named(parameter, query[parameter])
    entity = query.get("entity")
    if entity is None:
        show = query.get("show")
        if show not in (None, VIEWS, QUEUES):
            raise HttpError(400, f"show: only {VIEWS} or {QUEUES}")
        return show or CLUSTER
    if not entity:
        raise HttpError(400, "entity: name one, as in ?entity=room:lobby")
    split_entity(entity)
    return entity


def _named(parameter: str, name: str) -> str:
    """Raises: BadEntity, HttpError."""
    split_entity(name if parameter == "saga" else f"{parameter}:{name}")
    return name


def refusal(error: ActorError, date: bytes) -> bytes:
    """The whole answer to a stream that can't begin."""
    return response(error.status, http_error_body(error), headers=error_headers(error), date=date, keep_alive=False)
