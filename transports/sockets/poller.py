"""The nested poller: one trio task drives every live socket, over an epoll of its own.

Trio waits on that epoll's descriptor alone and then takes all that is ready in one call. Measured, 500 connections
echoing: a trio task per connection 45k/s, this 157k/s (docs/inside/decisions/0005-nested-poller.md). Where there is no
epoll (macOS, BSD) kqueue serves through `selectors`, by the same interface.
"""

import select
import selectors
from time import perf_counter
from typing import Protocol

import trio

READABLE = 0x1
WRITABLE = 0x4
READY_MAX = 32  # sockets that are named at once
SLICE_S = 0.005  # how long sockets are served before other tasks get a turn


class Pollable(Protocol):
    """What a descriptor belongs to. Called from the poller's task; must not raise."""

    def on_ready(self, events: int) -> None:
        """`events` has READABLE (also at end of file or error), WRITABLE or both."""


class _Epoll:
    def __init__(self) -> None:
        self._epoll = select.epoll()
        self.fileno = self._epoll.fileno
        self.close = self._epoll.close
        self.register = self._epoll.register
        self.modify = self._epoll.modify
        self.unregister = self._epoll.unregister

    def ready(self, most: int) -> list[tuple[int, int]]:
        return self._epoll.poll(0, most)


class _Selector:
    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._named = 0
        self.close = self._selector.close

    def fileno(self) -> int:
        fileno = self._selector.fileno()
        assert isinstance(fileno, int)
        return fileno

    @staticmethod
    def _mask(events: int) -> int:
        return (selectors.EVENT_READ if events & READABLE else 0) | (selectors.EVENT_WRITE if events & WRITABLE else 0)

    def register(self, fd: int, events: int) -> None:
        self._selector.register(fd, self._mask(events))

    def modify(self, fd: int, events: int) -> None:
        if fd in self._selector.get_map():
            self._selector.unregister(fd)
        if events:  # to be told of nothing is more than a selector can be asked
            self.register(fd, events)

    def unregister(self, fd: int) -> None:
        if fd in self._selector.get_map():
            self._selector.unregister(fd)

    def ready(self, most: int) -> list[tuple[int, int]]:
        found = self._selector.select(0)
        first = self._named % len(found) if found else 0  # others than the last time, as epoll does by itself
        self._named = first + most
        return [
            (
                key.fd,
                (READABLE if mask & selectors.EVENT_READ else 0) | (WRITABLE if mask & selectors.EVENT_WRITE else 0),
            )
            for key, mask in (found[first:] + found[:first])[:most]
        ]


def _new_poll() -> _Epoll | _Selector:
    return _Epoll() if hasattr(select, "epoll") else _Selector()


class Poller:
    """Who is ready, and what to call then."""

    def __init__(self) -> None:
        self._poll = _new_poll()
        self._owners: dict[int, Pollable] = {}

    def __len__(self) -> int:
        return len(self._owners)

    def add(self, fd: int, owner: Pollable) -> None:
        self._owners[fd] = owner
        self._poll.register(fd, READABLE)

    def watch(self, fd: int, *, read: bool = True, write: bool = False) -> None:
        self._poll.modify(fd, (READABLE if read else 0) | (WRITABLE if write else 0))

    def remove(self, fd: int) -> None:
        """Call before closing the descriptor."""
        if self._owners.pop(fd, None) is not None:
            self._poll.unregister(fd)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled."""
        owners = self._owners
        fileno = self._poll.fileno()
        ready = self._poll.ready
        try:
            task_status.started()
            while True:
                await trio.lowlevel.wait_readable(fileno)
                until = perf_counter() + SLICE_S
                while (
                    True
                ):  # what is named is served at once, before it is something else; epoll names others first then
                    some = ready(READY_MAX)
                    for fd, events in some:
                        owner = owners.get(fd)
                        if owner is not None:  # else: closed by somebody earlier in this batch
                            owner.on_ready(events)
                    if len(some) < READY_MAX or perf_counter() >= until:
                        break
        finally:  # left as new: what starts us again, after a crash, has closed the connections of the life before
            self._poll.close()
            self._poll = _new_poll()
            owners.clear()
