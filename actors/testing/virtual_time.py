"""Virtual time: what waits is run through at once, from tests that are async themselves, too."""

from collections.abc import Awaitable, Callable
from threading import Thread

import trio


def run_through(function: Callable[..., Awaitable[None]], *arguments: object) -> None:
    """On a loop of its own, whose clock jumps to whatever is waited for next. Raises: what it raises."""
    if not trio.lowlevel.in_trio_run():
        _run(function, *arguments)
        return
    raised: list[BaseException] = []

    def run() -> None:
        try:
            _run(function, *arguments)
        except BaseException as error:  # the edge: it goes on in the thread that waits
            raised.append(error)

    thread = Thread(target=run)  # one thread has one loop
    thread.start()
    thread.join()
    if raised:
        raise raised[0]


def _run(function: Callable[..., Awaitable[None]], *arguments: object) -> None:
    from trio.testing import MockClock  # here, since a node imports this module too and never needs it

    trio.run(function, *arguments, clock=MockClock(autojump_threshold=0))
