"""`greenroom jobs retry|cancel|edit|drop`: one thing done about jobs, by their ids or by a filter.

By a filter it is counted first, and asked. Each queue does it part by part; where this is ended on the way, the same
command does the rest.
"""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import msgspec
import typer
from msgspec import Struct

from greenroom.supervisors.cli.jobs.bar import bar
from greenroom.supervisors.cli.jobs.filters import (
    EndedSince,
    EndedUntil,
    Key,
    Kind,
    Queue,
    Search,
    Since,
    States,
    Until,
    filter_of,
    in_query,
)
from greenroom.supervisors.cli.jobs.server import Server, Url, asked_server
from greenroom.supervisors.cli.jobs.times import ahead
from greenroom.supervisors.cli.terminal.plainly import BAD_USAGE, Trouble, told_plainly

# Who is left alone, which is seen as it is done.
MAYBE_LEFT = {"retry": ", but for those whose starters have gone on", "drop": ", but for those that others wait for"}
LEFT = {
    "retry": "who has started them, or a child, has gone on (by ID: --detached), or a child is being cancelled",
    "drop": "others wait for them",
}
IDS_AT_ONCE = 200  # in one address

Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="As `greenroom jobs list` shows them.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say how many there are, and change nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Don't ask.")]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]


class Part(Struct):
    """Jobs of one queue."""

    queue: str
    where: dict[str, Any]


def retry(
    ids: Ids = None,
    queue: Queue = "",
    state: States = None,
    kind: Kind = "",
    key: Key = None,
    search: Search = "",
    since: Since = None,
    until: Until = None,
    ended_since: EndedSince = None,
    ended_until: EndedUntil = None,
    detached: Annotated[
        bool, typer.Option("--detached", help="By ID: also those whose saga, or whatever started them, has gone on.")
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
    server: Url = None,
) -> None:
    """Try jobs again, with all their attempts: those that have failed, unless --state says otherwise.

    Those are left alone that a saga or another entity has started and heard of when they ended: retry that. So are
    those with such a child, or with one that is being cancelled.

    greenroom jobs retry --queue mail --search "connection refused" --dry-run
    """
    with told_plainly():
        where = _where(ids, state, kind, key, search, since, until, ended_since, ended_until)
        if detached and not ids:
            raise Trouble("--detached: is for jobs by ID", status=BAD_USAGE)
        fields = {"detached": True} if detached else {}
        _do(asked_server(server), "retry", ids, queue, where, fields, dry_run=dry_run, yes=yes, as_json=as_json)


def cancel(
    ids: Ids = None,
    queue: Queue = "",
    state: States = None,
    kind: Kind = "",
    key: Key = None,
    search: Search = "",
    since: Since = None,
    until: Until = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="It is shown with each of them.")] = "",
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
    server: Url = None,
) -> None:
    """Cancel jobs that have not ended. Those under way are told so, and have their grace.

    greenroom jobs cancel --queue media --key acme --reason "account closed"
    """
    with told_plainly():
        where = _where(ids, state, kind, key, search, since, until)
        fields = {"reason": reason}
        _do(asked_server(server), "cancel", ids, queue, where, fields, dry_run=dry_run, yes=yes, as_json=as_json)


def edit(
    ids: Ids = None,
    queue: Queue = "",
    state: States = None,
    kind: Kind = "",
    key: Key = None,
    search: Search = "",
    since: Since = None,
    until: Until = None,
    priority: Annotated[int | None, typer.Option(min=0, max=9, help="0 goes first, 9 last.")] = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="Not before: in 30m, 2h or 7d, or a moment (UTC).")
    ] = None,
    arguments: Annotated[str | None, typer.Option(metavar="JSON", help="Others, of one ID.")] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
    server: Url = None,
) -> None:
    """Change jobs that nobody works on: their priority, when they are due, and of one its arguments.

    greenroom jobs edit --queue media --kind job.thumbnail --priority 9
    """
    with told_plainly():
        where = _where(ids, state, kind, key, search, since, until)
        fields = {"priority": priority, "due_ms": ahead("--at", at, time.time())}
        fields = {name: value for name, value in fields.items() if value is not None}
        if arguments is not None:
            return edit_one(asked_server(server), ids or [], arguments, fields, dry_run=dry_run, as_json=as_json)
        if not fields:
            raise Trouble("say what: --priority, --at, or --arguments of one ID", status=BAD_USAGE)
        _do(asked_server(server), "edit", ids, queue, where, fields, dry_run=dry_run, yes=yes, as_json=as_json)


def drop(
    ids: Ids = None,
    queue: Queue = "",
    state: States = None,
    kind: Kind = "",
    key: Key = None,
    search: Search = "",
    since: Since = None,
    until: Until = None,
    ended_since: EndedSince = None,
    ended_until: EndedUntil = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
    server: Url = None,
) -> None:
    """Remove jobs that have ended, before their day goes.

    What waits is to be cancelled first, so that whoever waits for it hears of that.

    greenroom jobs drop --queue mail --state cancelled --ended-until 2d
    """
    with told_plainly():
        where = _where(ids, state, kind, key, search, since, until, ended_since, ended_until)
        _do(asked_server(server), "drop", ids, queue, where, {}, dry_run=dry_run, yes=yes, as_json=as_json)


def _where(
    ids: Sequence[str] | None,
    states: Sequence[str] | None,
    kind: str,
    key: str | None,
    search: str,
    since: str | None,
    until: str | None,
    ended_since: str | None = None,
    ended_until: str | None = None,
) -> dict[str, Any]:
    """Raises: Trouble."""
    return filter_of(
        states=states,
        kind=kind,
        key=key,
        search=search,
        since=since,
        until=until,
        ended_since=ended_since,
        ended_until=ended_until,
        ids=ids,
    )


def _do(
    server: Server,
    act: str,
    ids: Sequence[str] | None,
    queue: str,
    where: dict[str, Any],
    fields: dict[str, Any],
    *,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Raises: Trouble."""
    parts = parts_of(server, queue, where)
    count = sum(done["found"] for part in parts for done in steps(server, act, part, {**fields, "dry_run": True}))
    if dry_run:
        return said({"act": act, "found": count, "changed": 0}, dry_run=True, as_json=as_json)
    if count and not ids and not yes:
        _ask(act, count)
    changed = seen = left = 0
    with bar(act, count) as told:
        for part in parts if count else []:
            for step in steps(server, act, part, fields):
                changed, seen, left = changed + step["changed"], seen + step["found"], left + step.get("left", 0)
                told(seen)
    done = {"act": act, "found": seen, "changed": changed} | ({"left": left} if left else {})
    said(done, dry_run=False, as_json=as_json)


def parts_of(server: Server, queue: str, where: dict[str, Any]) -> list[Part]:
    """By queue. Raises: Trouble where nothing is said, or an id is none."""
    ids: list[str] = where.get("id", [])
    if ids:
        return _by_queue(server, queue, ids, where)
    if queue:
        return [Part(queue, where)]
    if not where:
        raise Trouble("say which: by ID, or by a filter, as --queue or --state (see --help)", status=BAD_USAGE)
    return [Part(row["queue"], where) for row in server.rows("/api/queues", {})]


def _by_queue(server: Server, queue: str, ids: list[str], where: dict[str, Any]) -> list[Part]:
    found: dict[str, list[str]] = {}
    for first in range(0, len(ids), IDS_AT_ONCE):
        asked = in_query({"id": ids[first : first + IDS_AT_ONCE]})
        for row in server.rows("/api/jobs", {**asked, "queue": queue or None}):
            found.setdefault(row["queue"], []).append(row["id"])
    missing = set(ids) - {one for some in found.values() for one in some}
    if missing:
        raise Trouble(f"ID {min(missing)}: there is no such job{f' in {queue}' if queue else ''}, or none any more")
    return [
        Part(name, {**where, "id": some[first : first + IDS_AT_ONCE]})
        for name, some in found.items()
        for first in range(0, len(some), IDS_AT_ONCE)
    ]


def steps(server: Server, act: str, part: Part, fields: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What each message has done, up to the last. Raises: Trouble."""
    after: str | None = None
    while True:
        done = server.command("queue", part.queue, "bulk", {"act": act, "where": part.where, "after": after, **fields})
        yield done
        after = done["next"]
        if after is None:
            return


def edit_one(
    server: Server, ids: Sequence[str], arguments: str, fields: dict[str, Any], *, dry_run: bool, as_json: bool
) -> None:
    """Raises: Trouble."""
    if len(ids) != 1:
        raise Trouble("--arguments: of one ID", status=BAD_USAGE)
    try:
        given = msgspec.json.decode(arguments)
    except msgspec.DecodeError as error:
        raise Trouble(f"--arguments: no JSON: {error}", status=BAD_USAGE) from None
    if not isinstance(given, dict):
        raise Trouble("--arguments: must be a JSON object", status=BAD_USAGE)
    due_ms = fields.pop("due_ms", None)
    if due_ms is not None:
        fields["delay_s"] = max(0.0, due_ms / 1000 - time.time())
    if dry_run:
        server.view("job", ids[0])  # is there one?
    else:
        server.command("job", ids[0], "edit", {**fields, "arguments": given})
    said({"act": "edit", "found": 1, "changed": int(not dry_run)}, dry_run=dry_run, as_json=as_json)


def _ask(act: str, count: int) -> None:
    """Raises: Trouble, and SystemExit where it is not wanted."""
    if not sys.stdin.isatty():
        raise Trouble(f"{act} {count} jobs: say --yes, or name them by ID", status=BAD_USAGE)
    if not typer.confirm(f"{act} {count} jobs?", err=True):
        raise Trouble("nothing was changed")


DONE = {"retry": "tried again", "cancel": "cancelled, or told to end", "edit": "changed", "drop": "dropped"}


def said(done: dict[str, Any], *, dry_run: bool, as_json: bool) -> None:
    """Print it. None of those that were found need be changed: others may have been there first."""
    if as_json:
        sys.stdout.write(json.dumps(done) + "\n")
        return
    if done.get("left"):
        sys.stdout.write(f"{done['left']} are left alone: {LEFT[done['act']]}\n")
    if dry_run:
        but = MAYBE_LEFT.get(done["act"], "")
        sys.stdout.write(f"{done['found']} would be {DONE[done['act']]}{but}\n")
    else:
        sys.stdout.write(f"{done['changed']} {DONE[done['act']]}\n")
