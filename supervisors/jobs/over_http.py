"""A queue over HTTP: how a worker that is no part of a node asks it. Connections are kept, one a message on its way."""

import math
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast
from urllib.parse import quote, urlsplit

import h11
import msgspec
import trio
from msgspec import Struct

from greenroom.actors.model.errors import ActorError, InvalidCommand, Refused, Unavailable
from greenroom.actors.model.message import Ask, Done, Reply, reply_type, tag_of
from greenroom.config.telemetry.shown import shown

RECEIVE_BYTES = 64 << 10
ANSWER_MAX = 64 << 20  # bytes: a thousand jobs with their arguments, and more
CONNECT_S = 5.0
TIMEOUT_S = 45.0  # of one message, in which it may wait at the queue: see WAIT_MAX_S
IDLE_MAX = 16  # connections that are kept
DENYING = (301, 302, 307, 308, 401, 403, 404, 405)  # statuses of a server that does not know us, or is none of ours
DENIED_S = 60.0  # that one which had let us in may say so for a while


class _Error(Struct, frozen=True):
    code: int = 0
    name: str = "internal"
    message: str = ""
    temporary: bool = False


class _Refusal(Struct, frozen=True):
    error: _Error = _Error()


class OverHttp:
    """Of one server. Called as `Router.ask` is."""

    def __init__(self, url: str, token: Callable[[], str], *, tls: ssl.SSLContext | None = None) -> None:
        """`url` without a path of ours. `token` is asked for again when the server refuses it. `tls`: None: the
        system's certificates."""
        split = urlsplit(url.rstrip("/"))
        self._is_tls = split.scheme == "https"
        self._host = split.hostname or ""
        self._port = split.port or (443 if self._is_tls else 80)
        self._authority = split.netloc.rpartition("@")[2]
        self._prefix = split.path
        self._fresh_token = token
        self._token = ""
        self._tls = tls
        self._idle: list[_Connection] = []
        self.denied = trio.Event()  # it does not let us in, and nothing will come of asking again
        self.denied_why = ""
        self._denied_since: float | None = -math.inf  # None: it has let us in

    async def __call__(self, entity: str, message: Ask[Reply], /) -> Reply:
        """Raises: Refused as the server does; InvalidCommand for what is no JSON; Unavailable where the server is out
        of reach, or says that it is for a while."""
        kind, _, key = entity.partition(":")
        target = f"{self._prefix}/api/{kind}/{quote(key, safe='')}/{tag_of(type(message)).partition('.')[2]}"
        try:
            body = msgspec.json.encode(message)
        except Exception as error:  # the edge: a job's own texts are in it
            raise InvalidCommand(f"it can't be sent: {shown(error)[:200]}") from None
        try:
            with trio.fail_after(TIMEOUT_S):
                if not self._token:
                    self._token = self._fresh_token()
                status, answer = await self._post(target, body)
                if status == 401:
                    self._token = self._fresh_token()
                    status, answer = await self._post(target, body)
        except (OSError, trio.BrokenResourceError, h11.RemoteProtocolError, trio.TooSlowError, ssl.SSLError) as error:
            raise Unavailable(f"the server is out of reach: {error!r}") from error
        except (h11.LocalProtocolError, UnicodeEncodeError):  # these show the header, and so the token
            raise Unavailable("the request can't be made: its token or its host is no header's") from None
        self._note(status, answer)
        if status != 200:
            raise _refused(status, answer)
        try:
            return cast(Reply, msgspec.json.decode(answer, type=reply_type(type(message)) or Done))
        except msgspec.MsgspecError as error:
            raise Unavailable(f"the server's answer is none: {error}") from error

    def _note(self, status: int, answer: bytes) -> None:
        """Whether it lets us in."""
        if status not in DENYING:
            if status == 200:
                self._denied_since = None
            return
        now = trio.current_time()
        if self._denied_since is None:
            self._denied_since = now
        if now - self._denied_since >= DENIED_S:
            self.denied_why = str(_refused(status, answer))[:500]
            self.denied.set()

    async def _post(self, target: str, body: bytes) -> tuple[int, bytes]:
        headers = [
            ("Host", self._authority),
            ("Authorization", f"Bearer {self._token}"),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("X-Request-Timeout", f"{TIMEOUT_S:g}"),
        ]
        request = h11.Request(method="POST", target=target, headers=headers)
        is_kept = bool(self._idle)
        connection = self._idle.pop() if self._idle else await self._connect()
        try:
            try:
                answer = await connection.post(request, body)
            except (trio.BrokenResourceError, h11.RemoteProtocolError):
                # One that was kept may have been closed by the other side just now. What was asked twice is refused.
                if not is_kept:
                    raise
                await connection.aclose()
                connection = await self._connect()
                answer = await connection.post(request, body)
        except BaseException:
            await connection.aclose()
            raise
        if connection.is_ready and len(self._idle) < IDLE_MAX:
            self._idle.append(connection)
        else:
            await connection.aclose()
        return answer

    async def _connect(self) -> "_Connection":
        with trio.fail_after(CONNECT_S):
            stream: trio.abc.Stream = await trio.open_tcp_stream(self._host, self._port)
            if self._is_tls:
                context = self._tls or ssl.create_default_context()
                stream = trio.SSLStream(stream, context, server_hostname=self._host, https_compatible=True)
            return _Connection(stream)

    async def aclose(self) -> None:
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.aclose()


class _Connection:
    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._protocol = h11.Connection(h11.CLIENT)
        self.is_ready = True

    async def post(self, request: h11.Request, body: bytes) -> tuple[int, bytes]:
        """Raises: OSError, trio.BrokenResourceError, h11.RemoteProtocolError, h11.LocalProtocolError."""
        protocol = self._protocol
        self.is_ready = False
        said = (protocol.send(request), protocol.send(h11.Data(data=body)), protocol.send(h11.EndOfMessage()))
        with suppress(trio.BrokenResourceError):  # it may have said why before it had heard all
            await self._stream.send_all(b"".join(part for part in said if part))
        status, parts, size = 0, list[bytes](), 0
        while True:
            event: Any = protocol.next_event()
            if event is h11.NEED_DATA:
                protocol.receive_data(bytes(await self._stream.receive_some(RECEIVE_BYTES)))
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                size += len(event.data)
                if size > ANSWER_MAX:
                    raise h11.RemoteProtocolError(f"an answer of more than {ANSWER_MAX} bytes")
                parts.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                break
            elif isinstance(event, h11.ConnectionClosed) or event is h11.PAUSED:
                raise h11.RemoteProtocolError("the connection ended before an answer")
        if protocol.our_state is h11.DONE and protocol.their_state is h11.DONE:
            protocol.start_next_cycle()
            self.is_ready = True
        return status, b"".join(parts)

    async def aclose(self) -> None:
        await trio.aclose_forcefully(self._stream)


def _refused(status: int, answer: bytes) -> ActorError:
    try:
        error = msgspec.json.decode(answer, type=_Refusal).error
    except msgspec.MsgspecError:  # a proxy's page
        error = _Error(temporary=status >= 500)
    text = f"{status} {error.name}: {error.message}"
    return Unavailable(text) if error.temporary or status >= 500 else Refused(error.name, text, status=status)
