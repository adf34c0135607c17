"""`greenroom sagas list|show|retry|resume|cancel|fork`.

A running server is asked over HTTP. What is done to many is done to one after the other: each is a command of its own,
that is refused or durable, so whoever ends it half way says the same again.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Annotated, Any, TypeVar

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from greenroom.actors.saga.view import time_of
from greenroom.config.settings import load_settings
from greenroom.supervisors.cli.sagas.many import Outcome, is_left_out
from greenroom.supervisors.cli.sagas.many import steer as steer_all
from greenroom.supervisors.cli.sagas.server import Refusal, Server
from greenroom.supervisors.cli.sagas.which import STATES, Which, required, which
from greenroom.supervisors.cli.terminal.plainly import BAD_USAGE, Trouble, told_plainly
from greenroom.supervisors.cli.terminal.printable import printable

TOLD_MAX = 20  # refusals that are told about one by one

T = TypeVar("T")
sagas_app = typer.Typer(help="Sagas: which there are, and what to do about them.", no_args_is_help=True)

Saga = Annotated[str, typer.Argument(metavar="SAGA", help="As in checkout:7.")]
Names = Annotated[list[str] | None, typer.Argument(metavar="SAGA", help="As in checkout:7; several, or a filter.")]
KindName = Annotated[str, typer.Option(metavar="KIND", help="Those of one kind.")]
State = Annotated[str, typer.Option(metavar="STATE", help=f"Those that are {', '.join(STATES[:-1])} or {STATES[-1]}.")]
Older = Annotated[str, typer.Option(metavar="AGE", help="Those that have not turned for so long: 90s, 30m, 12h, 7d.")]
All = Annotated[bool, typer.Option("--all", help="All for which it can be done.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say which are meant, and do nothing.")]
Url = Annotated[str | None, typer.Option("--url", help="Where the server listens; as the settings say.")]
Token = Annotated[
    str | None,
    typer.Option(
        "--token", help="With the role admin or service; else one is signed here, for a server on this machine."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="For programs: JSON, and nothing shortened.")]


@sagas_app.command(name="list")
def list_sagas(
    kind: KindName = "",
    state: State = "",
    older: Older = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 50,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Show those that have turned last first: begun, gone back, ended, or been steered."""
    meant = _said(lambda: which(None, kind, state, older))
    found = _with_server(url, token, lambda server: list(islice(server.rows(meant, _now_ms()), limit + 1)))
    rows = found[:limit]
    if as_json:
        return _print_json(rows)
    table = Table("saga", "state", "by", "began", "turned")
    for row in rows:
        cells = (_name(row), row["status"], row["by"], time_of(row["started_ms"]), time_of(row["changed_ms"]))
        table.add_row(*(Text(printable(str(cell))) for cell in cells))  # Text: what is in it is not markup
    Console().print(table)
    if len(found) > limit:
        sys.stdout.write("There are more: --limit\n")


@sagas_app.command(name="show")
def show_saga(saga: Saga, url: Url = None, token: Token = None, as_json: Json = False) -> None:
    """Show one: its steps, what it waits for, and its log."""
    _said(lambda: which([saga], "", "", ""))
    seen = _with_server(url, token, lambda server: server.view(saga))
    if as_json:
        return _print_json(seen)
    sys.stdout.write(f"{printable(saga)}: {seen['status']}{' (cancelled)' if seen.get('cancelled') else ''}\n")
    if fork := seen.get("fork_of"):
        sys.stdout.write(f"a fork of {printable(fork['entity'])}, from {fork['from_step']}\n")
    for fork in seen.get("forks", ()):
        refused = f", which could not begin: {fork['refused']}" if "refused" in fork else ""
        sys.stdout.write(f"forked from {fork['from_step']} to {printable(fork['entity'])}{refused}\n")
    table = Table("step", "state", "told", "tries", "last refusal", "next try")
    for step in seen["steps"]:
        cells = [step.get(name, "") for name in ("name", "status", "entity", "attempts", "error", "next_try")]
        table.add_row(*(Text(printable(str(cell))) for cell in cells))
    Console().print(table)
    for one in seen.get("waits_for", ()):
        until = f" until {one['until']}" if "until" in one else ""
        sys.stdout.write(f"waits: {one['step']}, for {printable(one['for'])}{until}\n")
    for line in seen["log"]:
        sys.stdout.write(f"{printable(line)}\n")


@sagas_app.command(name="cancel")
def cancel_sagas(
    names: Names = None,
    kind: KindName = "",
    state: State = "",
    older: Older = "",
    everything: All = False,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why: it is in the log of each.")] = "",
    dry_run: DryRun = False,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Have some go back: by name, or those that run and fit. What was done is undone."""
    meant = _said(
        lambda: required(which(names, kind, state, older, everything=everything), "running", everything=everything)
    )
    _steer("cancel", {"reason": reason}, meant, dry_run, url, token, as_json)


@sagas_app.command(name="retry")
def retry_sagas(
    names: Names = None,
    kind: KindName = "",
    state: State = "",
    older: Older = "",
    everything: All = False,
    dry_run: DryRun = False,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Have what was refused tried again: by name, or of those that are stuck and fit."""
    meant = _said(
        lambda: required(which(names, kind, state, older, everything=everything), "stuck", everything=everything)
    )
    _steer("retry", {}, meant, dry_run, url, token, as_json)


@sagas_app.command(name="resume")
def resume_sagas(
    names: Names = None,
    kind: KindName = "",
    state: State = "",
    older: Older = "",
    everything: All = False,
    dry_run: DryRun = False,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Have some go forward again that have gone back: by name, or those that are undone, by nobody's wish, and fit."""
    meant = _said(
        lambda: required(which(names, kind, state, older, everything=everything), "undone", everything=everything)
    )
    _steer("resume", {}, meant, dry_run, url, token, as_json)


@sagas_app.command(name="fork")
def fork_sagas(
    names: Names = None,
    from_step: Annotated[str, typer.Option(metavar="STEP", help="Where the others begin.")] = "",
    key: Annotated[str, typer.Option(metavar="KEY", help="Of the other one, if one is forked.")] = "",
    kind: KindName = "",
    state: State = "",
    older: Older = "",
    everything: All = False,
    dry_run: DryRun = False,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Begin others at a step of some, with the answers that came before it: by name, or of those that are done, have
    no fork and are none, and fit. The same once more begins no other one."""

    def said() -> Which:
        if not from_step:
            raise Trouble("--from-step: must name a step", status=BAD_USAGE)
        meant = required(which(names, kind, state, older, everything=everything), "done", everything=everything)
        if key and len(meant.names) != 1:
            raise Trouble("--key: is for one SAGA", status=BAD_USAGE)
        return meant

    _steer("fork", {"from_step": from_step, "key": key}, _said(said), dry_run, url, token, as_json)


def _steer(
    command: str,
    fields: dict[str, Any],
    meant: Which,
    dry_run: bool,
    url: str | None,
    token: str | None,
    as_json: bool,
) -> None:
    """Exit status 1 unless all have done it. What was done is said, however it ends."""
    outcomes: list[Outcome] = []
    is_known = False

    def steer(server: Server) -> None:
        nonlocal is_known
        names = meant.names or _fitting(server, command, meant)
        is_known = True
        with _bar(command, len(names)) as advance:

            def tell(outcome: Outcome) -> None:
                outcomes.append(outcome)
                advance()

            steer_all(server, names, command, fields, dry_run=dry_run, tell=tell)

    try:
        _with_server(url, token, steer)
    finally:
        if is_known and as_json:
            _print_json(outcomes)
        elif is_known:
            _tell(command, outcomes, dry_run)
    if any("error" in one for one in outcomes):
        raise SystemExit(1)


def _fitting(server: Server, command: str, meant: Which) -> tuple[str, ...]:
    """Raises: Refusal, Trouble."""
    rows = list(server.rows(meant, _now_ms()))
    found = tuple(_name(row) for row in rows if not is_left_out(command, row))
    if len(found) < len(rows):
        why = "people have cancelled them" if command == "resume" else "they have forks, or are some"
        sys.stderr.write(f"greenroom: {len(rows) - len(found)} are left out, unless named: {why}\n")
    return found


def _tell(command: str, outcomes: list[dict[str, Any]], dry_run: bool) -> None:
    well = [one for one in outcomes if "error" not in one]
    refused = [one for one in outcomes if "error" in one]
    if dry_run:
        sys.stdout.write(f"{command}: {len(well)} sagas are meant\n")
    for one in well[:TOLD_MAX] if dry_run or len(well) <= TOLD_MAX else ():
        sys.stdout.write(f"{printable(one['saga'])}: {printable(str(one.get('entity') or one['status']))}\n")
    if not dry_run and len(well) > TOLD_MAX:
        sys.stdout.write(f"{command}: {len(well)} sagas\n")
    if dry_run and len(well) > TOLD_MAX:
        sys.stdout.write(f"and {len(well) - TOLD_MAX} more\n")
    for one in refused[:TOLD_MAX]:
        sys.stderr.write(f"greenroom: {printable(one['saga'])}: {printable(one['error'])}\n")
    if len(refused) > TOLD_MAX:
        sys.stderr.write(f"greenroom: {len(refused) - TOLD_MAX} more were refused\n")
    if not outcomes:
        sys.stdout.write("no such sagas\n")


@contextmanager
def _bar(command: str, total: int) -> Iterator[Callable[[], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    shown = total > 1 and sys.stderr.isatty()
    with Progress(*columns, console=Console(stderr=True), disable=not shown, transient=True) as progress:
        task = progress.add_task(command, total=total)
        yield lambda: progress.advance(task)


def _said(read: Callable[[], T]) -> T:
    with told_plainly():
        return read()


def _with_server(url: str | None, token: str | None, ask: Callable[[Server], T]) -> T:
    with told_plainly():
        server = Server(load_settings(), url, token)
        try:
            return ask(server)
        except Refusal as error:
            raise Trouble(printable(str(error))) from error
        finally:
            server.close()


def _name(row: dict[str, Any]) -> str:
    return f"{row['kind']}:{row['key']}"


def _print_json(value: Any) -> None:
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


def _now_ms() -> int:
    return int(time.time() * 1000)
