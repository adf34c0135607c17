"""A flow as it was given, checked: each name once, no ring, no job that is the child of two. Pure."""

from collections.abc import Sequence

from greenroom.actors.jobs.ids import ID
from greenroom.actors.jobs.queue.flows.messages import FlowJob
from greenroom.actors.model.errors import Refused

DEPTH_MAX = 100  # jobs that wait for one another in a row
SHOWN_MAX = 10  # names in a refusal


def in_order(jobs: Sequence[FlowJob]) -> list[FlowJob]:
    """Each behind all that it waits for.

    Raises: Refused, naming who is to blame: `queue.flow_names`, `queue.unique_in_flow`, `queue.two_parents`,
    `queue.unknown_job`, `queue.cycle`, `queue.flow_too_deep`.
    """
    named = {job.name: job for job in jobs}
    if len(named) < len(jobs):
        twice = next(job.name for job in jobs if named[job.name] is not job)
        raise Refused("queue.flow_names", f"two jobs are named {twice!r}", status=422)
    parents: dict[str, str] = {}
    for job in jobs:
        if job.unique is not None:
            raise Refused("queue.unique_in_flow", f"{job.name!r}: a job of a flow has no `unique`", status=422)
        if job.when and not (job.after or job.children):
            raise Refused("job.waits_for_nothing", f"{job.name!r}: `when` needs jobs to wait for", status=422)
        for one in job.children:
            if parents.setdefault(one.id, job.name) != job.name:
                text = f"{one.id!r} is a child of {parents[one.id]!r} and of {job.name!r}"
                raise Refused("queue.two_parents", text, status=422)
        for one in (*job.after, *job.children):
            if one.id not in named and not ID.fullmatch(one.id):
                raise Refused("queue.unknown_job", f"{job.name!r} waits for {one.id!r}, which is none", status=422)
    return _sorted(named)


def _sorted(named: dict[str, FlowJob]) -> list[FlowJob]:
    open_ = {name: {one.id for one in (*job.after, *job.children) if one.id in named} for name, job in named.items()}
    waiting: dict[str, list[str]] = {}
    for name, others in open_.items():
        for one in others:
            waiting.setdefault(one, []).append(name)
    depths = {name: 1 for name, others in open_.items() if not others}
    done = list(depths)
    for name in done:  # which grows
        for other in waiting.get(name, ()):
            open_[other].discard(name)
            if not open_[other]:
                depths[other] = depths[name] + 1
                done.append(other)
    if len(done) < len(named):
        raise Refused("queue.cycle", f"jobs wait for each other: {_ring(open_)}", status=422)
    deepest = max(depths, key=lambda name: depths[name])
    if depths[deepest] > DEPTH_MAX:
        raise Refused("queue.flow_too_deep", f"{deepest!r} waits at the end of {depths[deepest]} in a row", status=422)
    return [named[name] for name in done]


def _ring(open_: dict[str, set[str]]) -> str:
    """One of them: whoever waits still waits for somebody who does."""
    name = next(name for name, others in open_.items() if others)
    way: dict[str, None] = {}
    while name not in way:
        way[name] = None
        name = min(open_[name])
    ring = list(way)[list(way).index(name) :]
    shown = ring if len(ring) <= SHOWN_MAX else [*ring[:SHOWN_MAX], "…"]
    return " → ".join([*shown, name])
