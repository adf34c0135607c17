"""`greenroom forget ENTITY`: erase it, everywhere, for good.

All of it goes through the database, so it needs no token. Nodes that run hear of it within a second; where it is ended
on the way, the same command goes on with it.
"""

import getpass
import secrets
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from greenroom.actors.jobs.ids import ID
from greenroom.actors.jobs.installed import Jobs
from greenroom.actors.model.entity import BadEntity, split_entity
from greenroom.actors.model.principal import user_id_problem
from greenroom.config.settings import Settings, load_settings
from greenroom.store.erasure.erasing import Erasing, erase_job
from greenroom.store.erasure.erasures import QUEUE_KIND, Erasure, PostgresErasures, name_of_user
from greenroom.store.erasure.jobs import JOB_KIND, Active, OneJob
from greenroom.store.erasure.remaking import Told, Waits
from greenroom.store.erasure.removing import count
from greenroom.store.erasure.rewriting import Rewriting
from greenroom.store.erasure.views import views_of
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.pool import Pool
from greenroom.supervisors.cli.chosen.database import with_database
from greenroom.supervisors.cli.chosen.kinds import built_in_kinds, installed_jobs, installed_kinds
from greenroom.supervisors.cli.terminal.plainly import BAD_USAGE, Trouble, told_plainly
from greenroom.supervisors.cli.terminal.printable import printable
from greenroom.supervisors.erasure.first import First, NotFirst
from greenroom.supervisors.erasure.users import Did, ForgettingUser, needles_of

LISTED = 1_000
WHOLE_S = 600.0  # for a statement that looks through a whole table
WITHOUT = "With --without-jobs it does not wait for jobs that come first, and others go on counting who is gone"
HEAD = "SELECT id FROM heads WHERE entity = $1"

T = TypeVar("T")


def forget(
    entity: Annotated[str | None, typer.Argument(metavar="ENTITY", help="As in room:lobby.")] = None,
    user: Annotated[
        str | None, typer.Option(metavar="USER", help="A user's id: erase what is theirs, anywhere.")
    ] = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; kept for ever, so without what is erased.")] = "",
    by: Annotated[str, typer.Option(metavar="NAME", help="Who asks for it; else who is logged in here.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed, and remove nothing.")] = False,
    without_jobs: Annotated[
        bool, typer.Option("--without-jobs", help="Don't have jobs done first that come first: see the guide.")
    ] = False,
    past: Annotated[bool, typer.Option("--list", help="Show what has been erased, by whom and why.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Erase an entity for good: its events, its state, what it was told and answered, its rows in every view.

    Nobody can make one of that name again. What it told other entities is theirs, and stays.
    """
    with told_plainly():
        if past:
            return _show(_with_pool(lambda pool: PostgresErasures(pool).newest(limit=LISTED)), as_json)
        if (entity is None) == (user is None):
            raise Trouble("say what: ENTITY, as in room:lobby, or --user USER", status=BAD_USAGE)
        asked_by = by or f"{getpass.getuser()}@{socket.gethostname()}"
        if user is not None:
            return _forget_user(
                user, reason.strip(), asked_by, yes=yes, dry_run=dry_run, as_json=as_json, comes_first=not without_jobs
            )
        assert entity is not None
        try:
            split_entity(entity)
        except BadEntity as error:
            raise Trouble(str(error), status=BAD_USAGE) from error
        found, rows, views = _with_pool(lambda pool: _look(pool, entity), statement_s=WHOLE_S)
        if found is None and not rows:
            raise Trouble(f"there is no {printable(entity)}")
        if dry_run:
            return _say({"entity": entity, "rows": rows, "views": views, "begun": found is not None}, as_json)
        if found is None or found.done_ms is None:
            if found is None and not reason.strip():
                raise Trouble("say why, with --reason: it is kept with who did it and when", status=BAD_USAGE)
            if found is None and not yes:
                _ask(entity, rows, views)
            jobs = Jobs() if without_jobs else _that_may_come_first(entity, load_settings())
            found = _with_pool(lambda pool: _erase(pool, entity, reason.strip(), asked_by, jobs), statement_s=WHOLE_S)
        _say({"entity": entity} | _plain(found), as_json)


def _that_may_come_first(entity: str, settings: Settings) -> Jobs:
    """None for kinds of which no key is a user's: what has to go at once may not wait for code that can't be imported.

    Raises: BadEntityClass.
    """
    kind, kinds = entity.partition(":")[0], built_in_kinds()
    if kind in kinds and not kinds[kind].actor.key_is_user:
        return Jobs()
    _say_where_none_are(settings)
    return installed_jobs(settings)


def _say_where_none_are(settings: Settings) -> None:
    if not settings.entities:
        sys.stderr.write(
            "greenroom: GREENROOM_ENTITIES is not set here, so no job of yours is known, and none is done first\n"
        )


def _forget_user(
    user: str, reason: str, asked_by: str, *, yes: bool, dry_run: bool, as_json: bool, comes_first: bool
) -> None:
    """Raises: Trouble."""
    settings = load_settings()
    kinds, jobs = installed_kinds(settings), installed_jobs(settings)
    if problem := user_id_problem(user):
        raise Trouble(f"--user: {printable(user)} {problem}", status=BAD_USAGE)
    theirs = [f"{kind.name}:{user}" for kind in kinds if kind.actor.key_is_user and kind.actor.durable]
    rows = _with_pool(lambda pool: Rewriting(pool, needles_of(user), 0).left(), statement_s=WHOLE_S)
    if dry_run:
        return _say({"entity": user, "rows": rows, "views": {}, "entities": theirs}, as_json)
    if not reason:
        raise Trouble("say why, with --reason: it is kept with who did it and when", status=BAD_USAGE)
    if not yes:
        _ask(user, rows, {})
    if comes_first:
        _say_where_none_are(settings)

    async def erase(pool: Pool) -> Erasure:
        did = msgspec.json.encode(Did(alias=f"forgotten-{secrets.token_hex(4)}")).decode()
        erasures = PostgresErasures(pool)
        erasure = await erasures.begin_user(user, reason=reason, asked_by=asked_by, did=did)
        with _bar() as told:
            try:
                await ForgettingUser(pool, kinds, user, erasure, told, jobs=jobs, comes_first=comes_first).run()
            except Waits as why:
                raise _not_done(why) from why
        done = await erasures.find(name_of_user(user))
        assert done is not None
        return done

    told = _plain(_with_pool(erase, statement_s=WHOLE_S))
    _say({"entity": user} | told, as_json)
    left = told["did"].get("left", {})
    if left and not as_json:
        where = ", ".join(f"{number} rows of {table}" for table, number in left.items())
        sys.stderr.write(
            f"greenroom: their id is still in {where}: in fields that are neither Subject nor UserId, or in "
            "keys, results, steps and errors of jobs\n"
        )


async def _look(pool: Pool, entity: str) -> tuple[Erasure | None, dict[str, int], dict[str, str]]:
    found = await PostgresErasures(pool).find(entity)
    kind, _, key = entity.partition(":")
    if kind == JOB_KIND:
        rows = await OneJob(pool, key).count() if ID.fullmatch(key) else {}
        return found, rows if any(rows.values()) else {}, {}
    heads = await pool.fetch(HEAD, entity)
    rows = await count(pool, heads[0][0], entity) if heads else {}
    if kind == QUEUE_KIND and not heads:  # only others have added jobs to it, and it was never awake
        rows = await count(pool, 0, entity)
        rows = rows if rows["jobs"] else {}
    return found, rows, await views_of(pool, entity.partition(":")[0])


async def _erase(pool: Pool, entity: str, reason: str, asked_by: str, jobs: Jobs) -> Erasure:
    """`jobs`: of which those are done first that say so. Raises: Trouble."""
    kind, _, key = entity.partition(":")
    if kind == JOB_KIND:
        return await _erase_job(pool, key, reason, asked_by)
    try:
        with _bar() as told:
            await First(pool, jobs, told).run(entity)
    except NotFirst as why:
        raise Trouble(f"nothing is erased yet: {why}. {WITHOUT}") from why
    erasures = PostgresErasures(pool)
    erasure = await erasures.begin(entity, reason=reason, asked_by=asked_by)
    if erasure is None:
        raise Trouble(f"there is no {printable(entity)}")
    if erasure.done_ms is None:
        try:
            with _bar() as told:
                await Erasing(pool, erasure, told).run()
        except Waits as why:
            raise _not_done(why) from why
    done = await erasures.find(entity)
    assert done is not None
    return done


async def _erase_job(pool: Pool, job: str, reason: str, asked_by: str) -> Erasure:
    """Raises: Trouble."""
    try:
        with _bar() as told:
            erasure = await erase_job(pool, job, told, reason=reason, asked_by=asked_by)
    except Active as worker:
        raise Trouble(f"{printable(str(worker))} works on it: cancel it first, or wait until it has ended") from worker
    except Waits as why:
        raise _not_done(why) from why
    if erasure is None:
        raise Trouble(f"there is no job:{printable(job)}")
    return erasure


def _not_done(why: Waits) -> Trouble:
    told = f"begun, and not done: {why}. The same command goes on with it"
    return Trouble(f"{told}. {WITHOUT}" if isinstance(why, NotFirst) else told)


def _ask(entity: str, rows: dict[str, int], views: dict[str, str]) -> None:
    """Raises: Trouble unless the answer is yes."""
    if not sys.stdin.isatty():
        raise Trouble("nobody is there to be asked: say --yes", status=BAD_USAGE)
    console = Console(stderr=True)
    console.print(_summary(rows, views), markup=False)
    if not typer.confirm(f"Erase {printable(entity)} for good?", err=True):
        raise Trouble("nothing was erased")


@contextmanager
def _bar() -> Iterator[Told]:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("", total=None)

        def told(what: str, done: int, total: int) -> None:
            progress.update(task, description=what, completed=done, total=total or None)

        yield told


def _show(erasures: list[Erasure], as_json: bool) -> None:
    told = [_plain(one) for one in erasures]
    if as_json:
        _print_json(told)
        return
    for one in told:
        sys.stdout.write(printable(f"{one['kind']} {one['digest'] or ''} {_sentence(one)}") + "\n")
    if not told:
        sys.stdout.write("nothing was erased\n")


def _say(told: dict[str, Any], as_json: bool) -> None:
    if as_json:
        _print_json(told)
    elif "rows" in told:
        sys.stdout.write(f"{printable(told['entity'])}: {_summary(told['rows'], told['views'])}\n")
    else:
        sys.stdout.write(f"{printable(told['entity'])} {printable(_sentence(told))}\n")


def _summary(rows: dict[str, int], views: dict[str, str]) -> str:
    parts = [f"{number} rows of {table}" for table, number in rows.items() if number]
    parts += [f"its rows of the view {name}" for name, what in views.items() if what == "rows"]
    parts += [f"the view {name}, made anew" for name, what in views.items() if what == "anew"]
    return ", ".join(parts) or "a name, and nothing else"


def _sentence(told: dict[str, Any]) -> str:
    if told["done"] is None:
        return f"is being erased since {told['began']}, for {told['by']}: {told['reason']}"
    return f"was erased on {told['done']}, for {told['by']}: {told['reason']}"


def _plain(erasure: Erasure) -> dict[str, Any]:
    return {
        "id": erasure.id,
        "kind": erasure.kind,
        "digest": erasure.digest.hex(),
        "reason": erasure.reason,
        "by": erasure.asked_by,
        "began": _at(erasure.began_ms),
        "done": _at(erasure.done_ms),
        "did": msgspec.json.decode(erasure.did),
    }


def _at(ms: int | None) -> str | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC).isoformat(" ", "seconds")


def _print_json(value: Any) -> None:
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


def _with_pool(ask: Callable[[Pool], Awaitable[T]], *, statement_s: float = 10.0) -> T:
    async def run(bridge: Bridge, url: str) -> T:
        async with Pool(bridge, url, incarnation=0, size=2, statement_s=statement_s) as pool:
            return await ask(pool)

    return with_database(run)
