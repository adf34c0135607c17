"""The desk of a queue: which jobs there are, who has what, and what is to be written of it. Pure; time is an argument.

A worker holds what it has taken until it says what became of it, or is not heard of for LEASE_MS. The token of a take
is what a worker shows: one that holds no more is refused, whatever was done under it.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from copy import copy

from msgspec import Struct
from msgspec.structs import replace

from greenroom.actors.jobs.options import NO_OPTIONS, Options, UniqueKey, decode_options, until
from greenroom.actors.jobs.queue.desk.attempts import Again, after_attempt, after_silence, was_unbegun, whole_ms
from greenroom.actors.jobs.queue.desk.endings import error_of, kept_of, one_of, why_cancelled, wrong_with
from greenroom.actors.jobs.queue.desk.hands import Hands, Held
from greenroom.actors.jobs.queue.desk.known import Known
from greenroom.actors.jobs.queue.flows.bells import Bells
from greenroom.actors.jobs.queue.flows.blocked import Blocked
from greenroom.actors.jobs.queue.flows.others import Others
from greenroom.actors.jobs.queue.flows.unwanted import Disowned
from greenroom.actors.jobs.queue.keys import Keys, Verdict, What
from greenroom.actors.jobs.queue.messages import Finished
from greenroom.actors.jobs.queue.order import Order
from greenroom.actors.jobs.queue.single.shown import Shown
from greenroom.actors.jobs.queue.waiting import Waiting
from greenroom.actors.jobs.waits import Awaited, Waits
from greenroom.store.journal.consequences.jobs import (
    FREED,
    BackRow,
    EndRow,
    JobRow,
    Jobs,
    StepRow,
    TakeRow,
    UntakenRow,
    WindowRow,
    keep_arguments,
)

REASON_MAX = 500  # characters
EXPIRED_AT_ONCE = 1_000  # jobs that one message ends since nobody has begun them in time


class Report(Struct):
    """What became of a job, for the entity that has started it."""

    id: str
    options: Options
    end: EndRow
    name: str  # "" where it is completed; else why it is not


InPlace = Callable[[str, str, bytes | None], bytes | None]  # see sealed.py, which knows the classes


class Desk:
    """Of one queue."""

    def __init__(self, queue: str) -> None:
        self.queue = queue
        self.order = Order()
        self.jobs = Known()
        self.hands = Hands()
        self.keys = Keys()
        self.unsettled: list[JobRow] = []  # to be found anew
        self.nearer: list[str] = []  # jobs that are due before what is stored of them says
        self.reports: list[Report] = []  # to those that want to hear what became of a job
        self._token = 0
        self.pause_until_ms = 0  # a worker has asked for it; whoever heeds it clears it
        self.pause_reason = ""
        self._stored: dict[str, TakeRow] = {}  # while it begins: what has been taken, by the job's id
        self.cancelling: dict[str, str] = {}  # under way and not wanted any more: the reason, by the job's id
        self.with_steps: dict[str, int] = {}  # how many steps are through, by the job's id; at least
        self.shown = Shown()
        self.changed: set[str] = set()  # jobs that are looked at, and have changed
        self.blocked = Blocked()
        self.others = Others()
        self.bells = Bells()
        self.unwanted = Disowned()
        self.in_place: InPlace | None = None  # None: arguments may be stored in the clear

    def begin(
        self, rows: Iterable[JobRow], takes: Iterable[TakeRow], now_ms: int, with_steps: Iterable[str] = ()
    ) -> None:
        """As it is stored. Workers that had something are given time to say so."""
        self.begin_with(takes, (), with_steps)
        self.load(rows, now_ms)

    # Beginning: first who has what, then the jobs, page by page.

    def begin_with(
        self, takes: Iterable[TakeRow], windows: Iterable[WindowRow], with_steps: Iterable[str] = ()
    ) -> None:
        self.keys.begin(windows)
        self.with_steps = dict.fromkeys(with_steps, 1)
        for take in takes:
            self._token = max(self._token, take.token)
            for job_id in take.ids:
                self._stored[job_id] = take  # the last one that has it, for a row names also what was put back since

    def load(self, rows: Iterable[JobRow], now_ms: int) -> None:
        """Those that others have added with a key are `unsettled`: nobody knows whether they were found before. But one
        that somebody has had was: it was let in, and what it has done is not thrown away for another's sake."""
        for row in rows:
            if row.let_go > self._token:  # of a former owner, whose clock may be ahead of ours
                self._token = row.let_go
            take = self._stored.pop(row.id, None) if self._stored else None
            if take is not None and take.token <= row.let_go:
                take = None
            was_let_in = take is not None or row.let_go
            if row.is_of_others and row.unique_key is not None and not was_let_in:
                self.unsettled.append(row)
                continue
            job = self.jobs.know(row)
            unique = job.options.unique if job.options is not None else None
            if row.cancel is not None:
                self.cancelling[row.id] = row.cancel
            if take is not None:
                self.hands.hold(take.token, take.worker, take.at_ms, [job], now_ms, take.process)
                self.order.restore(job, now_ms)
                if unique is not None and (back := self.keys.hold_taken(unique, job.id)):
                    self._withdraw(self.jobs[back])
            elif unique is not None:
                if self._is_nearer(job, row, now_ms):
                    self.nearer.append(job.id)
                # An owner of an earlier release lets it go, and leaves the options as they were.
                begun = row.let_go not in (0, (job.options or NO_OPTIONS).unbegun_token)
                back = self.keys.hold(unique, job.id, was_let_in=bool(row.let_go), begun=begun)
                if back != job.id:
                    self.order.put(job, now_ms)
                    if back:
                        self._withdraw(self.jobs[back])
            else:
                self._place_stored(job, row, now_ms)

    def _is_nearer(self, job: Waiting, row: JobRow, now_ms: int) -> bool:
        """One that is debounced waits for no longer than was said, from when it is known here: whoever has said when it
        is due may have a clock that is an hour ahead. It is due then."""
        options = job.options
        if options is None or options.unique is None or options.unique.mode != "debounce" or row.let_go:
            return False
        said = options.wait_ms if options.wait_until_ms == row.due_ms else 0
        wait = said or (row.due_ms - row.added_ms if row.is_of_others else 0)  # SQL does not say
        if wait <= 0 or job.due_ms <= now_ms + wait:
            return False
        job.due_ms = now_ms + wait
        job.options = until(options, job.due_ms, now_ms)
        return True

    def write_nearer(self, writes: Jobs) -> None:
        """What is stored says so too, from now on."""
        for job in (self.jobs.get(one) for one in self.nearer):
            if job is not None:
                options = job.options.encode() if job.options is not None else None
                back = BackRow(job.id, job.due_ms, job.attempts, job.lost, options=options)
                writes.merge(Jobs(back={job.id: back}))
        self.nearer.clear()

    def _place_stored(self, job: Waiting, row: JobRow, now_ms: int) -> None:
        """It may wait for others, unless it was free already: then what it had waited for has ended, or was
        forgotten."""
        waits = job.options.waits if job.options is not None else None
        if waits is None or (row.let_go and not waits.rests):
            self.order.put(job, now_ms)
        else:
            self._place(job, now_ms)

    def _place(self, job: Waiting, now_ms: int) -> None:
        """It may wait for others, and for nothing else."""
        waits = job.options.waits if job.options is not None else None
        if waits is None:
            self.order.put(job, now_ms)
            return
        self.blocked.block(job.id, waits)
        for one in waits.jobs[waits.past :]:
            if one.id not in self.jobs and not one.is_settled:
                self.others.wait(one.id, one.queue)

    def add_to_flow(self, row: JobRow, now_ms: int) -> None:
        """One that is new here, behind what it waits for."""
        self._place_stored(self.jobs.know(row), row, now_ms)

    def add(self, rows: Sequence[JobRow], now_ms: int) -> int:
        """Those that are new here; how many they are."""
        jobs = self.jobs
        new = 0
        for row in rows:
            if row.id not in jobs:
                self.order.put(self.jobs.know(row), now_ms)
                new += 1
        return new

    # What has a key.

    def judge(self, unique: UniqueKey, job_id: str, added_ms: int, now_ms: int) -> Verdict:
        """What becomes of a job that is to be added. Changes nothing."""
        return self.keys.judge(unique, job_id, added_ms, now_ms, self._is_taken)

    def _is_taken(self, job_id: str) -> bool:
        job = self.jobs.get(job_id)
        return job is not None and job.token != 0

    def add_unique(self, row: JobRow, unique: UniqueKey, verdict: Verdict, now_ms: int, writes: Jobs) -> str:
        """By that verdict; the id of the job that there is then. What waits, and is to be as this one, is changed."""
        if verdict.what is What.DUPLICATE:
            return verdict.id
        if verdict.what is What.REPLACE:
            self._change(self.jobs[verdict.id], row, unique, now_ms, writes)
            return verdict.id
        writes.added.append(row)
        self._admit(row, unique, verdict, now_ms, writes)
        return row.id

    def _admit(self, row: JobRow, unique: UniqueKey, verdict: Verdict, now_ms: int, writes: Jobs) -> None:
        job = self.jobs.know(row)
        if self._is_nearer(job, row, now_ms):
            self.nearer.append(job.id)
        window = self.keys.added(self.queue, unique, row.id, verdict, now_ms)
        if window is not None:
            writes.windows[window.key] = window
        if not self.keys.is_behind(unique, row.id):
            self.order.put(job, now_ms)

    def _change(self, job: Waiting, row: JobRow, unique: UniqueKey, now_ms: int, writes: Jobs) -> None:
        assert row.arguments is not None
        self.jobs.give(job, row.arguments)
        is_put_off = unique.mode == "debounce" and not self.keys.is_behind(unique, job.id)
        options = self._waits_as(job, row, row.due_ms if is_put_off else job.due_ms)
        if is_put_off:
            job = self._withdraw(job)
            job.due_ms = row.due_ms
            self.order.put(job, now_ms)
        back = BackRow(job.id, job.due_ms, job.attempts, job.lost, None, row.arguments, options=options)
        writes.merge(Jobs(back={job.id: back}))  # it may be added by the same message

    def _waits_as(self, job: Waiting, row: JobRow, due_ms: int) -> bytes | None:
        """As that one, which it is in place of, and until when, due then; its options then, where they are others."""
        last = decode_options(row.options) or NO_OPTIONS
        before = job.options
        assert before is not None
        until_ms = due_ms if last.wait_ms else 0
        options = replace(before, expires_ms=last.expires_ms, wait_ms=last.wait_ms, wait_until_ms=until_ms)
        if options == before:
            return None
        job.options = options
        if last.expires_ms != before.expires_ms:
            self.jobs.expiries.add(job)
        return job.options.encode()

    def _withdraw(self, job: Waiting) -> Waiting:
        """Out of the order, where it does not come again but as this copy."""
        again = self.jobs[job.id] = copy(job)
        self.order.remove(job)
        return again

    def found(self, rows: Iterable[JobRow], now_ms: int, writes: Jobs) -> None:
        """Others have added these."""
        for row in rows:
            if row.id in self.jobs:
                continue
            options = decode_options(row.options)
            unique = options.unique if options is not None else None
            if options is None or unique is None:
                self._place(self.jobs.know(row), now_ms)
                continue
            verdict = self.judge(unique, row.id, row.added_ms, now_ms)
            if verdict.what is What.DUPLICATE:
                end = one_of(row.id, verdict.id, now_ms)
                self._write_end(end, row, writes)
                self._report(options, end, "job.duplicate")
                self._say_ended(end)  # whoever waits for it waits for the other one
                continue
            # Both are there: the one that waits makes room, as whoever has added this one knows it by its own id.
            is_in_order = verdict.what is What.REPLACE and not self.keys.is_behind(unique, verdict.id)
            self._admit(row, unique, verdict, now_ms, writes)
            if verdict.what is What.REPLACE:
                former = self.jobs[verdict.id]
                if is_in_order:
                    self.order.remove(former)
                self.end(former, one_of(former.id, row.id, now_ms), writes, "job.duplicate")

    def take(
        self, worker: str, most: int, knows: Collection[str] | None, now_ms: int, writes: Jobs, process: str = ""
    ) -> tuple[int, list[Waiting]]:
        """The next jobs, and the token under which they are taken; 0 and nothing where there are none."""
        found = self.order.take(now_ms, most, knows)
        if not found:
            return 0, found
        # Never used before by this queue, whoever owned it, unless two owners within one ms had taken: and of these
        # the former one's takes are stored.
        token = self._token = max(self._token + 1, now_ms << 10)
        self.hands.hold(token, worker, now_ms, found, now_ms, process, here=True)
        writes.taken.append(TakeRow(self.queue, token, worker, now_ms, [job.id for job in found], process))
        if self.shown.looked_at:
            self.changed.update(job.id for job in found if job.id in self.shown.looked_at)
        return token, found

    def finish(self, worker: str, finished: Iterable[Finished], now_ms: int, writes: Jobs) -> list[str]:
        """What became of jobs; returns the ids of those that this worker does not hold any more."""
        refused: list[str] = []
        hand = self.hands.get(worker)
        if hand is not None:
            hand.heard_ms = now_ms
        jobs = self.jobs
        for one in finished:
            job = jobs.get(one.id)
            held = hand.held.get(one.token) if hand is not None else None
            if job is None or held is None or job.token != one.token:
                refused.append(one.id)
                continue
            if wrong := wrong_with(one.result, job.job, job.id):  # others that were brought with it are not held up
                one = Finished(one.id, one.token, error=f"its result {wrong}", final=True)
            unbegun = was_unbegun(one) and job.id not in self.with_steps
            self._let_go(job, held, now_ms, writes, unbegun=unbegun)
            if self._is_to_rest(job, one):
                self._rest(job, held, now_ms, writes)
            elif one.error is None and not one.cancelled and not one.refund:
                self.end(job, EndRow(job.id, "completed", now_ms, worker, held.at_ms, kept_of(one.result)), writes)
            else:
                then = after_attempt(job, one, held, self.cancelling.get(job.id), now_ms)
                if one.pause_s is not None and isinstance(then, Again):
                    self.pause_until_ms = max(self.pause_until_ms, now_ms + whole_ms(one.pause_s))
                    self.pause_reason = one.pause_reason[:REASON_MAX]
                self._unfinished(job, then, held, now_ms, writes, unbegun=unbegun)
        return refused

    def _is_to_rest(self, job: Waiting, one: Finished) -> bool:
        """Is it to wait for jobs that it has added? One that has succeeded too: they are its children."""
        waits = job.options.waits if job.options is not None else None
        if waits is None or not waits.has_spawned or waits.past == len(waits.jobs) or job.id in self.cancelling:
            return False
        return one.rests or (one.error is None and not one.cancelled and not one.refund)

    def _rest(self, job: Waiting, held: Held, now_ms: int, writes: Jobs) -> None:
        """It waits again, and is worked on anew after that."""
        options = job.options
        assert options is not None and options.waits is not None
        job.options = options = replace(options, waits=replace(options.waits, rests=True))
        writes.back[job.id] = BackRow(
            job.id, job.due_ms, job.attempts, job.lost, let_go=held.token, options=options.encode()
        )
        self._place(job, now_ms)
        if job.id in self.shown.looked_at:
            self.changed.add(job.id)

    def spawned(self, job: Waiting, children: Iterable[Awaited], writes: Jobs) -> None:
        """It has added these, while it is worked on. It has begun by that, and does not expire any more."""
        options = job.options or NO_OPTIONS
        waits = (options.waits or Waits([])).with_spawned(children)
        job.options = options = replace(options, waits=waits, expires_ms=0)
        self.jobs.expiries.forget(job.id)
        back = BackRow(job.id, job.due_ms, job.attempts, job.lost, let_go=FREED, options=options.encode())
        writes.back[job.id] = back

    def spawned_none(self, job: Waiting, group: str, writes: Jobs) -> None:
        """It has added nothing under that name, and an attempt that comes after adds nothing either."""
        options = job.options or NO_OPTIONS
        job.options = options = replace(options, empty=(*options.empty, group))
        writes.back[job.id] = BackRow(job.id, job.due_ms, job.attempts, job.lost, options=options.encode())

    def _unfinished(
        self, job: Waiting, then: EndRow | Again, held: Held, now_ms: int, writes: Jobs, *, unbegun: bool = False
    ) -> None:
        if isinstance(then, EndRow):
            self.end(job, then, writes)
        else:
            self._put_back(job, held, then, now_ms, writes, unbegun=unbegun)

    def end(self, job: Waiting, row: EndRow, writes: Jobs, name: str = "") -> None:
        """It has ended: nobody has it, and it is in no order. `name`: why, where its state does not say."""
        self.jobs.forget(job)
        keep_arguments(row, writes.back.pop(job.id, None))  # one row is written once
        self._write_end(row, job, writes)
        if self.cancelling:
            self.cancelling.pop(job.id, None)
        if job.id in self.shown.looked_at:
            self.changed.add(job.id)
        if self.blocked.awaited or self.bells.of:
            self._say_ended(row)
        options = job.options
        if options is None:
            return
        if options.waits is not None:
            waiter = self.blocked.forget(job.id)
            if row.state != "completed":
                self.unwanted.disown(row, options.waits, waiter.open if waiter is not None else None)
        if options.unique is not None and (released := self.keys.ended(options.unique, job.id)):
            self.order.put(self.jobs[released], row.ended_ms)
        self._report(options, row, name)

    def _write_end(self, row: EndRow, job: Waiting | JobRow, writes: Jobs) -> None:
        """Its steps go with it, however it has ended."""
        if self.in_place is not None and row.arguments is None:
            row.arguments = self.in_place(job.job, row.id, job.arguments)
            # Of what is not in memory nothing can be kept. What this queue has added is in the clear if its class was.
            row.replaces = "clear" if job.arguments is not None else "clear of others"
        writes.ended[row.id] = row
        if row.id in self.with_steps:
            del self.with_steps[row.id]
            writes.unstepped.append(row.id)

    def _say_ended(self, row: EndRow) -> None:
        """To those that wait for it."""
        if self.blocked.awaited:
            if row.instead:
                self.replaced(row.id, row.instead, self.queue)
            else:
                self.blocked.ended(row.id, row.state)
        if self.bells.of:
            self.bells.ring(row.id, row.state)

    def replaced(self, job_id: str, instead: str, queue: str) -> None:
        """That one is not done, but another one of that queue: whoever waits for it waits for that."""
        self.blocked.replaced(job_id, instead)
        if instead in self.blocked.awaited and instead not in self.jobs:
            self.others.wait(instead, queue)

    def _report(self, options: Options, row: EndRow, name: str = "") -> None:
        if options.origin and options.about:
            self.reports.append(
                Report(row.id, options, row, name or ("" if row.state == "completed" else f"job.{row.state}"))
            )

    def _put_back(self, job: Waiting, held: Held, again: Again, now_ms: int, writes: Jobs, *, unbegun: bool) -> None:
        job.due_ms = again.due_ms
        options = self._half_done(job) if job.id in self.with_steps and job.expires_ms else None
        if self.jobs.expiries:
            self.jobs.expiries.add(job)
        self.order.put(job, now_ms)
        if job.options is not None and job.options.unique is not None:
            is_unbegun = self.keys.put_back(job.options.unique, job.id, unbegun=unbegun)
            if is_unbegun and job.options.unique.replaces:  # for what comes after this life
                job.options = replace(job.options, unbegun_token=held.token)
                options = job.options.encode()
        back = BackRow(job.id, job.due_ms, job.attempts, job.lost, again.error, let_go=held.token, options=options)
        writes.back[job.id] = back
        if job.id in self.shown.looked_at:
            self.changed.add(job.id)

    def _half_done(self, job: Waiting) -> bytes:
        """Some of its steps are through: it does not expire any more. Its options then."""
        assert job.options is not None
        job.options = replace(job.options, expires_ms=0)
        return job.options.encode() or b"{}"  # for None leaves them as they were

    def _let_go(self, job: Waiting, held: Held, now_ms: int, writes: Jobs, *, unbegun: bool = False) -> None:
        """Nobody has it any more."""
        is_last = self.hands.let_go(job, held)
        self.order.ended(job, now_ms, unbegun_ms=held.at_ms if unbegun and held.was_taken_here else None)
        if self.shown:
            self.shown.ended(job.id)
        if is_last:
            writes.untaken.append(UntakenRow(self.queue, held.token))

    def heard(self, worker: str, tokens: Collection[int], now_ms: int, writes: Jobs) -> list[int]:
        """The worker is there, with these tokens. What it has lost goes to others; returns those that hold nothing."""
        void, missing = self.hands.heard(worker, tokens, now_ms)
        for held in missing:
            self._give_back(held, now_ms, writes, was_lost=False)
        return void

    def left(self, worker: str, now_ms: int, writes: Jobs, *, was_lost: bool = False) -> int:
        """The worker has ended. Of one that `was_lost` the attempt counts, and who loses LOST_MAX of them fails."""
        hand = self.hands.get(worker)
        if hand is None:
            return 0
        held = list(hand.held.values())
        count = sum(len(one.jobs) for one in held)
        for one in held:
            self._give_back(one, now_ms, writes, was_lost=was_lost)
        return count

    def give_back(self, token: int, ids: Collection[str], now_ms: int, writes: Jobs) -> None:
        """These of that take are not handed out after all: they are where they were."""
        worker = self.hands.worker_of(token) if ids else None
        if worker is not None:
            self.finish(worker, [Finished(one, token, refund=True, unbegun=True) for one in ids], now_ms, writes)

    def _give_back(self, held: Held, now_ms: int, writes: Jobs, *, was_lost: bool) -> None:
        for job in list(held.jobs.values()):
            self._let_go(job, held, now_ms, writes)
            then = after_silence(job, held, self.cancelling.get(job.id), now_ms, was_lost=was_lost)
            self._unfinished(job, then, held, now_ms, writes)

    def expire(self, now_ms: int, writes: Jobs) -> list[str]:
        """Workers that were not heard of for too long have lost what they had; returns who they are."""
        return self._lose(self.hands.silent(now_ms), now_ms, writes)

    def end_of(self, process: str, now_ms: int, writes: Jobs) -> list[str]:
        """That process is proven to have ended, and so have its workers; returns who they are."""
        return self._lose(self.hands.of_process(process), now_ms, writes)

    def _lose(self, workers: list[str], now_ms: int, writes: Jobs) -> list[str]:
        for name in workers:
            self.left(name, now_ms, writes, was_lost=True)
        return workers

    def cancelled_of(self, worker: str) -> list[str]:
        """Jobs that this worker has, and is to give up."""
        return self.hands.among(worker, self.cancelling) if self.cancelling else []

    def step(self, job_id: str, name: str, result: bytes, writes: Jobs) -> None:
        """A step of it is through."""
        self.with_steps[job_id] = self.with_steps.get(job_id, 0) + 1
        writes.steps.append(StepRow(job_id, name, result))

    def stands(self, job: Waiting, now_ms: int) -> str:
        """Its state, in a word."""
        if job.token:
            return "cancelling" if job.id in self.cancelling else "active"
        if job.id in self.blocked.jobs:
            return "blocked"
        if job.due_ms > now_ms:
            return "retrying" if job.attempts else "delayed"
        return "waiting"

    # What people do about one job.

    def cancel(self, job: Waiting, reason: str, now_ms: int, writes: Jobs) -> bool:
        """It is not wanted any more. False: a worker has it, and is to be told."""
        if job.token:
            self.cancelling[job.id] = reason
            writes.back[job.id] = BackRow(job.id, job.due_ms, job.attempts, job.lost, cancel=reason)
            if job.id in self.shown.looked_at:
                self.changed.add(job.id)
            return False
        self._give_up(job, why_cancelled(reason), now_ms, writes)
        return True

    def _give_up(self, job: Waiting, why: str, now_ms: int, writes: Jobs, name: str = "") -> None:
        """Nobody has it, and nobody is to have it."""
        if self._is_in_order(job):
            self.order.remove(job)
        self.end(
            job,
            EndRow(job.id, "cancelled", now_ms, "", None, None, error_of(now_ms, "", job.attempts, why)),
            writes,
            name,
        )

    def end_expired(self, now_ms: int, writes: Jobs) -> bool:
        """Jobs that nobody has begun in time, EXPIRED_AT_ONCE of them, end. Are these all?"""
        for job in (due := self.jobs.expiries.due(now_ms, self.jobs, EXPIRED_AT_ONCE)):
            self._give_up(job, "expired: nobody had begun it in time", now_ms, writes, "job.expired")
        return len(due) < EXPIRED_AT_ONCE

    def change(
        self, job: Waiting, now_ms: int, writes: Jobs, *, due_ms: int, priority: int, arguments: bytes | None = None
    ) -> None:
        """It waits, and goes on waiting as another one. (A new `Waiting`: the order forgets the one it has.)"""
        is_in_order = self._is_in_order(job)
        changed = self._withdraw(job) if is_in_order else job
        changed.due_ms, changed.priority = due_ms, priority
        if arguments is not None:
            self.jobs.give(changed, arguments)
        if is_in_order:
            self.order.put(changed, now_ms)
        options, unique = None, job.options.unique if job.options is not None else None
        if job.options is not None and unique is not None and unique.mode == "debounce":
            changed.options = until(job.options, due_ms, now_ms)
            options = changed.options.encode()
        writes.back[job.id] = BackRow(
            job.id, due_ms, job.attempts, job.lost, arguments=arguments, priority=priority, options=options
        )
        if job.id in self.shown.looked_at:
            self.changed.add(job.id)

    def _is_in_order(self, job: Waiting) -> bool:
        """Nobody has it, it is behind no other of its key, and waits for none."""
        if job.id in self.blocked.jobs:
            return False
        unique = job.options.unique if job.options is not None else None
        return unique is None or not self.keys.is_behind(unique, job.id)

    def revive(self, row: JobRow, now_ms: int, writes: Jobs) -> None:
        """It had ended, and is to be worked on again, behind what it waits for; one that was free by then is so."""
        job = self.jobs.know(row)
        if row.let_go or job.options is None or job.options.waits is None:
            row.let_go = max(self._token, FREED)  # a take that still names it, for others it has, has it no more
        self._place_stored(job, row, now_ms)
        writes.revived.append(row)

    def next_ms(self, now_ms: int) -> int | None:
        """When a job may be ready that is not, if nothing else happens; None: none waits for time."""
        return self.order.next_ms(now_ms)
