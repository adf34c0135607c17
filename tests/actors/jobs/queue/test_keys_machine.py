"""Keys in any order of events: at most so many of a key, whoever adds, however often the queue begins anew; and what is
stored is what the desk has, of what has ended nothing but that."""

from itertools import count
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace

from greenroom.actors.jobs.options import Mode, Options, UniqueKey
from greenroom.actors.jobs.queue.desk import Desk
from greenroom.actors.jobs.queue.messages import Finished
from greenroom.store.journal.consequences.consequence import Tables
from greenroom.store.journal.consequences.jobs import JobRow, Jobs, JobTables

MODES: list[Mode] = ["simple", "throttle", "debounce", "keep_last"]
TTL_S = 5.0


class Keys(RuleBasedStateMachine):
    """Each key has one mode: its first letter's."""

    @initialize()
    def begin(self) -> None:
        self.database = Tables()
        self.numbers = count(1)
        self.now_ms = 1_000_000
        self.unseen: list[JobRow] = []  # of others, which the queue has not found
        self.modes: dict[str, Mode] = {}
        self.had: set[str] = set()  # jobs that somebody has, or has had
        self.desk = Desk("q")

    @property
    def stored(self) -> JobTables:
        return self.database.of(JobTables)

    def write(self, writes: Jobs) -> None:
        for one, end in writes.ended.items():
            assert not (end.instead and one in self.had), (self.modes[one], end)
        for one, back in writes.back.items():
            assert back.arguments is None or one not in self.had, (self.modes[one], back)
        self.had |= {one for take in writes.taken for one in take.ids}
        merged = Jobs()
        merged.merge(writes)  # as each handling's are
        merged.land(Tables(), self.database)

    def unique(self, mode: Mode, key: str) -> UniqueKey:
        return UniqueKey(mode + key, mode, TTL_S if mode in ("throttle", "debounce") else 0.0)

    def row(self, unique: UniqueKey) -> JobRow:
        number = next(self.numbers)
        self.modes[f"{number:032x}"] = unique.mode
        return JobRow(
            f"{number:032x}",
            "q",
            "job.x",
            b"%d" % number,
            self.now_ms,
            unique.due_ms(self.now_ms),
            options=Options(unique=unique).encode(),
            unique_key=unique.key,
        )

    @rule(mode=st.sampled_from(MODES), key=st.sampled_from("ab"))
    def add(self, mode: Mode, key: str) -> None:
        writes = Jobs()
        self.add_one(self.unique(mode, key), writes)
        self.write(writes)

    def add_one(self, unique: UniqueKey, writes: Jobs) -> None:
        row = self.row(unique)
        verdict = self.desk.judge(unique, row.id, self.now_ms, self.now_ms)
        self.desk.add_unique(row, unique, verdict, self.now_ms, writes)

    @rule(mode=st.sampled_from(MODES), key=st.sampled_from("ab"))
    def others_add(self, mode: Mode, key: str) -> None:
        row = self.row(self.unique(mode, key))
        self.write(Jobs(started=[row]))
        self.unseen.append(row)

    @rule()
    def find(self) -> None:
        writes, rows = Jobs(), self.unseen
        self.unseen = []
        self.desk.found([replace(row, is_of_others=True) for row in rows], self.now_ms, writes)
        self.write(writes)

    @rule()
    def take(self) -> None:
        writes = Jobs()
        self.desk.take("w", 1, None, self.now_ms, writes)
        self.write(writes)

    @rule(fails=st.booleans(), chosen=st.integers(0, 9))
    def finish(self, fails: bool, chosen: int) -> None:
        taken = [job for job in self.desk.jobs.values() if job.token]
        if not taken:
            return
        job = taken[chosen % len(taken)]
        how: dict[str, Any] = {"error": "no", "retry_s": 2.0} if fails else {}
        writes = Jobs()
        assert self.desk.finish("w", [Finished(job.id, job.token, **how)], self.now_ms, writes) == []
        self.write(writes)

    @rule(chosen=st.integers(0, 9))
    def step(self, chosen: int) -> None:
        taken = [job for job in self.desk.jobs.values() if job.token]
        if taken:
            writes = Jobs()
            self.desk.step(taken[chosen % len(taken)].id, "one", b"1", writes)
            self.write(writes)

    @rule(seconds=st.sampled_from([1.0, 3.0, 6.0]))
    def time_passes(self, seconds: float) -> None:
        self.now_ms += int(seconds * 1_000)

    @rule(adds=st.booleans(), mode=st.sampled_from(MODES), key=st.sampled_from("ab"))
    def another_owner(self, adds: bool, mode: Mode, key: str) -> None:
        """`adds`: that is the first message it gets, after which it settles what others have added."""
        stored = self.stored
        self.desk, self.unseen, writes = Desk("q"), [], Jobs()
        windows = [one for one in stored.windows.values() if one.until_ms > self.now_ms]
        self.desk.begin_with([replace(take) for take in stored.takes.values()], windows, list(stored.steps))
        rows = [replace(row, is_of_others=row.id in stored.found_by) for row in stored.jobs.values()]
        self.desk.load(sorted(rows, key=lambda row: row.id), self.now_ms)
        if adds:
            self.add_one(self.unique(mode, key), writes)
        unsettled, self.desk.unsettled = self.desk.unsettled, []
        self.desk.found(unsettled, self.now_ms, writes)
        self.write(writes)

    @invariant()
    def there_are_not_more_of_a_key_than_may_be(self) -> None:
        if not hasattr(self, "desk"):
            return
        for mode, most, active_most in (("simple", 1, 1), ("keep_last", 2, 1)):
            for key in "ab":
                jobs = [
                    job
                    for job in self.desk.jobs.values()
                    if job.options is not None
                    and job.options.unique is not None
                    and job.options.unique.key == mode + key
                ]
                assert len(jobs) <= most, (mode, jobs)
                assert sum(job.token != 0 for job in jobs) <= active_most, (mode, jobs)

    @invariant()
    def what_is_stored_is_what_the_desk_has(self) -> None:
        if not hasattr(self, "desk"):
            return
        assert self.stored.steps.keys() == self.desk.with_steps.keys() <= self.desk.jobs.keys()
        unseen = {row.id for row in self.unseen}
        stored = {id: row for id, row in self.stored.jobs.items() if id not in unseen}
        assert stored.keys() == self.desk.jobs.keys()
        for id, job in self.desk.jobs.items():
            row = stored[id]
            assert (row.arguments, row.due_ms, row.attempts) == (job.arguments, job.due_ms, job.attempts), id
        held = {job.id for job in self.desk.jobs.values() if job.token}
        assert held == {id for take in self.stored.takes.values() for id in take.ids if id in self.desk.jobs}

    @invariant()
    def nothing_is_left_behind(self) -> None:
        """What nobody has is in the order, or behind one that somebody has or that is in the order."""
        if not hasattr(self, "desk"):
            return
        free = [job for job in self.desk.jobs.values() if not job.token]
        behind = [
            job
            for job in free
            if job.options is not None
            and job.options.unique is not None
            and self.desk.keys.is_behind(job.options.unique, job.id)
        ]
        assert len(self.desk.order) == len(free) - len(behind)


Keys.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestKeys = Keys.TestCase
