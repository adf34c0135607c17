"""One attempt at a job: its code is run within its time, and what it returns or raises is what became of it."""

import traceback

import msgspec
import structlog
import trio
from msgspec import Raw

from greenroom.actors.jobs.installed import InstalledJob
from greenroom.actors.jobs.queue.messages import Finished, TakenJob
from greenroom.actors.jobs.work import Cancel, Discard, Pause, Snooze
from greenroom.actors.model.errors import InvalidCommand
from greenroom.config.telemetry.shown import shown

log = structlog.get_logger("greenroom.jobs")

RESULT_MAX = 256 << 10  # bytes
_encode = msgspec.json.encode


class Attempt:
    """What a job sees as its `Work`. `token` is the one under which it was taken."""

    def __init__(self, job: TakenJob, token: int, installed: InstalledJob | None) -> None:
        self.id = job.id
        self.attempt = job.attempt
        self.attempts_max = job.attempts_max
        self.token = token
        self._arguments = job.arguments
        self._installed = installed
        self._scope = trio.CancelScope()
        self._is_cancelled = False

    def cancel(self) -> None:
        """Whoever wanted it does not any more, or others have it."""
        self._is_cancelled = True
        self._scope.cancel()

    async def progress(self, share: float, note: str = "") -> None:
        await trio.lowlevel.checkpoint()

    async def run(self) -> Finished:
        """Never raises but by cancellation from outside."""
        installed = self._installed
        if installed is None:
            return self._failed("this worker has no such job", final=False)
        try:
            job = installed.decode(self._arguments)
        except InvalidCommand as error:
            return self._failed(str(error), final=True)
        limits = installed.job.limits
        scope = self._scope
        scope.deadline = trio.current_time() + limits.timeout_s
        try:
            with scope:
                if installed.is_async:
                    result = await job.run(self)
                else:
                    result = await trio.to_thread.run_sync(job.run, self)
            if scope.cancelled_caught:
                if self._is_cancelled:
                    return Finished(self.id, self.token, cancelled=True)
                return self._failed(f"it took longer than {limits.timeout_s:g} s", final=False)
            encoded = _encode(result)
            if len(encoded) > RESULT_MAX:
                return self._failed(f"its result has more than {RESULT_MAX} bytes", final=True)
            return Finished(self.id, self.token, Raw(encoded))
        except Snooze as snooze:
            return Finished(self.id, self.token, retry_s=snooze.seconds, refund=True)
        except Pause as pause:
            return Finished(
                self.id,
                self.token,
                refund=True,
                pause_s=pause.seconds,
                pause_reason=pause.reason or "a job asked for it",
            )
        except Discard as error:
            return self._failed(str(error) or "discarded", final=True)
        except Cancel:
            return Finished(self.id, self.token, cancelled=True)
        except Exception as error:  # the edge: a job's code may raise anything
            return self._failed(shown(error), final=False, trace="".join(traceback.format_exception(error))[-8_000:])

    def _failed(self, error: str, *, final: bool, trace: str = "") -> Finished:
        retry_s: float | None = None
        if not final and self._installed is not None:
            retry_s = self._installed.job.retry.rest_s(self.attempt)
        return Finished(self.id, self.token, error=error, trace=trace, retry_s=retry_s, final=final)
