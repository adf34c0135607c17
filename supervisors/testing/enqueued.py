"""What waits in a test's queues, what of it is meant, and what a test that has found something else is told. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from greenroom.actors.jobs.job import Job

SHOWN_MAX = 20  # jobs that a failure names
VALUE_MAX = 60  # characters of one value there


class Enqueued(Struct, frozen=True):
    """A job that is not finished."""

    job: Job  # as its arguments' JSON decodes
    id: str
    state: str  # waiting, delayed, retrying …, as its queue has it
    delay_s: float  # until it is due
    priority: int
    partition: str
    attempts: int  # that have failed
    attempts_max: int


class Outcome(Struct, frozen=True):
    """A job that has ended."""

    job: Job
    id: str
    state: str  # completed, failed or cancelled
    result: Any  # as its JSON decodes
    errors: list[str]  # of the attempts that have failed, and why it was cancelled
    traces: list[str]  # of these errors, as far as they have one
    begun: int  # times that it was begun, snoozes too
    ended_s: float  # Unix s, of the kit's clock
    progress: list[tuple[float, str]]
    log: list[str]


def fits(job: Job, of: type[Job], fields: Mapping[str, object]) -> bool:
    """Is it one of that class, with these values, as JSON has them?"""
    return type(job) is of and all(_json(getattr(job, name)) == _json(value) for name, value in fields.items())


def require_fields(of: type[Job], fields: Mapping[str, object]) -> None:
    """A name that is mistyped would fit nothing, and refute anything. Raises: TypeError."""
    for name in fields:
        if name not in of.__struct_fields__:
            raise TypeError(
                f"{of.__qualname__} has no field {name!r}: it has {', '.join(of.__struct_fields__) or 'none'}"
            )


def none_fits(of: type[Job], fields: Mapping[str, object], waiting: Sequence[Enqueued], over: Sequence[Outcome]) -> str:
    """Why `assert_enqueued` fails."""
    said = [f"{_wanted(of, fields)} is not enqueued."]
    if waiting:
        said += ["Enqueued:", *_some([_line(one) for one in waiting])]
    else:
        said.append("Nothing is enqueued.")
    ended = [one for one in over if type(one.job) is of]
    if ended:
        said += ["Ended:", *_some([f"{_named(one.job)}: {one.state}" for one in ended])]
    return "\n".join(said)


def some_fit(of: type[Job], fields: Mapping[str, object], waiting: Sequence[Enqueued]) -> str:
    """Why `refute_enqueued` fails."""
    return "\n".join([f"{_wanted(of, fields)} is enqueued:", *_some([_line(one) for one in waiting])])


def _wanted(of: type[Job], fields: Mapping[str, object]) -> str:
    return " ".join([of.__qualname__, *_values(fields.items())])


def _named(job: Job) -> str:
    return " ".join([type(job).__qualname__, *_values((name, getattr(job, name)) for name in job.__struct_fields__)])


def _line(one: Enqueued) -> str:
    notes = [one.state if not one.delay_s else f"{one.state}, due in {one.delay_s:g} s"]
    if one.attempts:
        notes.append(f"{one.attempts} of {one.attempts_max} attempts have failed")
    return f"{_named(one.job)} ({'; '.join(notes)})"


def _values(fields: Iterable[tuple[str, object]]) -> list[str]:
    return [f"{name}={_short(repr(value))}" for name, value in fields]


def _short(text: str) -> str:
    return text if len(text) <= VALUE_MAX else f"{text[:VALUE_MAX]}…"


def _some(lines: Sequence[str]) -> list[str]:
    more = [f"  … and {len(lines) - SHOWN_MAX} more"] if len(lines) > SHOWN_MAX else []
    return [*(f"  {line}" for line in lines[:SHOWN_MAX]), *more]


def _json(value: object) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))
