"""Waits: which other jobs a job waits for, and what it makes of how they end.

    hd = self.start_job(Transcode(video=key, height=1080))
    sd = self.start_job(Transcode(video=key, height=480))
    self.start_job(Publish(video=key), children=[hd, WaitFor(sd, "ignore")])

A job that was cancelled has failed, to those that wait for it. What one of them may do to whoever waits for it:

- `fail`: that fails as well, at once, whatever the others do.
- `ignore`: nothing; it is as if it had succeeded.
- `continue`: that is worked on at once, without the others.

`when` makes a callback of a job, for a whole batch: `success` where all have succeeded, `failure` as soon as one has
not, `ended` where all have ended, however. One that is not called ends as cancelled.

Children are jobs that are done for this one: where it ends without having succeeded, those that are left are cancelled.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from greenroom.actors.jobs.ids import ID
from greenroom.actors.jobs.texts import Name
from greenroom.actors.model.errors import Refused

OnFailure = Literal["fail", "ignore", "continue"]
When = Literal["", "success", "failure", "ended"]
WAITS_MAX = 1_000  # jobs that one waits for


class WaitFor(Struct, frozen=True, omit_defaults=True):
    """One job that another waits for. In a flow that is added at once it may be said by its name there."""

    id: Name
    on_failure: OnFailure = "fail"


class Awaited(Struct, frozen=True, array_like=True):
    """The same as it is stored: there may be many."""

    id: str
    on_failure: OnFailure = "fail"
    is_child: bool = False
    queue: str = ""  # where it is known
    is_settled: bool = False  # it has ended, and need not be known any more for this one to go on
    past_ms: int = 0  # when it had ended badly, before both were tried again: that end does not count
    group: str = ""  # under which the waiting job itself has added it, while it was worked on


class Waits(Struct, frozen=True, omit_defaults=True):
    """All that one job waits for: first what it was added with, then what it has added itself."""

    jobs: list[Awaited]
    when: When = ""  # of those that it was added with
    past: int = 0  # so many of them, the first, it waits for no more, however they are
    rests: bool = False  # it was worked on, and waits again: for those that it has added since

    @property
    def has_spawned(self) -> bool:
        """Has it added some itself?"""
        return bool(self.jobs) and bool(self.jobs[-1].group)

    def ahead(self, *, was_free: bool) -> list[Awaited]:
        """Those that it has not waited for yet. `was_free`: what it was added with it has."""
        if self.has_spawned or not was_free:
            return self.jobs[self.past :]
        return []

    def with_spawned(self, some: Iterable[Awaited]) -> "Waits":
        """And these, which it has just added: it is worked on, so what it was added with is past."""
        past = self.past if self.has_spawned else len(self.jobs)
        return replace(self, jobs=[*self.jobs, *some], past=past)


class _Checked(Struct):
    when: When
    policies: Annotated[list[OnFailure], Meta(max_length=WAITS_MAX)]


def waits_for(
    after: Iterable[str | WaitFor],
    children: Iterable[str | WaitFor],
    when: str = "",
    queues: Mapping[str, str] | None = None,
) -> Waits | None:
    """As one says it. `queues`: of jobs by their id, as far as they are known. None: it waits for nothing.

    Raises: Refused `job.out_of_bounds`, `job.waits_for_nothing`.
    """
    jobs: dict[str, Awaited] = {}
    for is_child, some in ((False, after), (True, children)):
        for one in some:
            given = one if isinstance(one, WaitFor) else WaitFor(one)
            if not isinstance(given.id, str) or not ID.fullmatch(given.id):
                raise Refused("job.out_of_bounds", f"{given.id!r:.100} is no job's id", status=422)
            jobs[given.id] = Awaited(given.id, given.on_failure, is_child, (queues or {}).get(given.id, ""))
    try:
        checked = msgspec.convert({"when": when, "policies": [one.on_failure for one in jobs.values()]}, _Checked)
    except msgspec.ValidationError as error:
        raise Refused("job.out_of_bounds", f"what it waits for: {error}", status=422) from None
    if not jobs:
        if when:
            raise Refused("job.waits_for_nothing", "`when` needs jobs to wait for", status=422)
        return None
    return Waits(list(jobs.values()), checked.when)
