"""SIGTERM and SIGINT: the first asks for an orderly drain, a second says that nobody wants to wait for it. SIGHUP: look
again at what is in files."""

import os
import signal
from collections.abc import Callable
from time import monotonic
from types import FrameType

import structlog
import trio
from trio import TaskStatus

log: structlog.stdlib.BoundLogger = structlog.get_logger("greenroom.signals")

FORCED_EXIT_STATUS = 1
SAME_S = 0.5  # make, runuser or a control group may pass on the signal that reached us already: one wish, not two


async def drain_on_signal(
    drain: trio.Event,
    *,
    force_exit: Callable[[int], object] = os._exit,
    same_s: float = SAME_S,
    task_status: TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Until cancelled: set `drain` at the first SIGTERM or SIGINT; at a second, `same_s` seconds on, `force_exit(1)`.

    Run it for as long as the drain lasts, in the main thread (else RuntimeError); afterwards the signals are as before.
    Ready once the signals are caught. Two of the same signal at the same instant may count as one.
    """
    signals = (signal.SIGTERM, signal.SIGINT)

    asked_at = 0.0

    def force(signum: int, frame: FrameType | None) -> None:
        if monotonic() - asked_at < same_s:
            return
        # Inside a signal handler no lock may be waited for, so neither log nor print.
        os.write(2, b"second signal: exiting at once\n")
        force_exit(FORCED_EXIT_STATUS)

    with trio.open_signal_receiver(*signals) as received:
        task_status.started()
        asked = False
        async for signum in received:
            if asked:  # came before the handlers below were in place
                force(signum, None)
                continue
            asked = True
            asked_at = monotonic()
            log.info("draining", signal=signal.Signals(signum).name)
            drain.set()
            # From here on not through the loop: it may be what hangs. The receiver puts the old handlers back.
            for each in signals:
                signal.signal(each, force)


async def on_hangup(heard: Callable[[], None], *, task_status: TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """Until cancelled: call `heard` at each SIGHUP, which so does not end the process. In the main thread.

    Ready once the signal is caught. Several at the same instant may count as one.
    """
    with trio.open_signal_receiver(signal.SIGHUP) as received:
        task_status.started()
        async for _ in received:
            heard()
