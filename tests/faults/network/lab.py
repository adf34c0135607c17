"""Hosts on one machine: network namespaces on one switch. Between any two packets can be lost, one way or both.

Made with `ip` as root, and gone with the processes that hold them, however the tests end. What is started, or connects,
`inside` a host is there: a namespace is a thread's, and passed on to its children.
"""

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from greenroom.store.own.processes import die_with_parent, end
from tests.starting.networks import PRESENT, enter_network

NET = "198.18.0"  # set apart for such things (RFC 2544)
PROGRAMS = ("ip", "unshare", "nsenter")
NOBODY = "02:00:00:00:00:00"  # an address on the wire that no host has
MAKE = "link add a0 type veth peer name a1\nlink add b0 type bridge\nlink set a1 master b0"


def missing() -> list[str]:
    """Programs that are to be installed."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


@functools.cache
def why_not() -> str:
    """Why there can be none here, whatever is installed; "" where there can."""
    if not sys.platform.startswith("linux"):
        return "network namespaces are of Linux"
    if os.geteuid() != 0:
        return "only root may make network namespaces"
    tried = subprocess.run(
        ["unshare", "--net", "ip", "-batch", "-"], input=MAKE, capture_output=True, text=True, check=False
    )
    return f"no network can be made here: {tried.stderr.strip()}" if tried.returncode else ""


class Host:
    """One namespace, held by a process that does nothing."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.address = f"{NET}.{number}"
        self._holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo; exec sleep infinity"],
            stdout=subprocess.PIPE,
            preexec_fn=die_with_parent(signal.SIGKILL),
        )
        assert self._holder.stdout is not None
        self._holder.stdout.readline()  # it is in its namespace
        self._holder.stdout.close()

    @property
    def pid(self) -> int:
        return self._holder.pid

    def ip(self, *commands: str) -> None:
        """Commands of `ip`, in here."""
        subprocess.run(
            ["nsenter", f"--net=/proc/{self.pid}/ns/net", "ip", "-batch", "-"],
            input="\n".join(commands),
            capture_output=True,
            text=True,
            check=True,
        )

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """This thread is in here."""
        before, here = (os.open(path, os.O_RDONLY) for path in (PRESENT, f"/proc/{self.pid}/ns/net"))
        try:
            enter_network(here)
            try:
                yield
            finally:
                enter_network(before)
        finally:
            os.close(before)
            os.close(here)

    def end(self) -> None:
        end(self._holder, ((signal.SIGKILL, 5.0),))


class Lab:
    """`with Lab("a", "b") as lab:` has hosts of these names, all of which reach one another."""

    def __init__(self, *names: str) -> None:
        self._names = names
        self._hosts: dict[str, Host] = {}
        self._switch: Host | None = None
        self._lost: set[tuple[str, str]] = set()

    def __enter__(self) -> Self:
        try:
            self._switch = Host("switch", 0)
            self._switch.ip("link add sw type bridge", "link set sw up")
            for number, name in enumerate(self._names, 1):
                host = self._hosts[name] = Host(name, number)
                port = f"p{number}"
                self._switch.ip(
                    f"link add {port} type veth peer name eth0 netns {host.pid}",
                    f"link set {port} master sw",
                    f"link set {port} up",
                )
                host.ip("link set lo up", f"address add {host.address}/24 dev eth0", "link set eth0 up")
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        for host in (*self._hosts.values(), *((self._switch,) if self._switch is not None else ())):
            host.end()

    def __getitem__(self, name: str) -> Host:
        return self._hosts[name]

    # What is lost.

    def lose(self, sender: str, receiver: str) -> None:
        """Whatever `sender` sends to `receiver`, from now on: it goes to nobody, and nobody is told."""
        if (sender, receiver) not in self._lost:
            self._lost.add((sender, receiver))
            address = self[receiver].address
            self[sender].ip(f"neighbour replace {address} lladdr {NOBODY} dev eth0 nud permanent")

    def cut(self, one: str, *others: str) -> None:
        """Whatever it and the others send each other."""
        for other in others:
            self.lose(one, other)
            self.lose(other, one)

    def heal(self) -> None:
        """Nothing is lost any more."""
        lost, self._lost = self._lost, set()
        for sender, receiver in lost:
            self[sender].ip(f"neighbour delete {self[receiver].address} dev eth0")
