"""A client of one URL: a request at a time over a connection that is kept, and nothing followed.

`h11` reads the answer. TLS is verified against the host's name, whatever address was connected to. No proxy is used,
and of an answer only the status, two headers and at most 64 KiB of a body are looked at.
"""

import ssl
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

import h11
import trio

from greenroom.transports.webhooks.addresses import look_up

BODY_MAX = 64 << 10  # of an answer; a longer one ends the connection, and the status counts
RECEIVE_BYTES = 16 << 10


class Answer(NamedTuple):
    """What of an answer says what follows."""

    status: int
    retry_after: str  # the header, "" where there is none


class Broken(Exception):
    """The answer is none in HTTP, or the connection ended before it was whole."""


class WebhookClient:
    """Not for several tasks at once."""

    def __init__(self, url: str, *, private: bool, tls: ssl.SSLContext | None = None) -> None:
        """`private`: may it be in a private network? `tls`: None: the system's certificates."""
        split = urlsplit(url)
        self._is_tls = split.scheme == "https"
        self._host = split.hostname or ""
        self._port = split.port or (443 if self._is_tls else 80)
        self._authority = split.netloc
        self._target = (split.path or "/") + (f"?{split.query}" if split.query else "")
        self._private = private
        self._tls = tls
        self._stream: trio.abc.Stream | None = None
        self._protocol = h11.Connection(h11.CLIENT)

    async def post(self, body: bytes, headers: Sequence[tuple[str, str]]) -> Answer:
        """Raises: OSError, trio.BrokenResourceError, Broken, PrivateAddress. Cancelled midway, the connection ends."""
        is_reused = self._stream is not None
        try:
            try:
                return await self._post(body, headers)
            except (trio.BrokenResourceError, Broken):
                # One that was kept may have been closed by the other side just now: that is no fault of anybody's.
                if not is_reused:
                    raise
                await self.aclose()
                return await self._post(body, headers)
        except BaseException:
            await self._drop()
            raise

    async def aclose(self) -> None:
        """Without a goodbye in TLS: what was answered is known."""
        await self._drop()

    async def _drop(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            await trio.aclose_forcefully(stream)

    async def _post(self, body: bytes, headers: Sequence[tuple[str, str]]) -> Answer:
        stream = self._stream
        if stream is None:
            stream = self._stream = await self._connect()
            self._protocol = h11.Connection(h11.CLIENT)
        protocol = self._protocol
        request = h11.Request(
            method="POST",
            target=self._target,
            headers=[("host", self._authority), ("content-length", str(len(body))), *headers],
        )
        head = protocol.send(request)
        assert head is not None
        await stream.send_all(
            head + (protocol.send(h11.Data(data=body)) or b"") + (protocol.send(h11.EndOfMessage()) or b"")
        )
        answer = await self._answer(stream, protocol)
        if protocol.our_state is h11.DONE and protocol.their_state is h11.DONE:
            protocol.start_next_cycle()
        else:
            await self._drop()
        return answer

    async def _answer(self, stream: trio.abc.Stream, protocol: h11.Connection) -> Answer:
        answer: Answer | None = None
        size = 0
        while True:
            try:
                event = protocol.next_event()
            except h11.RemoteProtocolError as error:
                raise Broken(str(error)) from error
            if event is h11.NEED_DATA:
                protocol.receive_data(bytes(await stream.receive_some(RECEIVE_BYTES)))
            elif isinstance(event, h11.Response):
                found = {bytes(name): bytes(value) for name, value in event.headers}
                answer = Answer(event.status_code, found.get(b"retry-after", b"").decode("latin-1"))
            elif isinstance(event, h11.Data):
                size += len(event.data)
                if size > BODY_MAX and answer is not None:
                    return answer
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed) or event is h11.PAUSED:
                if answer is None:
                    raise Broken("the connection ended before an answer")
                return answer

    async def _connect(self) -> trio.abc.Stream:
        wrong: OSError = OSError(f"no address of {self._host} answers")
        for address in await look_up(self._host, self._port, private=self._private):
            try:
                stream = await trio.open_tcp_stream(address, self._port)
            except OSError as error:
                wrong = error
                continue
            if not self._is_tls:
                return stream
            wrapped = trio.SSLStream(stream, self._tls or ssl.create_default_context(), server_hostname=self._host)
            try:
                await wrapped.do_handshake()
            except BaseException:
                await trio.aclose_forcefully(wrapped)
                raise
            return wrapped
        raise wrong
