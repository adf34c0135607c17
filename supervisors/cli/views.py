"""`greenroom views [--json]` and what can be done about them: rebuild, pause, resume, retry-parked, drop-old.

All of it goes through the database, so it needs no token and no running server; those that run see it within a second.
"""

import sys
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import msgspec
import trio
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from greenroom.actors.model.errors import Refused
from greenroom.config.settings import load_settings
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.pool import Pool
from greenroom.store.views.claims import PostgresClaims
from greenroom.store.views.store import Version
from greenroom.store.views.stores import Left
from greenroom.store.views.wanted import Wanted
from greenroom.supervisors.admin.tables import Tables
from greenroom.supervisors.cli.chosen.database import with_database
from greenroom.supervisors.cli.chosen.kinds import installed_kinds, installed_sinks, installed_views
from greenroom.supervisors.cli.terminal.plainly import BAD_USAGE, Trouble, told_plainly
from greenroom.supervisors.cli.terminal.printable import printable
from greenroom.supervisors.views.runners import wanted_of, wanted_of_sinks

ALL = 1 << 62  # entities
RATE_S = 1.0  # between two looks at what is left, of a table that is behind
PARKED_SHOWN = 100  # entities

T = TypeVar("T")
views_app = typer.Typer(
    help="Tables that follow the events: how far they are, if no command follows, and what to do about them."
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Of the view, as `greenroom views` shows it.")]
Json = Annotated[bool, typer.Option("--json", help="For programs: JSON, and nothing shortened.")]


class Told(msgspec.Struct, frozen=True):
    """One table, as this command shows it."""

    name: str
    kind: str  # view or sink
    version: int
    build: int
    state: str
    paused: bool
    abandoned: bool  # it is being filled, and nobody has its code; `drop-old` drops it
    kept_up: bool  # false: it is live, and no node that is up has its code: nothing is folded into it
    entities_behind: int
    events_behind: int
    oldest_unfolded_s: float | None  # since the oldest event that is not folded was recorded
    events_per_s: float | None  # by which what is left has become less, while there was some
    estimate_s: float | None  # until nothing is left, at that rate
    parked: int
    parked_entities: list[dict[str, Any]]


class Stores(Tables):
    """What the commands work on."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool, _code)
        self.claims = PostgresClaims(pool, incarnation=0)  # it claims nothing


@views_app.callback(invoke_without_command=True)
def list_views(context: typer.Context, as_json: Json = False) -> None:
    """Show every table of a view: how far behind its entities are, what is parked, and how long it will take."""
    if context.invoked_subcommand is not None:
        return
    with told_plainly():
        told = _with_stores(_told)
        if as_json:
            sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
            return
        table = Table("view", "kind", "version", "state", "behind", "oldest", "events/s", "estimate", "parked")
        for one in told:
            build = f" ({one.build})" if one.build > 1 else ""
            table.add_row(
                one.name,
                one.kind,
                f"{one.version}{build}",
                one.state
                + (", paused" if one.paused else "")
                + (", abandoned" if one.abandoned else "")
                + ("" if one.kept_up else ", kept up by nobody"),
                f"{one.entities_behind} entities, {one.events_behind} events" if one.entities_behind else "nothing",
                _seconds(one.oldest_unfolded_s),
                "" if one.events_per_s is None else f"{one.events_per_s:.0f}",
                _seconds(one.estimate_s),
                str(one.parked or ""),
            )
        console = Console()
        console.print(table)
        for one in told:
            for parked in one.parked_entities:
                where = f"{one.name} {one.version}: {parked['entity']} at event {parked['offset']}: {parked['error']}"
                console.print(Text(printable(where)))


@views_app.command(name="parked")
def show_parked(name: Name, as_json: Json = False) -> None:
    """Show the entities of a view that wait, each with the event that could not be folded, and where that raised."""

    async def parked(stores: Stores) -> list[dict[str, Any]]:
        return [one for version in await stores.of(name) for one in await _parked(stores, version)]

    with told_plainly():
        found = _with_stores(parked)
        if as_json:
            sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
            return
        for one in found:
            sys.stdout.write(f"{printable(one['entity'])} at event {one['offset']}\n{printable(one['traceback'])}\n")
        if not found:
            sys.stdout.write("nothing is parked\n")


@views_app.command(name="retry-parked")
def retry_parked(
    name: Name,
    entity: Annotated[str | None, typer.Option(metavar="ENTITY", help="Only this one, as in room:lobby.")] = None,
) -> None:
    """Have a running server try parked entities again, from the event that could not be folded."""

    with told_plainly():
        found = _with_stores(lambda stores: stores.retry(name, entity))
        if not found and entity is not None:
            raise Trouble(f"{entity} is not parked")
        sys.stdout.write(f"{found} to be tried again\n")


@views_app.command(name="pause")
def pause(name: Name) -> None:
    """Fold nothing into a view's tables until it is resumed. They can be read; retention keeps what they have not."""
    _pause(name, paused=True)


@views_app.command(name="resume")
def resume(name: Name) -> None:
    """Go on with a view that was paused."""
    _pause(name, paused=False)


@views_app.command(name="rebuild")
def rebuild(name: Name) -> None:
    """Fill another table of this release's version beside the live one, which takes its place once it has caught up.

    For rows that are not to be trusted. A view that has changed is rebuilt by its next version, without this.
    """

    async def make(stores: Stores) -> Version:
        made = await stores.rebuild(name)
        await stores.progress.clean()
        return made

    with told_plainly():
        made = _with_stores(make)
        sys.stdout.write(f"{made.table.rows} is to be filled; `greenroom views` shows how far it is\n")


@views_app.command(name="replay")
def replay(
    name: Name,
    offset: Annotated[
        int, typer.Option("--from", min=1, metavar="OFFSET", help="The first event of an entity to be delivered again.")
    ],
    entity: Annotated[
        str | None, typer.Argument(metavar="[ENTITY]", help="Of this one alone, as in room:lobby; else of all.")
    ] = None,
) -> None:
    """Have a sink's events delivered again: of each entity from this one on, or from the oldest that retention has
    kept. Parked entities are tried again, too."""

    async def again(stores: Stores) -> int:
        found = await stores.of(name)
        if found[0].kind != "sink":
            raise Trouble(f"{name} is a view: `greenroom views rebuild {name}`", status=BAD_USAGE)
        count = await stores.claims.replay([one for one in found if one.state != "old"], offset=offset, entity=entity)
        await stores.versions.ring(name)
        return count

    with told_plainly():
        count = _with_stores(again)
        if not count and entity is not None:
            raise Trouble(f"nothing of {entity} was delivered from event {offset} on")
        sys.stdout.write(f"{count} {'entity' if count == 1 else 'entities'} to be delivered again\n")


@views_app.command(name="drop-old")
def drop_old(
    name: Name,
    whole: Annotated[
        bool, typer.Option("--whole", help="The live table too: of a view that this release's code does not have.")
    ] = False,
) -> None:
    """Drop the tables of a view that others have taken the place of, or that nobody fills any more."""

    async def drop(stores: Stores) -> tuple[int, list[Version]]:
        dropped = await stores.drop_old(name, whole=whole)
        await stores.progress.clean()
        return dropped, [one for one in await stores.versions.all() if one.name == name]

    with told_plainly():
        if whole and any(one.name == name for one in _code()):
            raise Trouble(f"{name} is of this release: take it out of the code first", status=BAD_USAGE)
        dropped, left = _with_stores(drop)
        if not dropped:
            raise Trouble(f"{name} has no old table; {', '.join(f'{one.table.rows} is {one.state}' for one in left)}")
        sys.stdout.write(f"dropped {dropped}\n")


def _pause(name: str, *, paused: bool) -> None:
    with told_plainly():
        _with_stores(lambda stores: stores.pause(name, paused=paused))
        sys.stdout.write(f"{name} is {'paused' if paused else 'resumed'}\n")


async def _told(stores: Stores) -> list[Told]:
    versions = await stores.versions.all()
    abandoned = await stores.abandoned(versions)
    running = await stores.versions.running()
    unkept = {one.id for one in versions if one.state == "live" and running and (one.name, one.version) not in running}
    looked_at = time.monotonic()
    before = {one.id: await stores.progress.left(one, entities_max=ALL) for one in versions if one.state != "old"}
    if any(left.events for left in before.values()):
        await trio.sleep(RATE_S)
    return [
        await _one(
            stores,
            version,
            before.get(version.id),
            looked_at,
            is_abandoned=version.id in abandoned,
            is_kept_up=version.id not in unkept,
        )
        for version in versions
    ]


async def _one(
    stores: Stores, version: Version, before: Left | None, looked_at: float, *, is_abandoned: bool, is_kept_up: bool
) -> Told:
    left, rate = before or Left(), None
    if before is not None and before.events:
        left = await stores.progress.left(version, entities_max=ALL)
        rate = max((before.events - left.events) / (time.monotonic() - looked_at), 0.0)
    return Told(
        name=version.name,
        kind=version.kind,
        version=version.version,
        build=version.build,
        state=version.state,
        paused=version.paused,
        abandoned=is_abandoned,
        kept_up=is_kept_up,
        entities_behind=left.entities,
        events_behind=left.events,
        oldest_unfolded_s=None if left.oldest_ms is None else max(time.time() - left.oldest_ms / 1000, 0.0),
        events_per_s=rate,
        estimate_s=left.events / rate if rate else None,
        parked=await stores.progress.parked_count(version),
        parked_entities=await _parked(stores, version),
    )


async def _parked(stores: Stores, version: Version) -> list[dict[str, Any]]:
    found = await stores.progress.parked(version, limit=PARKED_SHOWN)
    return [{"entity": one.entity, **msgspec.structs.asdict(one.why)} for one in found]


def _code() -> list[Wanted]:
    """The views and the sinks of this release."""
    settings = load_settings()
    views = installed_views(settings, installed_kinds(settings))
    return [*wanted_of(views), *wanted_of_sinks(installed_sinks(settings, views))]


def _with_stores(ask: Callable[[Stores], Awaitable[T]]) -> T:
    async def run(bridge: Bridge, url: str) -> T:
        async with Pool(bridge, url, incarnation=0, size=1) as pool:
            try:
                return await ask(Stores(pool))
            except Refused as error:
                raise Trouble(error.detail) from None

    return with_database(run)


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
