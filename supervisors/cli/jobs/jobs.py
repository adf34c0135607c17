"""`greenroom jobs list|show|add`, and the app that has what is done about many, too (many.py)."""

import json
import sys
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from greenroom.actors.jobs.ids import ID
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
from greenroom.supervisors.cli.jobs.many import Json, cancel, drop, edit, retry
from greenroom.supervisors.cli.jobs.server import Server, Url, asked_server
from greenroom.supervisors.cli.jobs.times import lasting, span_s
from greenroom.supervisors.cli.jobs.words import job_words
from greenroom.supervisors.cli.terminal.plainly import BAD_USAGE, Trouble, told_plainly
from greenroom.supervisors.cli.terminal.printable import printable

ADDED_AT_ONCE = 500
SHOWN_CHARACTERS = 60  # of arguments or an error, in a table

jobs_app = typer.Typer(
    help="Jobs: list and search them, add, retry, cancel, change and drop them.", no_args_is_help=True
)
jobs_app.command("retry")(retry)
jobs_app.command("cancel")(cancel)
jobs_app.command("edit")(edit)
jobs_app.command("drop")(drop)


@jobs_app.command("list")
def list_jobs(
    queue: Queue = "",
    state: States = None,
    kind: Kind = "",
    key: Key = None,
    search: Search = "",
    since: Since = None,
    until: Until = None,
    ended_since: EndedSince = None,
    ended_until: EndedUntil = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 50,
    as_json: Json = False,
    server: Url = None,
) -> None:
    """Show jobs, the last added first. What has failed for good is --state failed: the dead letters of a queue.

    greenroom jobs list --queue mail --state failed --search "connection refused"
    """
    with told_plainly():
        where = filter_of(
            states=state,
            kind=kind,
            key=key,
            search=search,
            since=since,
            until=until,
            ended_since=ended_since,
            ended_until=ended_until,
        )
        query = {"queue": queue or None, **in_query(where)}
        found = asked_server(server).rows("/api/jobs", query, limit)
        if as_json:
            for row in found:
                sys.stdout.write(json.dumps(row) + "\n")
            return
        _print(list(found))


def _print(rows: list[dict[str, Any]]) -> None:
    now_ms = time.time() * 1000
    table = Table("id", "queue", "job", "state", "key", "try", "age", "error, or arguments")
    for row in rows:
        said = row["error"] or json.dumps(row["arguments"], ensure_ascii=False)
        cells = (
            row["id"],
            row["queue"],
            row["job"],
            row["state"],
            row["partition"],
            f"{row['attempts']}/{row['attempts_max']}",
            lasting(now_ms - row["added_ms"]),
            said[:SHOWN_CHARACTERS],
        )
        table.add_row(*(Text(printable(cell)) for cell in cells))
    Console().print(table if rows else "no such jobs")


@jobs_app.command("show")
def show_job(
    job: Annotated[str, typer.Argument(metavar="ID", help="As `greenroom jobs list` shows it.")],
    as_json: Json = False,
    server: Url = None,
) -> None:
    """Show one job: its state and why it waits, its arguments, its result, its attempts with their errors."""
    with told_plainly():
        if ID.fullmatch(job) is None:
            raise Trouble(f"ID {job!r}: must be 32 hex digits", status=BAD_USAGE)
        view, why = job_of(asked_server(server), job)
        if as_json:
            sys.stdout.write(json.dumps({**view, "why": why}) + "\n")
            return
        table = Table.grid(padding=(0, 2))
        for name, value in job_words(view, why, time.time() * 1000):
            table.add_row(Text(name, style="bold"), Text(printable(value)))
        Console().print(table)


def job_of(server: Server, job: str) -> tuple[dict[str, Any], str]:
    """All that staff sees of it, and why it waits; "": it does not. Raises: Trouble."""
    view = server.view("job", job)
    view["errors"] = server.command("job", job, "errors", {})["errors"]
    if view["state"] not in ("waiting", "delayed", "retrying", "blocked"):
        return view, ""
    try:
        return view, str(server.command("queue", view["queue"], "why", {"id": job})["why"])
    except Trouble:  # it has ended meanwhile
        return view, ""


@jobs_app.command("add")
def add_jobs(
    queue: Annotated[str, typer.Argument(metavar="QUEUE", help="Where it waits.")],
    kind: Annotated[str, typer.Argument(metavar="TAG", help="The tag of its class, as in job.welcome.")],
    arguments: Annotated[str, typer.Argument(metavar="[JSON]", help="Its arguments, a JSON object.")] = "{}",
    lines: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A job for each line, its arguments as JSON; -: standard input."),
    ] = None,
    delay: Annotated[str | None, typer.Option(metavar="SPAN", help="Not before: 90s, 30m, 2h or 7d.")] = None,
    priority: Annotated[int | None, typer.Option(min=0, max=9, help="0 goes first, 9 last.")] = None,
    key: Annotated[str, typer.Option(metavar="KEY", help="Its key (`partition`).")] = "",
    attempts: Annotated[int | None, typer.Option(min=1, max=1_000, help="How often it is tried.")] = None,
    by: Annotated[str, typer.Option(metavar="USER", help="On whose behalf: who may watch and cancel it.")] = "",
    as_json: Json = False,
    server: Url = None,
) -> None:
    """Add a job and print its id, once it is durable; or many: 500 are durable together, and told at once.

    greenroom jobs add mail job.welcome '{"to": "ann"}' --delay 2h
    """
    with told_plainly():
        options: dict[str, Any] = {
            "delay_s": span_s("--delay", delay) if delay is not None else None,
            "priority": priority,
            "partition": key or None,
            "attempts": attempts,
            "by": by or None,
        }
        options = {name: value for name, value in options.items() if value is not None}
        given = [arguments] if lines is None else _lines(lines)
        jobs = [
            {"job": kind, "arguments": one, **options} for one in objects("JSON" if lines is None else "--lines", given)
        ]
        for ids in added(asked_server(server), queue, jobs):  # what is done is told, whatever becomes of the rest
            sys.stdout.write(json.dumps({"ids": ids}) + "\n" if as_json else "".join(f"{one}\n" for one in ids))
            sys.stdout.flush()


def _lines(file: Path) -> list[str]:
    text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    return text.splitlines()


def objects(what: str, lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Each line's; empty ones are passed over. Raises: Trouble that says which is none."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield msgspec.json.decode(line, type=dict[str, Any])
            except msgspec.MsgspecError as error:
                where = f" line {number}" if what == "--lines" else ""
                raise Trouble(f"{what}{where}: must be a JSON object: {error}", status=BAD_USAGE) from None


def added(server: Server, queue: str, jobs: list[dict[str, Any]]) -> Iterator[list[str]]:
    """Their ids, by those that are durable together. Raises: Trouble."""
    rest = iter(jobs)
    with bar("add", len(jobs)) as told:
        done = 0
        while some := list(islice(rest, ADDED_AT_ONCE)):
            yield server.command("queue", queue, "add_many", {"jobs": some})["ids"]
            done += len(some)
            told(done)


jobs_app.command("retry")(retry)
jobs_app.command("cancel")(cancel)
jobs_app.command("edit")(edit)
jobs_app.command("drop")(drop)
