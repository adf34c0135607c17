"""A proxy before Postgres that lets in as a pooler or a limit does: knows few startup parameters, takes so many."""

import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from tests.store.postgres.peers.silent_proxy import SilentProxy

KNOWN = {"user", "database", "client_encoding", "datestyle", "timezone", "standard_conforming_strings"}
KNOWN |= {"application_name", "default_transaction_read_only"}  # about as PgBouncer 1.18 has it
CANCEL = b"\x04\xd2\x16\x2e"  # not a session's start: a request to end another's statement


class StrictProxy(SilentProxy):
    """Refuses in the words of PgBouncer and of Postgres."""

    def __init__(self, database_url: str, *, connections_max: int | None = None, read_only: bool = False) -> None:
        super().__init__(database_url)
        self._read_only = read_only  # behave as a standby does
        self.connections_max = connections_max
        self.open = 0
        self.refused: list[str] = []

    async def _serve(self, client: trio.SocketStream) -> None:
        head = await client.receive_some(65_536)
        if head[4:8] == CANCEL:
            await self._serve_from(client, head)
            return
        if self._read_only:
            body = head[4:-1] + b"default_transaction_read_only\0on\0\0"
            head = struct.pack("!i", len(body) + 4) + body
        words = head[8:].rstrip(b"\0").split(b"\0")
        unknown = [name.decode() for name in words[::2] if name.decode().lower() not in KNOWN]
        if unknown:
            await self._refuse(client, "08P01", f"unsupported startup parameter: {unknown[0]}")
        elif self.connections_max is not None and self.open >= self.connections_max:
            await self._refuse(client, "53300", 'too many connections for role "greenroom"')
        else:
            self.open += 1
            try:
                await self._serve_from(client, head)
            finally:
                self.open -= 1

    async def _serve_from(self, client: trio.SocketStream, head: bytes) -> None:
        silent = trio.Event()
        server = await trio.open_unix_socket(self._upstream)
        async with client, server, trio.open_nursery() as nursery:  # owner: this connection; either end ends it
            await server.send_all(head)
            nursery.start_soon(self._pass, client, server, silent, False, nursery.cancel_scope)
            await self._pass(server, client, silent, True, nursery.cancel_scope)

    async def _refuse(self, client: trio.SocketStream, code: str, message: str) -> None:
        self.refused.append(message)
        fields = b"".join(
            kind + text.encode() + b"\0"
            for kind, text in ((b"S", "FATAL"), (b"V", "FATAL"), (b"C", code), (b"M", message))
        )
        async with client:
            await client.send_all(b"E" + struct.pack("!i", len(fields) + 5) + fields + b"\0")


@asynccontextmanager
async def strict_proxy(
    database_url: str, *, connections_max: int | None = None, read_only: bool = False
) -> AsyncIterator[StrictProxy]:
    proxy = StrictProxy(database_url, connections_max=connections_max, read_only=read_only)
    async with trio.open_nursery() as nursery:
        await nursery.start(proxy.run)
        yield proxy
        nursery.cancel_scope.cancel()
