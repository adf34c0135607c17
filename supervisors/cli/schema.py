"""`greenroom schema`: print the schema, hold it against its lock file, or try it on what is stored."""

from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from greenroom.actors.model.kinds import Kind
from greenroom.actors.schema.description import BadSchema, Schema, describe, from_text, to_text
from greenroom.actors.schema.knowledge import Knowledge, Lack, knowledge_of, lacks
from greenroom.actors.schema.rules import Comparison, compare
from greenroom.actors.schema.stored_check import StoredCheck
from greenroom.config.settings import load_settings
from greenroom.store.journal.walk import StoredWalk, Walked
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.pool import Pool
from greenroom.supervisors.cli.chosen.database import with_database
from greenroom.supervisors.cli.chosen.kinds import installed_kinds, installed_sinks, installed_views
from greenroom.supervisors.cli.terminal.console import console
from greenroom.supervisors.cli.terminal.plainly import BAD_USAGE, Trouble, told_plainly

LOCK = Path("schema.lock.json")
PAGE_BYTES = 8_192


def show_schema(
    only_check: Annotated[
        bool, typer.Option("--check", help="Compare it with the lock file; 1 when rules are broken or it is old.")
    ] = False,
    update: Annotated[bool, typer.Option("--update", help="Write the lock file, unless rules are broken.")] = False,
    stored: Annotated[
        bool, typer.Option("--stored", help="Try to read what the database holds; 1 when something can't be.")
    ] = False,
    beside: Annotated[
        Path | None,
        typer.Option(
            help="The lock file of the release that runs while this one is rolled out: what it lacks; 1 when there "
            "are events that it can't read."
        ),
    ] = None,
    lock: Annotated[Path, typer.Option(help="The lock file.")] = LOCK,
    force: Annotated[bool, typer.Option("--force", help="With --update: also when rules are broken.")] = False,
    megabytes: Annotated[
        int, typer.Option(help="With --stored: how much of the journal to read, evenly spread.", min=1)
    ] = 256,
) -> None:
    """Every message, event and snapshot of the installed entities with its fields."""
    with told_plainly():
        if only_check + update + stored + (beside is not None) > 1 or (force and not update):
            wrong = "one of --check, --update, --stored and --beside; --force goes with --update"
            raise Trouble(wrong, status=BAD_USAGE)
        settings = load_settings()
        kinds = installed_kinds(settings)
        views = installed_views(settings, kinds)
        if stored:
            _try_stored(StoredCheck(kinds), megabytes)
            return
        if beside is not None:
            _show_lacks(beside, list(kinds))
            return
        schema = describe(kinds, views, installed_sinks(settings, views))
        if not (only_check or update):
            typer.echo(to_text(schema), nl=False)
            return
        locked = _read(lock)
        if locked is None:
            if only_check:
                raise Trouble(f"{lock}: no such file; `greenroom schema --update` writes it")
            locked = Schema(kinds={})
        comparison = compare(locked, schema, kinds)
        if only_check:
            _check(comparison, locked, lock)
        else:
            _update(comparison, lock, force=force)


def _read(lock: Path) -> Schema | None:
    try:
        return from_text(lock.read_bytes())
    except FileNotFoundError:
        return None
    except BadSchema as error:
        raise Trouble(f"{lock}: {error}") from error


def _check(comparison: Comparison, locked: Schema, lock: Path) -> None:
    if comparison.broken:
        raise Trouble(_told(comparison, lock))
    if comparison.following != locked:
        raise Trouble(f"{lock} is not up to date, and nothing is broken: run `greenroom schema --update`")
    typer.echo("up to date")


def _update(comparison: Comparison, lock: Path, *, force: bool) -> None:
    if comparison.broken and not force:
        raise Trouble(_told(comparison, lock) + "\nNot written; --force writes it all the same.")
    text = to_text(comparison.following)
    if lock.exists() and lock.read_text(encoding="utf-8") == text:
        typer.echo("already up to date")
        return
    lock.write_text(text, encoding="utf-8")
    typer.echo(f"wrote {lock}")


def _show_lacks(older: Path, kinds: Collection[Kind]) -> None:
    locked = _read(older)
    if locked is None:
        raise Trouble(f"{older}: no such file")
    lacking = lacks(Knowledge(locked), knowledge_of(kinds))
    for one in lacking:
        typer.echo(_lack_told(one))
    unread = [one for one in lacking if one.section == "event" and not one.is_read]
    if unread:
        raise Trouble(
            f"{len(unread)} events can't be read by the release of {older}: an entity that has recorded one stops "
            "there.\nLet a release come first that reads them and records none."
        )
    if not lacking:
        typer.echo("it lacks nothing")


def _lack_told(lack: Lack) -> str:
    if lack.section == "kind":
        return f"kind {lack.kind}: not known there; temporarily refused"
    what = f"{lack.kind}: {lack.section} {lack.tag}"
    if lack.is_read:
        return f"{what}: read there without {', '.join(one.path for one in lack.refused)}"
    if lack.section == "event":
        why = "; ".join(f"{one.path} ({one.detail})" for one in lack.refused) or "not known there"
        return f"{what}: can't be read there: {why}"
    return f"{what}: temporarily refused there"


def _told(comparison: Comparison, lock: Path) -> str:
    rules = "\n".join(map(str, comparison.broken))
    return f"since {lock}, {len(comparison.broken)} changes break what is stored or an older peer\n{rules}"


def _try_stored(check: StoredCheck, megabytes: int) -> None:
    async def run(bridge: Bridge, url: str) -> Walked:
        async with Pool(bridge, url, incarnation=0, size=1) as pool, pool.connection() as connection:
            walk = StoredWalk(connection)
            await walk.snapshots(
                lambda entity, offset, body, trimmed: check.snapshot(entity, offset, body, trimmed=trimmed)
            )
            await walk.timers(check.timer)
            await walk.outbox(check.outbox)
            return await walk.events(check.event, pages_max=megabytes * (1 << 20) // PAGE_BYTES)

    walked = with_database(run)
    table = Table("what", "kind", "type", "read", "upcast", "unreadable")
    for one in check.types:
        table.add_row(one.what, one.kind, one.tag, str(one.read), str(one.upcast or ""), str(one.unreadable or ""))
    console.print(table)
    typer.echo(f"{walked.events} events, {walked.share:.0%} of the journal")
    for one in check.types:
        for example in one.examples:
            note = " (harmless: the events are all there)" if one.harmless else ""
            typer.echo(f"{one.what} of {example.entity} at {example.offset}: {example.reason}{note}")
    if check.failed:
        raise Trouble("something stored cannot be read: write upcasters, or keep what reads it")
