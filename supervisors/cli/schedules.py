"""`greenroom schedules list|show|set|pause|resume|trigger|backfill|drop`: what starts jobs by itself, and what to do
about it.

It asks a server as `greenroom jobs` does: see jobs/server.py.
"""

import sys
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from greenroom.supervisors.cli.jobs.server import Server, Url, asked_server
from greenroom.supervisors.cli.terminal.plainly import BAD_USAGE, Trouble, told_plainly
from greenroom.supervisors.cli.terminal.printable import printable

USER = "greenroom-schedules"
PAGE = 200

schedules_app = typer.Typer(help="What starts jobs by itself: by cron, every so often, or once.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Of the schedule, as `list` shows it.")]
Json = Annotated[bool, typer.Option("--json", help="For programs: JSON, and nothing shortened.")]
Moment = typer.Option(metavar="TIME", help="As in 2026-11-01T03:00+01:00; without a zone it is UTC.")


@schedules_app.command(name="list")
def list_schedules(as_json: Json = False, server: Url = None) -> None:
    """Show all there are, by name, with the next time of each."""
    with told_plainly():
        asking = _asked(server)
        found: list[dict[str, Any]] = []
        more = True
        while more:
            fields = {"limit": PAGE, "after": found[-1]["name"] if found else ""}
            page = asking.command("schedules", "all", "list", fields)
            found += page["schedules"]
            more = page["more"] and page["schedules"]
        if as_json:
            return _print_json(found)
        table = Table("name", "job", "when", "state", "next")
        for one in found:
            state = one["state"] + (" (code)" if one["declared"] else "")
            row = (one["name"], one["job"], _when(one["when"]), state, _at(one["next_ms"]))
            table.add_row(*(Text(printable(cell)) for cell in row))  # Text: what is in it is not markup
        Console().print(table)


@schedules_app.command(name="show")
def show_schedule(name: Name, as_json: Json = False, server: Url = None) -> None:
    """Show one: what it starts and when, what runs, and how the newest runs went."""
    with told_plainly():
        shown = _asked(server).view("schedule", name)
        if as_json:
            return _print_json(shown)
        table = Table.grid(padding=(0, 2))
        for title, value in _lines(shown):
            table.add_row(Text(title, style="bold"), Text(printable(value)))
        Console().print(table)


@schedules_app.command(name="set")
def set_schedule(
    name: Name,
    job: Annotated[str, typer.Option(metavar="TAG", help="Of the job's class, as job.report.")],
    arguments: Annotated[str, typer.Option(metavar="JSON", help="Of the job.")] = "{}",
    queue: Annotated[str, typer.Option(help="Where no node of ours knows the class.")] = "",
    cron: Annotated[str, typer.Option(help="As in '0 3 * * *'.")] = "",
    tz: Annotated[str, typer.Option(help="The time zone of --cron.")] = "UTC",
    every: Annotated[float, typer.Option(metavar="SECONDS", help="Every so often.", min=0)] = 0.0,
    once: Annotated[str | None, Moment] = None,
    jitter: Annotated[float, typer.Option(metavar="SECONDS", help="Each so much later, at most.", min=0)] = 0.0,
    overlap: Annotated[str, typer.Option(help="skip, buffer_one, buffer_all, cancel_other or allow.")] = "skip",
    missed: Annotated[str, typer.Option(help="last, all or skip.")] = "last",
    note: Annotated[str, typer.Option(help="What it is for.")] = "",
    tick_as: Annotated[str, typer.Option(metavar="ARGUMENT", help="Of the job: it is given the tick, Unix ms.")] = "",
    server: Url = None,
) -> None:
    """Make a schedule, or change it."""
    with told_plainly():
        try:
            decoded = msgspec.json.decode(arguments)
        except msgspec.DecodeError as error:
            raise Trouble(f"--arguments: must be JSON: {error}", status=BAD_USAGE) from None
        fields: dict[str, Any] = {
            "job": job, "arguments": decoded, "queue": queue, "cron": cron, "tz": tz, "every_s": every,
            "jitter_s": jitter, "overlap": overlap, "missed": missed, "note": note,
            "tick_as": tick_as,
        }  # fmt: skip
        if once is not None:
            fields["once_ms"] = _ms("--once", once)
        answer = _asked(server).command("schedule", name, "set", fields)
        sys.stdout.write(f"next: {_at(answer['next_ms'])}\n")


@schedules_app.command()
def pause(name: Name, note: Annotated[str, typer.Option(help="Why; others see it.")] = "", server: Url = None) -> None:
    """Start nothing more. What is under way goes on."""
    with told_plainly():
        _asked(server).command("schedule", name, "pause", {"note": note})


@schedules_app.command()
def resume(name: Name, server: Url = None) -> None:
    """Go on, with the next tick from now."""
    with told_plainly():
        answer = _asked(server).command("schedule", name, "resume", {})
        sys.stdout.write(f"next: {_at(answer['next_ms'])}\n")


@schedules_app.command()
def trigger(
    name: Name,
    overlap: Annotated[str | None, typer.Option(help="This once; as the schedule says.")] = None,
    server: Url = None,
) -> None:
    """Start its job now, also while it is paused."""
    with told_plainly():
        answer = _asked(server).command("schedule", name, "trigger", {"overlap": overlap})
        sys.stdout.write(f"{answer['verdict']}{' job:' if answer['job'] else ''}{answer['job']}\n")


@schedules_app.command()
def backfill(
    name: Name,
    since: Annotated[str, typer.Option("--from", metavar="TIME", help="The first tick, or a time before it.")],
    until: Annotated[str, typer.Option(metavar="TIME", help="The last tick, or a time behind it.")],
    side_by_side: Annotated[bool, typer.Option(help="Ten a second, not one after the other.")] = False,
    stop: Annotated[bool, typer.Option(help="First end what is made up for already.")] = False,
    server: Url = None,
) -> None:
    """Start its job for each tick of a range that is past."""
    with told_plainly():
        asking = _asked(server)
        fields: dict[str, Any] = {"from_ms": _ms("--from", since), "until_ms": _ms("--until", until)}
        if stop:
            asking.command("schedule", name, "end_backfills", {})
        fields["overlap"] = "allow" if side_by_side else "buffer_all"
        sys.stdout.write(f"{asking.command('schedule', name, 'backfill', fields)['ticks']} ticks\n")


@schedules_app.command()
def drop(name: Name, server: Url = None) -> None:
    """Forget it. Jobs that it has started go on."""
    with told_plainly():
        if not _asked(server).command("schedule", name, "drop", {})["was_there"]:
            raise Trouble(f"there is no schedule {printable(name)!r}")


def _asked(url: str | None) -> Server:
    """Raises: Trouble."""
    return asked_server(url, USER)


def _lines(shown: dict[str, Any]) -> list[tuple[str, str]]:
    counts = ", ".join(f"{count} {name}" for name, count in shown["counts"].items() if count)
    lines = [
        ("state", shown["state"] + (f": {shown['pause_note']}" if shown["pause_note"] else "")),
        ("job", f"{shown['job']} {msgspec.json.encode(shown['arguments']).decode()}"),
        ("queue", shown["queue"]),
        ("when", _when(shown["when"])),
        ("overlap", shown["overlap"]),
        ("missed", f"{shown['missed']}, none older than {shown['catch_up_s']:g} s"),
        ("declared", "by the code" if shown["declared"] else "no"),
        ("counts", counts or "-"),
    ]
    if shown["note"]:
        lines.append(("note", shown["note"]))
    lines += [("next", _at(one["due_ms"])) for one in shown["next"]]
    lines += [("waits", f"{_at(one['tick_ms'])} ({one['why']})") for one in shown["waiting"]]
    lines += [("backfill", f"{_at(one['next_ms'])} to {_at(one['until_ms'])}") for one in shown["backfills"]]
    lines += [
        ("run", f"{_at(one['tick_ms'])} {one['outcome'] or 'under way'} job:{one['job']} {one['detail']}".strip())
        for one in reversed(shown["recent"])
    ]
    return lines


def _when(when: dict[str, Any]) -> str:
    jitter = f" + {when['jitter_s']:g} s" if when.get("jitter_s") else ""
    if when.get("cron"):
        return f"{when['cron']} {when.get('tz', 'UTC')}{jitter}"
    if when.get("every_s"):
        return f"every {when['every_s']:g} s{jitter}"
    return f"once at {_at(when.get('once_ms'))}{jitter}"


def _at(at_ms: int | None) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(" ", "seconds") if at_ms is not None else "-"


def _ms(option: str, text: str) -> int:
    """Raises: Trouble."""
    try:
        moment = datetime.fromisoformat(text)
        return int((moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise Trouble(f"{option} {text!r}: must be a time, as 2026-11-01T03:00+01:00", status=BAD_USAGE) from None


def _print_json(value: Any) -> None:
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
