"""`greenroom queues list|show|pause|resume|limit|drain`: queues as a whole."""

import json
import re
import sys
import time
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from greenroom.supervisors.cli.jobs.bar import bar
from greenroom.supervisors.cli.jobs.many import Json
from greenroom.supervisors.cli.jobs.server import Server, Url, asked_server
from greenroom.supervisors.cli.jobs.times import ahead, lasting, moment_of, span_s
from greenroom.supervisors.cli.jobs.words import queue_words, waits_for
from greenroom.supervisors.cli.terminal.plainly import BAD_USAGE, Trouble, told_plainly
from greenroom.supervisors.cli.terminal.printable import printable

LOOK_S = 0.5
RATE = re.compile(r"(\d{1,7})/(\d{1,9}(?:\.\d{1,3})?)(?:/(fixed|sliding))?")
AS_DECLARED = "none"

queues_app = typer.Typer(help="Queues of jobs: how they stand, pause, resume, limit, drain.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="NAME", help="Of the queue, as in media.")]
_RATE_HELP = "n/seconds, as in 300/60, with /fixed or /sliding by a window; none: as the code declares."
_NUMBER_HELP = "a number; none: as the code declares."


@queues_app.command("list")
def list_queues(as_json: Json = False, server: Url = None) -> None:
    """Show all queues: how many jobs wait, and what for."""
    with told_plainly():
        asked = asked_server(server)
        found = [(row["queue"], asked.view("queue", row["queue"])) for row in asked.rows("/api/queues", {})]
        if as_json:
            for name, view in found:
                sys.stdout.write(json.dumps({"queue": name, **view}) + "\n")
            return
        table = Table("queue", "waiting", "active", "delayed", "retrying", "oldest", "workers", "why")
        for name, view in found:
            counts = (str(view[one]) for one in ("waiting", "active", "delayed", "retrying"))
            oldest = lasting(view["oldest_ms"]) if view["waiting"] else ""
            workers = str(view["workers"] + view["workers_waiting"])
            table.add_row(Text(printable(name)), *counts, oldest, workers, Text(printable(waits_for(view))))
        Console().print(table if found else "no queues")


@queues_app.command("show")
def show_queue(name: Name, as_json: Json = False, server: Url = None) -> None:
    """Show one queue: its jobs by state, what holds them up, its limits and its workers."""
    with told_plainly():
        view = asked_server(server).view("queue", name)
        if as_json:
            sys.stdout.write(json.dumps(view) + "\n")
            return
        table = Table.grid(padding=(0, 2))
        for what, value in queue_words(view, time.time() * 1000):
            table.add_row(Text(what, style="bold"), Text(printable(value)))
        Console().print(table)


@queues_app.command("pause")
def pause(
    name: Name,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="In 30m, 2h or 7d, or a moment (UTC); else until `resume`.")
    ] = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Shown to whoever asks why a job waits.")] = "",
    server: Url = None,
) -> None:
    """Hand out nothing for a while. Jobs under way go on, and others are added as ever."""
    with told_plainly():
        until_ms = ahead("--until", until, time.time())
        asked_server(server).command("queue", name, "pause", {"until_ms": until_ms, "reason": reason})
        sys.stdout.write(f"{printable(name)} is paused{f' until {moment_of(until_ms)}' if until_ms else ''}\n")


@queues_app.command("resume")
def resume(
    name: Name,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Not now but then: it stays paused for so long.")
    ] = None,
    server: Url = None,
) -> None:
    """Hand out jobs again, now or from then on."""
    with told_plainly():
        asked = asked_server(server)
        if until is None:
            asked.command("queue", name, "resume", {})
            sys.stdout.write(f"{printable(name)} is resumed\n")
            return
        view = asked.view("queue", name)
        if not view["paused"]:
            raise Trouble(f"{printable(name)} is not paused")
        until_ms = ahead("--until", until, time.time())
        assert until_ms is not None
        asked.command("queue", name, "pause", {"until_ms": until_ms, "reason": view["paused_reason"]})
        sys.stdout.write(f"{printable(name)} resumes at {moment_of(until_ms)}\n")


@queues_app.command("limit")
def limit(
    name: Name,
    concurrency: Annotated[str | None, typer.Option(metavar="N", help=f"Under way at once: {_NUMBER_HELP}")] = None,
    per_key: Annotated[str | None, typer.Option(metavar="N", help=f"Of each key at once: {_NUMBER_HELP}")] = None,
    tier: Annotated[
        list[str] | None, typer.Option(metavar="KEY=N", help="Of that key at once; none: as declared.")
    ] = None,
    rate: Annotated[str | None, typer.Option(metavar="RATE", help=f"That begin: {_RATE_HELP}")] = None,
    per_key_rate: Annotated[str | None, typer.Option(metavar="RATE", help=f"Of each key: {_RATE_HELP}")] = None,
    weight: Annotated[list[str] | None, typer.Option(metavar="KEY=N", help="Of its turns; none: as declared.")] = None,
    on_retry: Annotated[str | None, typer.Option(metavar="HOW", help="overtake or block; none: as declared.")] = None,
    server: Url = None,
) -> None:
    """Set limits; what is not given stays as it is. They hold over all nodes and workers.

    greenroom queues limit media --concurrency 8 --per-key 2 --rate 300/60 --weight acme=3
    """
    with told_plainly():
        fields: dict[str, Any] = {
            "concurrency": number_of("--concurrency", concurrency),
            "per_key": number_of("--per-key", per_key),
            "tiers": by_key("--tier", tier),
            "rate": rate_of("--rate", rate),
            "per_key_rate": rate_of("--per-key-rate", per_key_rate),
            "weights": by_key("--weight", weight),
            "on_retry": None if on_retry == AS_DECLARED else on_retry,
        }
        given = {
            "concurrency": concurrency, "per_key": per_key, "tiers": tier, "rate": rate, "per_key_rate": per_key_rate,
            "weights": weight, "on_retry": on_retry,
        }  # fmt: skip
        fields = {one: fields[one] for one, said in given.items() if said}
        if not fields:
            raise Trouble("say what: --concurrency, --per-key, --rate, … (see --help)", status=BAD_USAGE)
        asked = asked_server(server)
        asked.command("queue", name, "limit", fields)
        shown = dict(queue_words(asked.view("queue", name), time.time() * 1000))["limits"]
        sys.stdout.write(f"{printable(name)}: {printable(shown)}\n")


def number_of(option: str, text: str | None) -> int | None:
    """None: as declared, or not said. Raises: Trouble."""
    if text is None or text == AS_DECLARED:
        return None
    if not text.isdecimal() or not text.isascii() or not 0 < int(text) <= 1_000_000:
        raise Trouble(f"{option} {text!r}: must be 1 to 1000000, or none", status=BAD_USAGE)
    return int(text)


def rate_of(option: str, text: str | None) -> dict[str, Any] | None:
    """None: as declared, or not said. Raises: Trouble."""
    if text is None or text == AS_DECLARED:
        return None
    found = RATE.fullmatch(text)
    if found is None:
        raise Trouble(f"{option} {text!r}: must be n/seconds, as in 300/60, or none", status=BAD_USAGE)
    rate = {"n": int(found[1]), "per_s": float(found[2])}
    return rate | {"window": found[3]} if found[3] else rate


def by_key(option: str, said: list[str] | None) -> dict[str, int | None]:
    """Raises: Trouble."""
    found: dict[str, int | None] = {}
    for one in said or ():
        key, sign, number = one.rpartition("=")
        if not sign:
            raise Trouble(f"{option} {one!r}: must be KEY=N, as in acme=3", status=BAD_USAGE)
        found[key] = number_of(option, number)
    return found


@queues_app.command("drain")
def drain(
    name: Name,
    within: Annotated[
        str | None, typer.Option(metavar="SPAN", help="Give up after 90s, 30m or 2h: exit status 1.")
    ] = None,
    server: Url = None,
) -> None:
    """Wait until the queue has no jobs that are not finished. It does not stop anybody from adding more."""
    with told_plainly():
        until = time.monotonic() + span_s("--within", within) if within is not None else None
        drained(asked_server(server), name, until)
        sys.stdout.write(f"{printable(name)} is empty\n")


def drained(server: Server, name: str, until: float | None) -> None:
    """Once it is. Raises: Trouble, also at `until` of the monotonic clock."""
    view = server.view("queue", name)
    most = view["unfinished"]
    with bar(f"drain {printable(name)}", most) as told:
        while view["unfinished"]:
            if until is not None and time.monotonic() >= until:
                raise Trouble(f"{printable(name)} has {view['unfinished']} jobs yet: {printable(waits_for(view))}")
            time.sleep(LOOK_S)
            view = server.view("queue", name)
            most = max(most, view["unfinished"])
            told(most - view["unfinished"])
