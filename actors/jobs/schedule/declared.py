"""Schedules that the code declares.

    schedule("nightly", Report(of="sales"), cron="0 3 * * *", tz="Europe/Berlin")

It stands in a module that GREENROOM_ENTITIES names, or in one below a package that it names. Nodes that start have the
schedules made as the code says; one that the code declares no more is orphaned: shown, and never fired.
"""

import sys
from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct

from greenroom.actors.jobs.installed import Jobs
from greenroom.actors.jobs.job import Job
from greenroom.actors.jobs.schedule.book.messages import SCHEDULES_MAX
from greenroom.actors.jobs.schedule.due import Missed
from greenroom.actors.jobs.schedule.overlap import Overlap
from greenroom.actors.jobs.schedule.spec import CATCH_UP_S, Spec, checked
from greenroom.actors.jobs.texts import is_name
from greenroom.actors.model.entity import BadEntity, split_entity
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.kinds import BadEntityClass

_KEPT_AS = "__schedules__"  # in the module that declares them


class DeclaredSchedule(Struct, frozen=True):
    """One that the code declares."""

    name: str
    job: Job
    spec: Spec

    @property
    def digest(self) -> str:
        """Of all that is said of it."""
        return sha256(msgspec.json.encode(self.spec, order="sorted")).hexdigest()[:32]


def schedule(
    name: str,
    job: Job,
    *,
    cron: str = "",
    tz: str = "UTC",
    every: float = 0.0,
    offset: float = 0.0,
    once: datetime | float | None = None,
    jitter: float = 0.0,
    overlap: Overlap = "skip",
    missed: Missed = "last",
    catch_up: float = CATCH_UP_S,
    priority: int | None = None,
    partition: str | None = None,
    attempts: int | None = None,
    note: str = "",
    tick_as: str = "",
) -> DeclaredSchedule:
    """Have `job` started at the times of one of `cron` (in the zone `tz`), `every` (seconds, counted from 1970 and
    moved by `offset`) and `once` (with its zone, or Unix seconds), each up to `jitter` seconds later.

    `overlap`: what becomes of a tick while an earlier one's job has not ended. `missed`: of ticks while nobody ran the
    last is made up for, all, or none ("skip"); none that is older than `catch_up` seconds. `priority`, `partition` and
    `attempts` are those of the job's class unless given. `tick_as`: the argument that is given the tick, Unix ms.
    Raises: ValueError, which names the argument.
    """
    fields: dict[str, Any] = {
        "job": str(job.__struct_config__.tag),
        "queue": job.queue,
        "when": {
            "cron": cron,
            "tz": tz,
            "every_s": every,
            "offset_s": offset,
            "once_ms": _once_ms(once),
            "jitter_s": jitter,
        },
        "overlap": overlap,
        "missed": missed,
        "catch_up_s": catch_up,
        "priority": priority,
        "partition": partition,
        "attempts": attempts,
        "note": note,
        "tick_as": tick_as,
    }
    arguments = {field: getattr(job, field) for field in job.__struct_fields__}
    try:
        split_entity(f"schedule:{name}")
        fields["arguments"] = msgspec.json.decode(msgspec.json.encode(arguments))
        spec = msgspec.convert(fields, Spec)
        spec.when.check()
    except (BadEntity, msgspec.ValidationError, Refused, UnicodeEncodeError) as error:
        raise ValueError(f"schedule({name!r}): {error}") from None
    if not is_name(name):
        raise ValueError(f"schedule({name!r}): its name has control characters")
    declared = DeclaredSchedule(name, job, spec)
    sys._getframe(1).f_globals.setdefault(_KEPT_AS, []).append(declared)
    return declared


def declared_in(import_paths: Iterable[str]) -> list[DeclaredSchedule]:
    """Those of modules that are imported, at these paths or below. One of `module:Class` has none."""
    found: list[DeclaredSchedule] = []
    roots = [path for path in dict.fromkeys(import_paths) if ":" not in path]
    for name, module in sorted(sys.modules.items()):
        if any(name == root or name.startswith(f"{root}.") for root in roots):
            found += vars(module).get(_KEPT_AS, [])
    return found


def check_declared(declared: Iterable[DeclaredSchedule], jobs: Jobs) -> list[DeclaredSchedule]:
    """Raises: BadEntityClass: two of one name, a job that is not installed, arguments that it does not take."""
    by_name: dict[str, DeclaredSchedule] = {}
    for one in declared:
        if one.name in by_name:
            raise BadEntityClass(f"two schedules have the name {one.name!r}")
        by_name[one.name] = one
        if jobs.get(one.spec.job) is None:
            raise BadEntityClass(f"schedule {one.name!r}: its job {one.spec.job!r} is not among GREENROOM_ENTITIES")
        try:
            checked(one.spec, jobs)
        except Refused as error:
            raise BadEntityClass(f"schedule {one.name!r}: {error.detail}") from None
    if len(by_name) > SCHEDULES_MAX:
        raise BadEntityClass(f"there may be {SCHEDULES_MAX} schedules, and {len(by_name)} are declared")
    return list(by_name.values())


def _once_ms(once: datetime | float | None) -> int | None:
    """Raises: ValueError."""
    if isinstance(once, datetime):
        if once.tzinfo is None:
            raise ValueError("`once` needs a time zone, as in datetime(2027, 1, 1, tzinfo=UTC)")
        return int(once.timestamp() * 1000)
    return None if once is None else int(once * 1000)
