"""Which jobs a command is about: its options, as the API takes them."""

import time
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from greenroom.actors.jobs.ids import ID
from greenroom.store.jobs.filter import STATES
from greenroom.supervisors.cli.jobs.times import ago
from greenroom.supervisors.cli.terminal.plainly import BAD_USAGE, Trouble

WHEN = "30m, 2h or 7d ago, or a moment (UTC): 2026-01-31T06:00"

Queue = Annotated[str, typer.Option("--queue", metavar="NAME", help="Of this queue.")]
States = Annotated[
    list[str] | None,
    typer.Option("--state", metavar="STATE", help=f"{', '.join(STATES)}; may be given several times."),
]
Kind = Annotated[str, typer.Option("--kind", metavar="TAG", help="The tag of its class, as in job.welcome.")]
Key = Annotated[str | None, typer.Option("--key", metavar="KEY", help="Its key (`partition`); '': those without one.")]
Search = Annotated[
    str, typer.Option("--search", metavar="WORDS", help="Each of these words, in its arguments or in an error.")
]
Since = Annotated[str | None, typer.Option("--since", metavar="TIME", help=f"Added then or later: {WHEN}.")]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Added before that.")]
EndedSince = Annotated[str | None, typer.Option("--ended-since", metavar="TIME", help="Ended then or later.")]
EndedUntil = Annotated[str | None, typer.Option("--ended-until", metavar="TIME", help="Ended before that.")]


def filter_of(
    *,
    states: Sequence[str] | None = None,
    kind: str = "",
    key: str | None = None,
    search: str = "",
    since: str | None = None,
    until: str | None = None,
    ended_since: str | None = None,
    ended_until: str | None = None,
    ids: Sequence[str] | None = None,
) -> dict[str, Any]:
    """What is given, by the API's names. Raises: Trouble that names the option."""
    asked = [one for state in states or () for one in state.split(",")]
    for state in asked:
        if state not in STATES:
            raise Trouble(f"--state {state!r}: must be one of {', '.join(STATES)}", status=BAD_USAGE)
    for one in ids or ():
        if ID.fullmatch(one) is None:
            raise Trouble(f"ID {one!r}: must be 32 hex digits, as `greenroom jobs list` shows them", status=BAD_USAGE)
    now_s = time.time()
    given: dict[str, Any] = {
        "state": asked or None,
        "kind": kind or None,
        "key": key,
        "search": search or None,
        "id": list(ids or ()) or None,
        "added_since_ms": ago("--since", since, now_s),
        "added_until_ms": ago("--until", until, now_s),
        "ended_since_ms": ago("--ended-since", ended_since, now_s),
        "ended_until_ms": ago("--ended-until", ended_until, now_s),
    }
    return {name: value for name, value in given.items() if value is not None}


def in_query(where: dict[str, Any]) -> dict[str, Any]:
    """The same as it stands in an address."""
    return {name: ",".join(value) if isinstance(value, list) else value for name, value in where.items()}
