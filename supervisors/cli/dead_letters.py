"""`greenroom dead-letters list|show|retry|drop`: what could not be handled, and what becomes of it.

All of it goes through the database, so it needs no token: whoever may write there may do anything. A retry is a wish
that a running node sees and obeys (`supervisors/duties/dead_letter_retries.py`); the command waits for the outcome.
"""

import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import msgspec
import trio
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from greenroom.store.journal.dead_letters import DeadLetter, Which
from greenroom.store.journal.dead_letters_postgres import PostgresDeadLetters
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.pool import Pool
from greenroom.supervisors.cli.chosen.database import with_database
from greenroom.supervisors.cli.terminal.plainly import BAD_USAGE, Trouble, told_plainly
from greenroom.supervisors.cli.terminal.printable import printable

ID_MAX = 2**63 - 1
LOOK_S = 0.2
NAMED_MAX = 20  # letters that a retry tells about one by one

T = TypeVar("T")
letters_app = typer.Typer(help="What could not be handled.", no_args_is_help=True)

Number = Annotated[int, typer.Argument(metavar="ID", min=1, max=ID_MAX, help="As `list` shows it.")]
Numbers = Annotated[list[int] | None, typer.Argument(metavar="ID", min=1, max=ID_MAX, help="As `list` shows them.")]
Entity = Annotated[str, typer.Option(metavar="ENTITY", help="Those of one entity, as in room:lobby.")]
KindName = Annotated[str, typer.Option(metavar="KIND", help="Those of a kind of entities.")]
MessageType = Annotated[str, typer.Option("--type", metavar="TYPE", help="Those of a message type, as in room.send.")]
All = Annotated[bool, typer.Option("--all", help="All there are.")]
Json = Annotated[bool, typer.Option("--json", help="For programs: JSON, and nothing shortened.")]


@letters_app.command(name="list")
def list_letters(
    entity: Entity = "",
    kind: KindName = "",
    message_type: MessageType = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    before: Annotated[
        int | None, typer.Option(metavar="ID", min=1, max=ID_MAX, help="Only those before this one.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the newest first."""
    which = Which(entity=entity, kind=kind, message_type=message_type)
    with told_plainly():
        found = _with_letters(lambda letters: letters.list(limit=limit, before=before, which=which))
        if as_json:
            return _print_json([_plain(letter) for letter in found])
        table = Table("id", "entity", "message", "at", "strikes", "error")
        for letter in found:
            row = (letter.id, letter.entity, letter.message_type, _at(letter), letter.strikes, _shown(letter))
            table.add_row(*(Text(printable(str(cell))) for cell in row))  # Text: what is in it is not markup
        Console().print(table)
        if len(found) == limit:
            sys.stdout.write(f"There may be more: --before {found[-1].id}\n")


@letters_app.command(name="show")
def show_letter(number: Number, as_json: Json = False) -> None:
    """Show one with its message, its error and where that was raised."""
    with told_plainly():
        letter = _with_letters(lambda letters: letters.get(number))
        if letter is None:
            raise Trouble(f"no dead letter {number}")
        if as_json:
            return _print_json(_plain(letter))
        fields = {
            "id": letter.id,
            "at": _at(letter),
            "entity": letter.entity,
            "message": letter.message_type,
            "from": letter.principal or "(Greenroom, or another entity)",
            "strikes": letter.strikes,
            "trace": letter.trace or "(none)",
            "retry": "wished, not done yet" if letter.wished else "not wished",
            "error": letter.error,
            "payload": letter.payload.decode(errors="replace"),
        }
        for name, value in fields.items():
            sys.stdout.write(f"{name}: {printable(str(value))}\n")
        sys.stdout.write(f"traceback:\n{printable(letter.traceback)}\n")


@letters_app.command(name="drop")
def drop_letters(
    numbers: Numbers = None,
    entity: Entity = "",
    kind: KindName = "",
    message_type: MessageType = "",
    everything: All = False,
    as_json: Json = False,
) -> None:
    """Forget some: by id, by entity, kind or type, or all."""
    with told_plainly():
        which = _which(numbers, entity, kind, message_type, everything)

        async def drop(letters: PostgresDeadLetters) -> tuple[list[int], int]:
            there = await letters.list(limit=max(1, len(which.ids)), which=which) if which.ids else []
            return [letter.id for letter in there], await letters.drop(which)

        there, dropped = _with_letters(drop)
        if as_json:
            _print_json({"dropped": dropped})
        elif which.ids and there:
            sys.stdout.write(f"dropped {' '.join(str(number) for number in sorted(there))}\n")
        elif dropped or everything:
            sys.stdout.write(f"dropped {dropped} dead letters\n")
        _say_missing(which, there, dropped)


@letters_app.command(name="retry")
def retry_letters(
    numbers: Numbers = None,
    entity: Entity = "",
    kind: KindName = "",
    message_type: MessageType = "",
    everything: All = False,
    wait: Annotated[float, typer.Option(min=0, max=3600, help="Seconds to wait for the outcome.")] = 15.0,
    as_json: Json = False,
) -> None:
    """Let a running server handle some once more: by id, by entity, kind or type, or all.

    One that is handled is dropped; one that fails again stays, with what was wrong this time.

    Sent as the user who sent it, without their roles. Exit status 1 unless all were handled.
    """
    with told_plainly():
        which = _which(numbers, entity, kind, message_type, everything)

        async def retry(letters: PostgresDeadLetters) -> tuple[Sequence[int], dict[int, DeadLetter]]:
            wished = await letters.wish(which)
            deadline = time.monotonic() + wait
            while True:
                some = Which(ids=tuple(wished))
                left = {one.id: one for one in await letters.list(limit=len(wished), which=some)} if wished else {}
                if not any(one.wished for one in left.values()) or time.monotonic() >= deadline:
                    return wished, left
                await trio.sleep(LOOK_S)

        wished, left = _with_letters(retry)
        outcomes = [_outcome(number, left.get(number)) for number in wished]
        if as_json:
            _print_json(outcomes)
        else:
            _tell(outcomes)
        _say_missing(which, wished, len(wished))
        if left:
            raise SystemExit(1)


def _outcome(number: int, left: DeadLetter | None) -> dict[str, Any]:
    if left is None:
        return {"id": number, "outcome": "handled", "error": ""}
    return {"id": number, "outcome": "waiting" if left.wished else "failed", "error": "" if left.wished else left.error}


def _tell(outcomes: list[dict[str, Any]]) -> None:
    handled = [one["id"] for one in outcomes if one["outcome"] == "handled"]
    failed = [one for one in outcomes if one["outcome"] == "failed"]
    waiting = [one["id"] for one in outcomes if one["outcome"] == "waiting"]
    if handled:
        sys.stdout.write(f"handled and dropped: {_some(handled)}\n")
    for one in failed[:NAMED_MAX]:
        sys.stderr.write(f"greenroom: {one['id']} failed again: {printable(one['error'])}\n")
    if len(failed) > NAMED_MAX:
        sys.stderr.write(f"greenroom: {len(failed) - NAMED_MAX} more failed again\n")
    if not outcomes:
        sys.stdout.write("no dead letters\n")
    if waiting:
        sys.stderr.write(f"greenroom: not handled yet: {_some(waiting)}. A running server will do it; is there one?\n")


def _some(numbers: list[int]) -> str:
    if len(numbers) <= NAMED_MAX:
        return " ".join(str(number) for number in numbers)
    return f"{len(numbers)} dead letters"


def _which(numbers: list[int] | None, entity: str, kind: str, message_type: str, everything: bool) -> Which:
    """Raises: Trouble when nothing was said, for that must not mean all; or all and some."""
    which = Which(ids=tuple(dict.fromkeys(numbers or ())), entity=entity, kind=kind, message_type=message_type)
    if (which != Which()) == everything:
        raise Trouble(
            "say which: IDs, --entity, --kind or --type (all that are given must fit), or --all", status=BAD_USAGE
        )
    return which


def _say_missing(which: Which, there: Sequence[int], count: int) -> None:
    """Raises: Trouble when something that was named is not there."""
    missing = [str(number) for number in which.ids if number not in there]
    if missing:
        raise Trouble(f"no dead letter {' '.join(missing)}{'' if which == Which(ids=which.ids) else ' of that sort'}")
    if not count and which != Which():
        raise Trouble("no dead letter of that sort")


def _with_letters(ask: Callable[[PostgresDeadLetters], Awaitable[T]]) -> T:
    async def run(bridge: Bridge, url: str) -> T:
        async with Pool(bridge, url, incarnation=0, size=1) as pool:
            return await ask(PostgresDeadLetters(pool))

    return with_database(run)


def _plain(letter: DeadLetter) -> dict[str, Any]:
    """For JSON: the payload as what it is, where it is JSON, and the time as people and programs read it."""
    fields = msgspec.structs.asdict(letter) | {"at": _at(letter), "trace": letter.trace or None}
    try:
        fields["payload"] = msgspec.json.decode(letter.payload)
    except msgspec.DecodeError:  # cut off, being too long
        fields["payload"] = letter.payload.decode(errors="replace")
    return fields


def _print_json(value: Any) -> None:
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


def _at(letter: DeadLetter) -> str:
    return datetime.fromtimestamp(letter.at_ms / 1000, UTC).isoformat(" ", "seconds")


def _shown(letter: DeadLetter) -> str:
    return ("(to be retried) " if letter.wished else "") + letter.error[:120]
