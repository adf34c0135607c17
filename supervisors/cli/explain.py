"""`greenroom explain ENTITY`: where it is and why, what waits, who watches.

Of the database alone where no node answers; where one does, it is asked, and asks the entity's own node in its turn.
"""

import sys
import urllib.error
import urllib.parse
import urllib.request
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from greenroom.actors.model.entity import BadEntity, split_entity
from greenroom.actors.model.kinds import Kinds
from greenroom.config.settings import Settings, load_settings
from greenroom.store.overview.cluster import NodeRow, node_rows
from greenroom.store.overview.entity import StoredEntity, stored_entity
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.pool import Pool
from greenroom.supervisors.admin.explaining import Explanation, Folding, explanation
from greenroom.supervisors.admin.told import EntityTold
from greenroom.supervisors.cli.chosen.database import with_database
from greenroom.supervisors.cli.chosen.kinds import installed_kinds
from greenroom.supervisors.cli.chosen.tokens import own_token
from greenroom.supervisors.cli.jobs.explained import words_of
from greenroom.supervisors.cli.terminal.plainly import BAD_USAGE, Trouble, told_plainly
from greenroom.supervisors.cli.terminal.printable import printable

ANSWER_S = 5.0
USER = "greenroom-explain"


def explain(
    entity: Annotated[str, typer.Argument(metavar="ENTITY", help="As in room:lobby.")],
    as_json: Annotated[bool, typer.Option("--json", help="For programs: JSON, and nothing shortened.")] = False,
    url: Annotated[str | None, typer.Option(help="The server to ask; else the one that owns the entity.")] = None,
    token: Annotated[
        str | None, typer.Option(help="With the role admin or viewer, where GREENROOM_AUTH_SECRET can't sign one.")
    ] = None,
) -> None:
    """Show where an entity is and why, what is stored of it, what waits, and who watches.

    Reads the database. A server that can be reached says what it has in memory, too.
    """
    with told_plainly():
        settings = load_settings()
        kinds = installed_kinds(settings)
        _check(entity, kinds)

        async def read(bridge: Bridge, database_url: str) -> tuple[StoredEntity, list[NodeRow]]:
            async with Pool(bridge, database_url, incarnation=0, size=1) as pool:
                return await stored_entity(pool.fetch, entity), await node_rows(pool.fetch)

        stored, nodes = with_database(read)
        owner = stored.place.url if stored.place is not None and stored.place.state not in (None, "dead") else None
        found, why = None, "no node that is alive owns it"
        if (address := url or owner) is not None:
            if token is None and url is None:
                token = own_token(settings, USER, ["admin"])
            found, why = _asked(address, entity, token, settings)
        if found is None:
            found = explanation(entity, kinds, stored, nodes, None, why, full=True)
        if as_json:
            sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
        else:
            words = words_of(entity, address, token, settings, is_ours=url is None) if address is not None else []
            _print([*rows_of(found), *words])


def _check(entity: str, kinds: Kinds) -> None:
    """Raises: Trouble."""
    try:
        name, _ = split_entity(entity)
    except BadEntity as error:
        raise Trouble(f"ENTITY: {error}", status=BAD_USAGE) from None
    if name not in kinds:
        known = ", ".join(sorted(kind.name for kind in kinds))
        raise Trouble(
            f"ENTITY: no kind {printable(name)} is installed, only {known}; others are named by GREENROOM_ENTITIES",
            status=BAD_USAGE,
        )


def _asked(url: str, entity: str, token: str | None, settings: Settings) -> tuple[Explanation | None, str]:
    """What the server there says; or None, and why it says nothing."""
    address = f"{url.rstrip('/')}/admin/api/entity?" + urllib.parse.urlencode({"name": entity})
    asked = urllib.request.Request(address)
    if token is not None:
        asked.add_header("Authorization", f"Bearer {token}")
    elif settings.env == "local":
        asked.add_header("X-Greenroom-User", USER)
    else:
        return None, "its node was not asked: that takes --token, or GREENROOM_AUTH_SECRET"
    try:
        with urllib.request.urlopen(asked, timeout=ANSWER_S) as answer:
            return msgspec.json.decode(answer.read(), type=Explanation), ""
    except urllib.error.HTTPError as error:
        return None, f"{url} answers {error.code}: {_message(error.read())}"
    except (urllib.error.URLError, OSError, ValueError) as error:
        return None, f"{url} does not answer: {error}"


def _message(body: bytes) -> str:
    try:
        return str(msgspec.json.decode(body)["error"]["message"])[:200]
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, TypeError):
        return "no reason"


def _print(rows: list[tuple[str, str]]) -> None:
    table = Table.grid(padding=(0, 2))
    for name, value in rows:
        table.add_row(Text(name, style="bold"), Text(printable(value)))  # Text: what is in it is not markup
    Console().print(table)


def rows_of(found: Explanation) -> list[tuple[str, str]]:
    """Line by line, as a person reads it."""
    place, stored, told = found.place, found.stored, found.told
    lines = [("entity", found.entity), ("kind", _kind(found))]
    if place.shard is not None:
        lines.append(("shard", f"{place.shard} of {place.shards}, term {place.term}"))
    lines.append(("node", f"{place.node}, {place.url or 'whose row is gone'}" if place.node else "nobody's"))
    if place.node is not None and place.state is not None:
        lease = f", lease {place.lease_left_s} s" if place.lease_left_s is not None and place.state != "dead" else ""
        lines.append(("", f"{place.state}{lease}"))
    if place.since_ms is not None:
        lines.append(("since", _at(place.since_ms)))
    lines.append(("why", place.why))
    lines += _told(told) if told is not None else [("awake", f"not known: {found.told_why}")]
    if stored is None:
        lines.append(("journal", "nothing is stored of it" if found.durable is not False else "it has none"))
    else:
        kept = stored.offset - stored.trimmed
        last = f", the last at {_at(stored.last_at_ms)}" if stored.last_at_ms is not None else ""
        lines.append(("journal", f"epoch {stored.epoch}, offset {stored.offset}, {kept} events kept{last}"))
        lines.append(("claimed", f"by {stored.claimed_by}, term {stored.term}, activation {stored.activation}"))
        lines.append(("snapshot", _snapshot(found)))
        more = found.counted_max
        lines.append(("timers", _counted(stored.timers, more)))
        lines += [("", f"{_at(one.due_ms)}  {one.name or ''}") for one in found.timers]
        lines.append(("outbox", _counted(stored.outbox, more)))
        lines += [("", f"{one.type or '?'} to {one.to}") for one in found.outbox]
        lines.append(("marks", f"of {_counted(stored.marks, more)} senders"))
        lines.append(("command ids", f"{_counted(stored.kept_ids, more)} outlive their events"))
    lines += [("view" if one.kind == "view" else "sink", _folding(one)) for one in found.views]
    lines.append(("dead letters", _counted(found.letters_count, found.counted_max)))
    for one in found.letters:
        wished = ", to be retried" if one.wished else ""
        lines.append(("", f"{one.id}  {_at(one.at_ms)}  {one.type}{wished}  {one.error or ''}"))
    return lines


def _kind(found: Explanation) -> str:
    if found.durable is None:
        return f"{found.kind}, which is not installed there"
    return found.kind if found.durable else f"{found.kind}, which has no journal"


def _told(told: EntityTold) -> list[tuple[str, str]]:
    if told.awake:
        offset = f", offset {told.offset}" if told.offset is not None else ""
        lines = [("awake", f"for its last message {told.idle_s} s ago{offset}")]
        waits = f", the oldest for {told.waits_s} s" if told.waits_s is not None else ""
        lines.append(("mailbox", f"{told.waits} messages of {told.waits_bytes} bytes{waits}"))
        if told.flights:
            lines.append(("in flight", f"{told.flights} bursts wait for their commit"))
        if told.suspects:
            lines.append(("suspects", f"{told.suspects} messages are handled one by one"))
        if told.restarts:
            lines.append(("restarts", f"{told.restarts} that still count"))
    else:
        lines = [("awake", f"no: it failed, and is kept down for {told.down_s} s" if told.down_s else "no, it sleeps")]
    if told.departing:
        lines.append(("departs", "its shard is on its way to another node"))
    watchers = ", ".join(f"{count} on {node}" for node, count in told.watchers.items())
    lines.append(("watched", watchers or "by nobody"))
    lines += [("failure", f"{_at(one.at_ms)}  {one.what}: {one.error}") for one in told.failures]
    return lines


def _snapshot(found: Explanation) -> str:
    snapshot = found.stored.snapshot if found.stored is not None else None
    if snapshot is None:
        return "none"
    at = f", of {_at(snapshot.at_ms)}" if snapshot.at_ms is not None else ""
    return f"offset {snapshot.offset}, {snapshot.bytes if snapshot.bytes is not None else '?'} bytes{at}"


def _folding(one: Folding) -> str:
    build = f" ({one.build})" if one.build > 1 else ""
    behind = f", {one.behind} behind" if one.behind else ""
    waits = f", parked at event {one.parked}: {one.error or ''}" if one.parked is not None else ""
    paused = ", paused" if one.paused else ""
    return f"{one.name} {one.version}{build}, {one.state}{paused}: up to {one.offset}{behind}{waits}"


def _counted(count: int, most: int) -> str:
    return f"{most} or more" if count >= most else str(count)


def _at(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(" ", "seconds")
