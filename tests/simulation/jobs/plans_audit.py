"""The audit of the world `plans`: is each job begun after all that it waits for, does it end as these say, and does a
schedule fire each tick once, as its overlap allows? It knows what was committed, in the order in which it was."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from greenroom.actors.jobs.options import decode_options
from greenroom.actors.jobs.queue.desk import LOST_MAX
from greenroom.actors.jobs.schedule.firing import RUN
from greenroom.actors.jobs.waits import Awaited, Waits
from greenroom.store.journal.consequences.jobs import FREED, EndRow, JobRow, Jobs, JobTables
from greenroom.store.journal.journal_memory import MemoryRows
from greenroom.store.journal.records import Append
from tests.simulation.jobs.errands import Going
from tests.simulation.jobs.plans import SCHEDULES, Planners
from tests.simulation.jobs.timed import Timed

decode = msgspec.json.decode
NOTHING = Jobs()
FORGIVING = ("ignore", "continue")
OUTCOMES = {"completed": "job.completed", "failed": "job.failed", "cancelled": "job.cancelled"}


class Known(Struct):
    """A job, from when it was added."""

    id: str
    fate: str
    waits: Waits | None
    about: str
    expires_ms: int = 0  # by when it is to have begun; 0: it need not
    attempts: int = 0
    lost: int = 0
    was_taken: bool = False
    is_unbegun: bool = False  # as who gave it back said: so it may make room
    state: str = ""  # in which it has ended

    @classmethod
    def of(cls, row: JobRow) -> "Known":
        options = decode_options(row.options)
        fate = decode(row.arguments or b"{}").get("fate", "keep")
        known = cls(row.id, fate, options.waits if options else None, options.about if options else "")
        known.expires_ms = options.expires_ms if options else 0
        return known


class PlansAudit:
    """See Audit."""

    def __init__(self, planners: Planners) -> None:
        self._planners = planners
        self._jobs: dict[str, Known] = {}
        self._unheard: dict[str, str] = {}  # whole -> how it has ended
        self._errands: dict[str, Going] = {}
        self._schedules = {name: Timed(overlap) for name, overlap in SCHEDULES.items()}

    def committed(self, entity: str, append: Append) -> None:
        kind, _, key = entity.partition(":")
        jobs = (append.consequences.jobs if append.consequences is not None else None) or NOTHING
        events = [decode(event.payload) for event in append.events]
        for row in (*jobs.started, *jobs.added):
            self._is_new(row)
        match kind:
            case "planner":
                ordered = [one for event in events for one in event.get("ids", ())]
                assert sorted(ordered) == sorted(row.id for row in jobs.started), "what is started is not what is said"
                for event in events:
                    if event["type"] == "planner.heard":
                        self._heard(event["job"], event["how"])
            case "errand":
                self._errand(key, events, jobs.started)
            case "schedule":
                fired = [event["job"] for event in events if event["type"] == "schedule.fired"]
                assert sorted(fired) == sorted(row.id for row in jobs.started), f"{fired} fired, and others started"
                self._turned(key, events)
            case "queue":
                self._queue(jobs)

    def _errand(self, key: str, events: list[Any], started: Sequence[JobRow]) -> None:
        about = {self._jobs[row.id].about: row.id for row in started}
        for id_ in about.values():
            self._jobs[id_].about = RUN  # it hears of them by what it then does
        try:
            self._errands.setdefault(key, Going()).committed(events, about, self._jobs)
        except AssertionError as error:
            raise AssertionError(f"{key}: {error}") from None

    def _is_new(self, row: JobRow) -> None:
        assert row.id not in self._jobs, f"{row.id} is added twice"
        self._jobs[row.id] = Known.of(row)

    def _heard(self, job: str, how: str) -> None:
        expected = self._unheard.pop(job, None)
        assert how == expected, f"of {job} is heard that it is {how}, and it is {expected}"

    # Schedules.

    def _turned(self, name: str, events: list[Any]) -> None:
        try:
            self._schedules[name].committed(events)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from None
        for event in events:
            if event["type"] == "schedule.ended":
                job, outcome = event["job"], event["outcome"]
                found = self._jobs.get(job)
                is_lost = outcome == "lost" and self._failovers
                assert is_lost or (found is not None and found.state == outcome), f"{name}: {job} is {outcome}: {found}"

    @property
    def _failovers(self) -> bool:
        """Then what somebody has read may be stored no more."""
        world = self._planners.world
        return world is not None and bool(world.checker.failovers)

    # Queues.

    def _queue(self, jobs: Jobs) -> None:
        assert not jobs.revived, f"{jobs.revived[0].id} begins anew, and who has started it has gone on"
        for back in jobs.back.values():
            job = self._jobs[back.id]
            job.lost, job.attempts = max(job.lost, back.lost), max(job.attempts, back.attempts)
            if back.arguments is not None:
                job.fate = decode(back.arguments)["fate"]
            options = decode_options(back.options)
            if back.let_go > FREED:  # else it says nothing of who had it
                job.is_unbegun = options is not None and options.unbegun_token == back.let_go
            if job.waits is not None and options is not None:
                self._waits(job, options.waits or Waits([]))
        said = {one.id for back in jobs.back.values() for one in self._added_by(self._jobs[back.id])}
        unsaid = [row.id for row in (*jobs.started, *jobs.added) if _depth(row) and row.id not in said]
        assert not unsaid, f"{unsaid} were added by jobs that do not know of them"
        for row, _ in jobs.over:
            self._is_new(row)
        for end in (*jobs.ended.values(), *(end for _, end in jobs.over)):
            self._ended(end)
        for take in jobs.taken:
            for one in take.ids:
                self._taken(self._jobs[one], take.at_ms)

    @staticmethod
    def _added_by(job: Known) -> list[Awaited]:
        """Jobs that it has added itself, while it was worked on."""
        return [one for one in job.waits.jobs if one.group] if job.waits is not None else []

    def _waits(self, job: Known, waits: Waits) -> None:
        """It has added some, rests until they have ended, or goes on since they have."""
        assert job.waits is not None
        passed = [one for one in waits.jobs[job.waits.past : waits.past] if one.group]
        job.waits = waits
        groups = [one.group for one in self._added_by(job)]
        assert len(groups) == len(set(groups)), f"{job.id} has added twice what it adds once: {groups}"
        if passed:
            ends = self._ends(passed)
            may = _goes(ends) or self._may_have_been_lost(ends)
            assert may, f"{job.id} goes on, and those that it has added have ended as {ends}"

    def _ends(self, awaited: Iterable[Awaited]) -> list[tuple[str, str]]:
        """For each of these its policy, and how it has ended."""
        return [(one.on_failure, self._jobs[one.id].state if one.id in self._jobs else "") for one in awaited]

    def _may_have_been_lost(self, ends: list[tuple[str, str]]) -> bool:
        """Has one of them ended where it was read, and the database that took over knows nothing of it yet?"""
        return self._failovers and not all(state for _, state in ends)

    def _taken(self, job: Known, at_ms: int) -> None:
        job.was_taken, job.is_unbegun = True, False
        is_late = 0 < job.expires_ms <= at_ms and not (job.lost or job.attempts)
        assert not is_late, f"{job.id} begins at {at_ms}, and has expired at {job.expires_ms}"
        if job.waits is None:
            return
        assert not job.waits.rests, f"{job.id} begins, and rests until others have ended"
        ends = self._ends(one for one in job.waits.jobs if not one.group)
        bad = _bad(ends)
        is_whole = all(state for _, state in ends)
        match job.waits.when:
            case "ended":
                may = is_whole
            case "success":
                may = is_whole and not bad
            case "failure":
                may = bool(bad)
            case _:
                may = _goes(ends)
        may = may or self._may_have_been_lost(ends)
        assert may, f"{job.id} ({job.waits.when!r}) begins, and those that it waits for have ended as {ends}"

    def _ended(self, end: EndRow) -> None:
        job = self._jobs[end.id]
        assert not job.state, f"{end.id} is {end.state}, and was {job.state}"
        job.state = end.state
        has_begun = job.was_taken and not job.is_unbegun
        assert not (end.instead and has_begun), f"{job.id} has begun, and is given up for {end.instead}"
        if job.about and job.about != RUN:
            self._unheard[job.id] = OUTCOMES[end.state]
        if b"expired" in (end.error or b""):
            is_so = 0 < job.expires_ms <= end.ended_ms and not (job.lost or job.attempts)
            assert is_so and end.state == "cancelled", f"{job.id} expires at {end.ended_ms}: {job}"
        is_poor = job.lost >= LOST_MAX - 1
        if job.waits is None:  # a part
            wanted = ("completed", "cancelled") if job.fate != "discards" else ("failed", "cancelled")
            assert end.state in wanted or is_poor, f"{job.id} is {end.state}, and {job.fate}"
            return
        ends = self._ends(job.waits.jobs)
        bad = _bad(ends)
        if end.state == "completed":
            assert job.was_taken, f"{job.id} is completed, and nobody had it"
            is_through = not job.waits.has_spawned or job.waits.past == len(job.waits.jobs)
            assert is_through, f"{job.id} is completed, and those that it waits for have ended as {ends}"
            for part, state in decode(end.result or b"[]"):
                stored = self._jobs[part].state if part in self._jobs else ""
                is_right = state in (stored, "unfinished") or self._failovers
                assert is_right, f"{job.id} has read that {part} is {state}, and it is {stored}"
        elif end.state == "failed" and not job.was_taken:
            has_reason = "fail" in bad or self._may_have_been_lost(ends)
            assert has_reason, f"{job.id} fails, and those that it waits for have ended as {ends}"
        elif end.state == "cancelled":
            called_off = all(state for _, state in ends) or bool(bad) or self._may_have_been_lost(ends)
            assert job.waits.when and called_off, f"{job.id} is cancelled, and waits for {ends}"

    # In the end.

    def unsettled(self) -> list[str]:
        open_ = [job for job in self._jobs.values() if not job.state]
        left = [f"{job.id} ({job.fate}, waits for {job.waits}) has not ended" for job in open_]
        left += [f"errand:{key} has not ended: {one}" for key, one in self._errands.items() if not one.outcome]
        left += [f"nobody has heard that {job} is {how}" for job, how in self._unheard.items()]
        return left + [f"{name} has not heard of {one.running}" for name, one in self._schedules.items() if one.running]

    def stored(self, rows: MemoryRows) -> None:
        tables = rows.consequences.of(JobTables)
        assert not tables.jobs and not tables.takes, f"{list(tables.jobs)} are left, or {list(tables.takes)}"
        stored = {id: end.state for id, (_, end) in tables.done.items()}
        assert stored == {id: job.state for id, job in self._jobs.items()}, "others have ended than were to"
        if not self._failovers:  # else what was answered may be lost
            missing = self._planners.acknowledged - stored.keys()
            assert not missing, f"{missing} were added, and are not there"


def _bad(ends: list[tuple[str, str]]) -> list[str]:
    """Policies of those that have not succeeded."""
    return [policy for policy, state in ends if state in ("failed", "cancelled")]


def _goes(ends: list[tuple[str, str]]) -> bool:
    """Does what waits for them go on, by their policies alone?"""
    bad = _bad(ends)
    return "continue" in bad or (all(state for _, state in ends) and all(policy in FORGIVING for policy in bad))


def _depth(row: JobRow) -> int:
    """So many jobs are above it, each of which has added the next."""
    options = decode_options(row.options)
    return options.depth if options is not None else 0
