"""Jobs: added by whoever starts them; taken, ended and put back by their queue, which alone does so.

A job that is not finished is a row of `jobs`; one that is has moved to `jobs_done`. What a worker has taken is one row
for all that it took at once, so a job costs a row that is written, one that is removed and one that is written again.
"""

from typing import ClassVar, Literal, Self

from msgspec import Struct, field
from msgspec.structs import replace

from greenroom.store.journal.consequences.consequence import Part, Tables

Ended = Literal["completed", "failed", "cancelled"]
Stored = Literal["any", "clear", "clear of others"]  # arguments: the latter have not been added by their own queue
SEALED = b'{"$sealed"'  # how JSON begins that is encrypted: see store/jobs/sealing.py
FREED = 1  # as `let_go`, of a job that has waited for others and waits no more: below all tokens


class JobRow(Struct, gc=False):
    """A job that is not finished."""

    id: str  # a UUID, version 7, as 32 hex digits
    queue: str
    job: str  # the tag of its class
    arguments: bytes | None  # JSON object; None: it was not read along
    added_ms: int  # Unix ms
    due_ms: int  # not before, Unix ms
    partition: str = ""
    priority: int = 4  # 0 goes first, 9 last
    attempts: int = 0  # that have failed
    attempts_max: int = 5
    lost: int = 0  # workers that ended with it in hand
    options: bytes | None = None  # JSON object: see actors/jobs/options.py
    unique_key: str | None = None
    is_of_others: bool = False  # not its queue has added it; only said where it is read
    let_go: int = 0  # the token up to which whoever has taken it has it no more; or FREED
    cancel: str | None = None  # it is not wanted any more, for that reason, and a worker has it

    @property
    def size(self) -> int:
        return len(self.arguments or b"") + len(self.partition) + len(self.options or b"")


class TakeRow(Struct, gc=False):
    """What a worker has taken at once."""

    queue: str
    token: int
    worker: str
    at_ms: int
    ids: list[str]
    process: str = ""  # the worker's, as `host/process`


class EndRow(Struct, gc=False):
    """How a job has ended."""

    id: str
    state: Ended
    ended_ms: int
    worker: str = ""
    started_ms: int | None = None
    result: bytes | None = None  # JSON
    error: bytes | None = None  # JSON object of the last attempt
    arguments: bytes | None = None  # in place of what is stored; None: it stays
    replaces: Stored = "any"  # so does what is another
    instead: str = ""  # the id of the one that is done in its place, which `error` says too


class BackRow(Struct, gc=False):
    """A job that is to be tried again; or that is changed. What is None stays as it is."""

    id: str
    due_ms: int
    attempts: int
    lost: int
    error: bytes | None = None  # JSON object of the attempt that has ended
    arguments: bytes | None = None
    priority: int | None = None
    cancel: str | None = None
    let_go: int = 0  # see JobRow
    options: bytes | None = None


class StepRow(Struct, gc=False):
    """A step of a job that is through."""

    id: str
    name: str
    result: bytes  # JSON


class UntakenRow(Struct, gc=False):
    """Nothing is left of what was taken with that token."""

    queue: str
    token: int


class WindowRow(Struct, gc=False):
    """Until when no other job with that key is taken."""

    queue: str
    key: str
    id: str  # of the job that is
    until_ms: int


class JobTables:
    """In memory: what the database has of jobs."""

    def __init__(self) -> None:
        self.jobs: dict[str, JobRow] = {}
        self.commits = 0  # that have added jobs for a queue to find
        self.found_by: dict[str, int] = {}  # such a job -> the number of the commit
        self.windows: dict[tuple[str, str], WindowRow] = {}
        self.done: dict[str, tuple[JobRow, EndRow]] = {}
        self.takes: dict[tuple[str, int], TakeRow] = {}
        self.steps: dict[str, dict[str, bytes]] = {}  # by the job's id and the step's name


ADDED = {
    "id": "bigint", "job_id": "uuid", "queue": "text", "job": "text", "arguments": "bytea", "added_ms": "bigint",
    "due_ms": "bigint", "partition": "text", "priority": "int", "attempts_max": "int", "options": "bytea",
    "unique_key": "text", "let_go": "bigint",
}  # fmt: skip
INSERT = """
    INSERT INTO jobs (id, queue, job, arguments, added_ms, due_ms, partition, priority, attempts_max, options,
        unique_key, let_go{column})
    SELECT m.job_id, m.queue, m.job, m.arguments, m.added_ms, m.due_ms, m.partition, m.priority, m.attempts_max,
        m.options, m.unique_key, m.let_go{value}
    FROM {{rows}} WHERE {{owned}}{but}"""
# A queue that was forgotten gets no more jobs: nobody would take them, or remove them.
NOT_FORGOTTEN = """
        AND NOT EXISTS (SELECT FROM erasures e WHERE e.digest = sha256(convert_to('queue:' || m.queue, 'UTF8')))"""

ERRORS_MAX = 20  # of one job that are kept: the newest
ERRORS = f"""CASE WHEN m.error IS NULL THEN j.errors ELSE
            CASE WHEN jsonb_array_length(j.errors) >= {ERRORS_MAX} THEN j.errors - 0
                ELSE coalesce(j.errors, '[]') END || convert_from(m.error, 'UTF8')::jsonb END"""


# Where the arguments that are stored are not to stay: the same append has changed them, or they may be in the clear.
# Parts of their own: the others, which are nearly all, need not bring a column for it.
STORED = "j.arguments"
IS_SEALED = f"substr(j.arguments, 1, {len(SEALED)}) = '\\x{SEALED.hex()}'::bytea"
REPLACED: dict[Stored, str] = {
    "any": "m.arguments",
    "clear": f"CASE WHEN {IS_SEALED} THEN {STORED} ELSE m.arguments END",
    "clear of others": f"CASE WHEN {IS_SEALED} OR j.xid IS NULL THEN {STORED} ELSE m.arguments END",
}
ENDED = {
    "id": "bigint", "job_id": "uuid", "state": "text", "ended_ms": "bigint", "worker": "text", "started_ms": "bigint",
    "result": "bytea", "error": "bytea",
}  # fmt: skip
# Two common table expressions, of which the second is fed by the first.
END = f"""
    DELETE FROM jobs j USING {{rows}} WHERE j.id = m.job_id AND {{owned}}
    RETURNING j.id, j.queue, j.job, <arguments>, j.added_ms, j.due_ms, j.partition, j.priority, j.attempts,
        j.attempts_max, j.lost, j.options, m.state, m.ended_ms, m.worker, m.started_ms, m.result,
        {ERRORS} AS errors, j.let_go
), <name>_ended AS (
    INSERT INTO jobs_done (id, queue, job, arguments, added_ms, due_ms, partition, priority, attempts, attempts_max,
        lost, options, state, ended_ms, worker, started_ms, result, errors, let_go)
    SELECT * FROM <name>"""


def _end(name: str, arguments: str) -> str:
    return END.replace("<name>", name).replace("<arguments>", arguments)


def _ended(head_id: int, row: EndRow) -> tuple[object, ...]:
    return head_id, row.id, row.state, row.ended_ms, row.worker, row.started_ms, row.result, row.error


def _added(head_id: int, row: JobRow) -> tuple[object, ...]:
    return (
        head_id, row.id, row.queue, row.job, row.arguments, row.added_ms, row.due_ms, row.partition, row.priority,
        row.attempts_max, row.options, row.unique_key, row.let_go,
    )  # fmt: skip


def _end_with(name: str, replaces: Stored) -> Part["Jobs"]:
    return Part(
        name=name,
        columns={**ENDED, "arguments": "bytea"},
        sql=_end(name, REPLACED[replaces]),
        rows=lambda head_id, shard, jobs: [
            (*_ended(head_id, row), row.arguments)
            for row in jobs.ended.values()
            if row.arguments is not None and row.replaces == replaces
        ],
    )


class Jobs(Struct):
    """Of one entity, in one append. A list each, that is mostly empty."""

    added: list[JobRow] = field(default_factory=list)  # by their queue
    started: list[JobRow] = field(default_factory=list)  # by another entity: the queue is to find them
    taken: list[TakeRow] = field(default_factory=list)
    ended: dict[str, EndRow] = field(default_factory=dict)  # by the job's id
    back: dict[str, BackRow] = field(default_factory=dict)
    untaken: list[UntakenRow] = field(default_factory=list)
    revived: list[JobRow] = field(default_factory=list)  # that had ended, and begin anew
    steps: list[StepRow] = field(default_factory=list)
    unstepped: list[str] = field(default_factory=list)  # ids of jobs whose steps nobody needs any more
    windows: dict[str, WindowRow] = field(default_factory=dict)  # by the key
    over: list[tuple[JobRow, EndRow]] = field(default_factory=list)  # added and ended by this append
    dropped: list[str] = field(default_factory=list)  # ids of jobs that have ended, and are to be gone

    parts: ClassVar[tuple[Part["Jobs"], ...]] = (
        Part(
            name="jobs_added",
            columns=ADDED,
            sql=INSERT.format(column="", value="", but=""),
            rows=lambda head_id, shard, jobs: [_added(head_id, row) for row in jobs.added],
        ),
        # The transaction's number: by it a queue finds each row once, whenever it commits.
        Part(
            name="jobs_started",
            columns=ADDED,
            sql=INSERT.format(column=", xid", value=", pg_current_xact_id()", but=NOT_FORGOTTEN),
            rows=lambda head_id, shard, jobs: [_added(head_id, row) for row in jobs.started],
        ),
        Part(
            name="jobs_taken",
            columns={
                "id": "bigint", "queue": "text", "token": "bigint", "worker": "text", "at_ms": "bigint", "ids": "text",
                "process": "text",
            },
            sql="""
    INSERT INTO job_takes (queue, token, worker, at_ms, ids, process)
    SELECT m.queue, m.token, m.worker, m.at_ms, m.ids::uuid[], m.process FROM {rows} WHERE {owned}""",
            rows=lambda head_id, shard, jobs: [
                (head_id, row.queue, row.token, row.worker, row.at_ms, f"{{{','.join(row.ids)}}}", row.process)
                for row in jobs.taken
            ],
        ),
        Part(
            name="jobs_gone",
            columns=ENDED,
            sql=_end("jobs_gone", STORED),
            rows=lambda head_id, shard, jobs: [
                _ended(head_id, row) for row in jobs.ended.values() if row.arguments is None
            ],
        ),
        _end_with("jobs_changed", "any"),
        _end_with("jobs_sealed", "clear"),
        _end_with("jobs_removed", "clear of others"),
        Part(
            name="jobs_back",
            columns={
                "id": "bigint", "job_id": "uuid", "due_ms": "bigint", "attempts": "int", "lost": "int",
                "error": "bytea", "arguments": "bytea", "priority": "int", "cancel": "text", "let_go": "bigint",
                "options": "bytea",
            },
            sql="""
    UPDATE jobs j SET due_ms = m.due_ms, attempts = m.attempts, lost = m.lost,
        arguments = coalesce(m.arguments, j.arguments), priority = coalesce(m.priority, j.priority),
        cancel = coalesce(m.cancel, j.cancel), let_go = greatest(j.let_go, m.let_go),
        options = coalesce(m.options, j.options),
        errors = {errors}
    FROM {rows} WHERE j.id = m.job_id AND {owned}""".replace("{errors}", ERRORS),
            rows=lambda head_id, shard, jobs: [
                (
                    head_id, row.id, row.due_ms, row.attempts, row.lost, row.error, row.arguments, row.priority,
                    row.cancel, row.let_go, row.options,
                )
                for row in jobs.back.values()
            ],
        ),
        # Not by `=`: planned while the table was empty, that would go through all of it for each row of ours, and until
        # the next vacuum also when it is full of rows that are removed, and that somebody's open transaction keeps.
        Part(
            name="jobs_untaken",
            columns={"id": "bigint", "queue": "text", "token": "bigint"},
            sql="""
    DELETE FROM job_takes t USING {rows}
    WHERE t.queue = ANY (ARRAY[m.queue]) AND t.token = ANY (ARRAY[m.token]) AND {owned}""",
            rows=lambda head_id, shard, jobs: [(head_id, row.queue, row.token) for row in jobs.untaken],
        ),
        # As it was read, where retention has dropped the row meanwhile.
        Part(
            name="jobs_revived",
            columns=ADDED,
            sql="""
    DELETE FROM jobs_done d USING {rows} WHERE d.id = m.job_id AND {owned} RETURNING d.id, d.errors
), jobs_again AS (
    INSERT INTO jobs (id, queue, job, arguments, added_ms, due_ms, partition, priority, attempts_max, options, let_go,
        errors)
    SELECT m.job_id, m.queue, m.job, m.arguments, m.added_ms, m.due_ms, m.partition, m.priority, m.attempts_max,
        m.options, m.let_go, r.errors
    FROM {rows} LEFT JOIN jobs_revived r ON r.id = m.job_id WHERE {owned}""",
            rows=lambda head_id, shard, jobs: [_added(head_id, row) for row in jobs.revived],
        ),
        Part(
            name="job_steps_done",
            columns={"id": "bigint", "job_id": "uuid", "name": "text", "result": "bytea"},
            sql="""
    INSERT INTO job_steps (id, name, result) SELECT m.job_id, m.name, m.result FROM {rows} WHERE {owned}
    ON CONFLICT DO NOTHING""",
            rows=lambda head_id, shard, jobs: [(head_id, row.id, row.name, row.result) for row in jobs.steps],
        ),
        Part(
            name="job_steps_gone",
            columns={"id": "bigint", "job_id": "uuid"},
            sql="DELETE FROM job_steps s USING {rows} WHERE s.id = m.job_id AND {owned}",
            rows=lambda head_id, shard, jobs: [(head_id, job) for job in jobs.unstepped],
        ),
        # What one statement adds it can't remove.
        Part(
            name="jobs_over",
            columns={
                **ADDED, "attempts": "int", "lost": "int", "state": "text", "ended_ms": "bigint", "worker": "text",
                "started_ms": "bigint", "result": "bytea", "error": "bytea",
            },
            sql="""
    INSERT INTO jobs_done (id, queue, job, arguments, added_ms, due_ms, partition, priority, attempts, attempts_max,
        lost, options, state, ended_ms, worker, started_ms, result, errors, let_go)
    SELECT m.job_id, m.queue, m.job, m.arguments, m.added_ms, m.due_ms, m.partition, m.priority, m.attempts,
        m.attempts_max, m.lost, m.options, m.state, m.ended_ms, m.worker, m.started_ms, m.result,
        CASE WHEN m.error IS NOT NULL THEN jsonb_build_array(convert_from(m.error, 'UTF8')::jsonb) END, m.let_go
    FROM {rows} WHERE {owned}""",
            rows=lambda head_id, shard, jobs: [
                (
                    *_added(head_id, row), row.attempts, row.lost, end.state, end.ended_ms, end.worker, end.started_ms,
                    end.result, end.error,
                )
                for row, end in jobs.over
            ],
        ),
        Part(
            name="job_windows_set",
            columns={"id": "bigint", "queue": "text", "key": "text", "job_id": "uuid", "until_ms": "bigint"},
            sql="""
    INSERT INTO job_windows (queue, unique_key, id, until_ms)
    SELECT m.queue, m.key, m.job_id, m.until_ms FROM {rows} WHERE {owned}
    ON CONFLICT (queue, unique_key) DO UPDATE SET id = excluded.id, until_ms = excluded.until_ms""",
            rows=lambda head_id, shard, jobs: [
                (head_id, row.queue, row.key, row.id, row.until_ms) for row in jobs.windows.values()
            ],
        ),
        Part(
            name="jobs_dropped",
            columns={"id": "bigint", "job_id": "uuid"},
            sql="DELETE FROM jobs_done d USING {rows} WHERE d.id = m.job_id AND {owned}",
            rows=lambda head_id, shard, jobs: [(head_id, job) for job in jobs.dropped],
        ),
    )  # fmt: skip

    def merge(self, later: Self) -> None:
        """What is written of one row in one append is written once, as it is at last."""
        self.added += later.added
        self.started += later.started
        added = {row.id: row for row in (*self.added, *self.revived)} if later.back or later.ended else {}
        for back in later.back.values():
            fresh = added.get(back.id)
            if fresh is not None:
                change(fresh, back)
                continue
            before = self.back.get(back.id)
            if before is not None:
                back.error = back.error or before.error
                back.arguments = back.arguments or before.arguments
                back.priority = before.priority if back.priority is None else back.priority
                back.cancel = before.cancel if back.cancel is None else back.cancel
                back.let_go = max(back.let_go, before.let_go)
                back.options = back.options or before.options
            self.back[back.id] = back
        again = {row.id for row in self.revived}
        self.over += [(added[end.id], end) for end in later.ended.values() if end.id in added and end.id not in again]
        for end in later.ended.values():
            keep_arguments(end, self.back.pop(end.id, None))
            if end.id not in added:
                self.ended[end.id] = end
            else:
                added[end.id].arguments = _arguments_at_end(added[end.id].arguments, end, is_of_others=False)
        if not added.keys().isdisjoint(later.ended):  # of those that had ended before: they stay as they had
            self.added = [row for row in self.added if row.id not in later.ended]
            self.revived = [row for row in self.revived if row.id not in later.ended]
        self.over += later.over
        self.revived += later.revived
        if later.unstepped:
            gone = set(later.unstepped)
            self.steps = [row for row in self.steps if row.id not in gone]
            self.unstepped += later.unstepped
        self.steps += later.steps
        self.dropped += later.dropped
        untaken = {(row.queue, row.token) for row in later.untaken}
        at_once = {(row.queue, row.token) for row in self.taken} & untaken
        self.taken = [row for row in self.taken if (row.queue, row.token) not in at_once] + later.taken
        self.untaken += [row for row in later.untaken if (row.queue, row.token) not in at_once]
        self.windows.update(later.windows)

    def cost(self) -> tuple[int, int]:
        rows = size = 0
        for row in (*self.added, *self.started, *self.revived):
            rows += 1
            size += row.size
        for step in self.steps:
            rows += 1
            size += len(step.result)
        for end in self.ended.values():
            rows += 2
            size += len(end.result or b"") + len(end.error or b"") + len(end.arguments or b"")
        for back in self.back.values():
            rows += 1
            size += len(back.error or b"") + len(back.arguments or b"") + len(back.options or b"")
        for taken in self.taken:
            rows += 1
            size += 16 * len(taken.ids)
        for row, end in self.over:
            rows += 1
            size += row.size + len(end.result or b"") + len(end.error or b"")
        return rows + len(self.untaken) + len(self.unstepped) + len(self.windows) + len(self.dropped), size

    def land(self, head: Tables, database: Tables) -> None:
        tables = database.of(JobTables)
        for row in (*self.added, *self.started):
            tables.jobs[row.id] = replace(row)
        if self.started:
            tables.commits += 1
            tables.found_by.update(dict.fromkeys([row.id for row in self.started], tables.commits))
        for taken in self.taken:
            tables.takes[taken.queue, taken.token] = taken
        for back in self.back.values():
            found = tables.jobs.get(back.id)
            if found is not None:
                change(found, back)
        for end in self.ended.values():
            gone = tables.jobs.pop(end.id, None)
            is_of_others = tables.found_by.pop(end.id, None) is not None
            if gone is not None:
                gone.arguments = _arguments_at_end(gone.arguments, end, is_of_others=is_of_others)
                tables.done[end.id] = gone, end
        tables.done.update((row.id, (row, end)) for row, end in self.over)
        for one in self.untaken:
            tables.takes.pop((one.queue, one.token), None)
        for job in self.dropped:
            tables.done.pop(job, None)
        for row in self.revived:
            tables.done.pop(row.id, None)
            tables.jobs[row.id] = replace(row)
        for step in self.steps:
            tables.steps.setdefault(step.id, {}).setdefault(step.name, step.result)
        for job in self.unstepped:
            tables.steps.pop(job, None)
        for window in self.windows.values():
            tables.windows[window.queue, window.key] = window

    def __len__(self) -> int:
        return (
            len(self.added)
            + len(self.started)
            + len(self.taken)
            + len(self.ended)
            + len(self.back)
            + len(self.untaken)
            + len(self.windows)
            + len(self.over)
            + len(self.revived)
            + len(self.steps)
            + len(self.unstepped)
            + len(self.dropped)
        )


def keep_arguments(end: EndRow, back: BackRow | None) -> None:
    """What was changed by the same append, which does not write it, is not lost."""
    if back is not None and back.arguments is not None:
        end.arguments, end.replaces = back.arguments, "any"


def _arguments_at_end(stored: bytes | None, end: EndRow, *, is_of_others: bool) -> bytes | None:
    """As the store has them."""
    if end.arguments is None or (end.replaces == "clear of others" and not is_of_others):
        return stored
    return stored if end.replaces != "any" and (stored or b"").startswith(SEALED) else end.arguments


def change(row: JobRow, back: BackRow) -> None:
    """As the store does it."""
    row.due_ms, row.attempts, row.lost = back.due_ms, back.attempts, back.lost
    if back.arguments is not None:
        row.arguments = back.arguments
    if back.options is not None:
        row.options = back.options
    if back.priority is not None:
        row.priority = back.priority
    row.let_go = max(row.let_go, back.let_go)
    if back.cancel is not None:
        row.cancel = back.cancel
