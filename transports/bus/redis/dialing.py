"""Opening connections: to whom, with which name and password, and who is the primary now."""

import random
import ssl
from collections.abc import Sequence

import hiredis
import trio

from greenroom.transports.bus.carrier import CarrierLost
from greenroom.transports.bus.redis.address import Address, RedisTarget
from greenroom.transports.bus.redis.connection import (
    PlainWire,
    RedisConnection,
    Reply,
    packed,
    raise_refusals,
    refusal_of,
)

CONNECT_S = 2.0
SENTINEL_S = 1.0  # of each sentinel: the others are asked next


class Dialer:
    """Opens connections to what a URL names. Keeps nothing open itself."""

    def __init__(self, target: RedisTarget, seed: random.Random | None = None) -> None:
        self._target = target
        self._random = seed if seed is not None else random.Random()
        self._tls: ssl.SSLContext | None = None

    async def open(self) -> RedisConnection:
        """To the primary, or to any node of a cluster. Raises: CarrierLost."""
        if self._target.service is not None:
            return await self._open_primary(self._target.service)
        return await self._open_any(self._target.addresses)

    async def open_at(self, address: Address) -> RedisConnection:
        """To that node of the cluster. Raises: CarrierLost."""
        connection = await self._connect(address)
        try:
            await self._log_in(connection)
        except BaseException:
            await connection.aclose()
            raise
        return connection

    async def _open_any(self, addresses: Sequence[Address]) -> RedisConnection:
        last = CarrierLost("away", "no address")
        for address in self._random.sample(addresses, len(addresses)):
            try:
                return await self.open_at(address)
            except CarrierLost as error:
                last = error
        raise last

    async def _open_primary(self, service: str) -> RedisConnection:
        """As the sentinels say; and the server itself has to say so, too, or it was one until a moment ago."""
        last = CarrierLost("away", "no sentinel")
        for sentinel in self._random.sample(self._target.addresses, len(self._target.addresses)):
            try:
                connection = await self.open_at(await self._primary_by(sentinel, service))
            except CarrierLost as error:
                last = error
                continue
            try:
                role = await connection.call(packed("ROLE"), 1, within_s=SENTINEL_S)
                raise_refusals(role)
            except CarrierLost as error:
                last = error
                await connection.aclose()
                continue
            match role[0]:
                case [b"master", *_]:
                    return connection
            await connection.aclose()
            last = CarrierLost("read_only", f"{connection.name} is called the primary of {service} and is none")
        raise last

    async def _primary_by(self, sentinel: Address, service: str) -> Address:
        connection = await self._connect(sentinel)
        try:
            asked = packed("SENTINEL", "GET-MASTER-ADDR-BY-NAME", service)
            reply: Reply = (await connection.call(asked, 1, within_s=SENTINEL_S))[0]
        finally:
            await connection.aclose()
        match reply:
            case [bytes(host), bytes(port)]:
                return Address(host.decode(), int(port))
            case hiredis.ReplyError():
                error = refusal_of(reply)
                raise error if isinstance(error, CarrierLost) else CarrierLost("refused", str(error))
        raise CarrierLost("away", f"sentinel {sentinel} knows of no {service}")

    async def _connect(self, address: Address) -> RedisConnection:
        try:
            if self._target.tls is not None and self._tls is None:
                self._tls = self._target.tls_context()
            with trio.fail_after(CONNECT_S):
                if address.is_path:
                    stream = await trio.open_unix_socket(address.host)
                else:
                    stream = await trio.open_tcp_stream(address.host, address.port)
                secured = await self._secured(stream, self._tls, address.host) if self._tls is not None else None
        except trio.TooSlowError:
            raise CarrierLost("stalled", f"{address} took no connection for {CONNECT_S:g} s") from None
        except (OSError, trio.BrokenResourceError) as error:  # ssl.SSLError is an OSError
            raise CarrierLost("away", f"{address}: {error.__cause__ or error}") from error
        return RedisConnection(secured if secured is not None else PlainWire(stream), str(address))

    async def _secured(
        self, stream: trio.SocketStream, tls: ssl.SSLContext, host: str
    ) -> trio.SSLStream[trio.SocketStream]:
        secured = trio.SSLStream(stream, tls, server_hostname=host, https_compatible=True)
        try:
            await secured.do_handshake()
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
        return secured

    async def _log_in(self, connection: RedisConnection) -> None:
        target = self._target
        commands: list[bytes] = []
        if target.password is not None:
            user = (target.username,) if target.username is not None else ()
            commands.append(packed("AUTH", *user, target.password))
        if target.db:
            commands.append(packed("SELECT", target.db))
        if target.client_name is not None:
            commands.append(packed("CLIENT", "SETNAME", target.client_name))
        if commands:
            replies = await connection.call(b"".join(commands), len(commands), within_s=CONNECT_S)
            for reply in replies:
                if isinstance(reply, hiredis.ReplyError):
                    error = refusal_of(reply)
                    raise error if isinstance(error, CarrierLost) else CarrierLost("refused", str(error))
