"""The cells of the table of who may do what that are about schedules: through every way in."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from greenroom.actors.identity.session import Session, SignOut
from greenroom.actors.jobs.schedule import Book, Schedule
from greenroom.actors.jobs.schedule.messages import Set
from greenroom.actors.model.kinds import Kinds
from tests.transports.permissions import TABLES, YES
from tests.transports.small_node import SmallNode, small_node
from tests.transports.test_permissions import Ways, as_read, full_name, numbers, read_verdicts
from tests.transports.world import token

KINDS = (Schedule, Book)
READS = ("read", "read, by a subscription token")
WHEN: dict[str, Any] = {"job": "job.x", "queue": "q", "cron": "0 3 * * *"}
ROWS: dict[str, dict[str, tuple[str, dict[str, Any]]]] = {
    "schedule": {
        "set": ("set", {**WHEN, "note": "another"}),
        "pause": ("pause", {}),
        "resume": ("resume", {}),
        "trigger": ("trigger", {}),
        "backfill": ("backfill", {"from_ms": 0, "until_ms": 86_400_000}),
        "end backfills": ("end_backfills", {}),
        "drop": ("drop", {}),
    },
    "schedules": {"list": ("list", {})},
}


@pytest.fixture
async def node() -> AsyncIterator[SmallNode]:
    async with small_node(kinds=(Session, *KINDS), anonymous=False, anonymous_watch=True) as made:
        await made.kernel.router.ask("session:signed_out", SignOut())
        yield made


async def opened(node: SmallNode, kind: str) -> str:
    """One that there is."""
    entity = f"schedule:{next(numbers)}"
    await node.kernel.router.ask(entity, Set(**WHEN))
    return entity if kind == "schedule" else "schedules:all"


@pytest.mark.parametrize("actor", KINDS)
def test_every_command_has_a_row(actor: Any) -> None:
    rows = ROWS[actor.kind]
    assert {name for name, _ in rows.values()} == set(Kinds((actor,))[actor.kind].commands)
    assert rows.keys() == {row for row in TABLES[actor.kind] if row not in READS}


@pytest.mark.parametrize("kind", ["schedule", "schedules"])
async def test_who_may_read(node: SmallNode, kind: str) -> None:
    entity = await opened(node, kind)
    for who, verdict in TABLES[kind]["read"].items():
        expected = full_name(kind, verdict)
        found = await read_verdicts(Ways(node, who), entity, expected)
        assert found == dict.fromkeys(found, expected), (kind, who)


@pytest.mark.parametrize("kind", ["schedule", "schedules"])
async def test_who_may_read_by_a_subscription_token(node: SmallNode, kind: str) -> None:
    entity = await opened(node, kind)
    for who, verdict in TABLES[kind]["read, by a subscription token"].items():
        ways = Ways(node, who)
        granted = token(sub=who if ways.token else "", channel=entity, exp=node.clock() + 10_000)
        found = await ways.websocket({"subscribe": {"channel": entity, "token": granted}})
        expected = full_name(kind, verdict)
        assert as_read(found, expected) == expected, (kind, who)


@pytest.mark.parametrize("kind", ["schedule", "schedules"])
async def test_who_may_command(node: SmallNode, kind: str) -> None:
    """What is refused has changed nothing."""
    for row, (name, fields) in ROWS[kind].items():
        for who, verdict in TABLES[kind][row].items():
            for way in ("http", "rpc"):
                schedule = await opened(node, "schedule")
                entity = schedule if kind == "schedule" else "schedules:all"
                before = len(node.journal.rows.by_entity[schedule].events)
                found = await Ways(node, who).command(way, entity, name, fields)
                assert found == full_name(kind, verdict), (kind, row, who, way)
                if found != YES:
                    assert len(node.journal.rows.by_entity[schedule].events) == before, (kind, row, who, way)
