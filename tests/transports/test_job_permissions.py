"""The cells of the table of who may do what that are about queues and jobs: through every way in."""

from collections.abc import AsyncIterator, Callable
from typing import Any
from unittest.mock import Mock

import pytest
import trio

from greenroom.actors.identity.session import Session, SignOut
from greenroom.actors.jobs.queue import Queue
from greenroom.actors.jobs.queue.messages import Add, Take
from greenroom.actors.jobs.single import SingleJob
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.message import Ask, Message
from greenroom.store.jobs.jobs import QueueReads
from greenroom.store.jobs.jobs_memory import MemoryJobs
from greenroom.store.jobs.listing_memory import MemoryListing
from greenroom.store.journal.consequences.jobs import JobTables
from greenroom.store.journal.journal_memory import MemoryJournal
from greenroom.supervisors.jobs.finder import Finder
from greenroom.supervisors.jobs.matcher import Matcher
from greenroom.supervisors.supervision.backoff import new_backoff
from tests.transports.permissions import TABLES, YES
from tests.transports.small_node import SmallNode, small_node
from tests.transports.test_permissions import Ways, as_read, full_name, numbers, read_verdicts
from tests.transports.world import token

KINDS = (Queue, SingleJob)
LISTING = "list jobs, list queues"
NO_COMMANDS = ("read", "read, by a subscription token", LISTING)


class Reads:
    """What queues read of a node's rows. The finder is not run: nobody else adds jobs here."""

    def __init__(self) -> None:
        self.tell: Callable[[str, Message], bool] = lambda entity, message: False

    def of(self, journal: MemoryJournal) -> QueueReads:
        listing = MemoryListing(lambda: journal.rows.consequences)
        self.matcher = Matcher(listing, tell=self._tell, new_backoff=new_backoff, now=lambda: 0.0)
        jobs = MemoryJobs(lambda: journal.rows.consequences, lambda: 0.0)
        return Finder(jobs, tell=self._tell, new_backoff=new_backoff, match=self.matcher.match)

    def _tell(self, entity: str, message: Message) -> bool:
        return self.tell(entity, message)


@pytest.fixture
async def node() -> AsyncIterator[SmallNode]:
    kinds = (Session, *KINDS)
    reads = Reads()
    async with small_node(kinds=kinds, anonymous=False, anonymous_watch=True, jobs=reads.of) as made:
        reads.tell = made.kernel.router.tell_here
        async with trio.open_nursery() as nursery:  # owner: this call
            await nursery.start(reads.matcher.run)
            await made.kernel.router.ask("session:signed_out", SignOut())
            yield made
            nursery.cancel_scope.cancel()


class Shop:
    """A queue with a job that waits and one that the worker `w` has, both added for a user."""

    def __init__(self, node: SmallNode, by: str) -> None:
        self.node = node
        self.queue = f"queue:{next(numbers)}"
        self._by = by
        self.held = self.waits = ""
        self.token = 0

    async def opened(self) -> "Shop":
        self.held = await self.add()
        self.token = (await self.ask(Take(worker="w"))).token
        self.waits = await self.add()
        return self

    async def ask(self, message: Ask[Any]) -> Any:
        return await self.node.kernel.router.ask(self.queue, message)

    async def add(self) -> str:
        return str((await self.ask(Add(job="job.x", by=self._by))).id)

    def of(self, kind: str) -> str:
        return self.queue if kind == "queue" else f"job:{self.waits}"

    @property
    def rows(self) -> str:
        """All that is stored of its jobs. Of the shops before it the worker's lease may end at any moment."""
        tables = self.node.journal.rows.consequences.of(JobTables)
        queue = self.queue.partition(":")[2]
        jobs = {one: row for one, row in tables.jobs.items() if row.queue == queue}
        done = {one: (row, end) for one, (row, end) in tables.done.items() if row.queue == queue}
        takes = {token: take for (of, token), take in tables.takes.items() if of == queue}
        steps = {one: tables.steps.get(one) for one in (self.held, self.waits)}
        return repr((jobs, done, takes, steps))

    @property
    def under_way(self) -> dict[str, Any]:
        return {"worker": "w", "id": self.held, "token": self.token}


ROWS: dict[str, dict[str, Callable[[Shop], tuple[str, dict[str, Any]]]]] = {
    "queue": {
        "add": lambda shop: ("add", {"job": "job.x"}),
        "add several": lambda shop: ("add_many", {"jobs": [{"job": "job.x"}]}),
        "take": lambda shop: ("take", {"worker": "v"}),
        "beat": lambda shop: ("beat", {"worker": "w", "tokens": [shop.token]}),
        "complete": lambda shop: ("complete", shop.under_way),
        "fail": lambda shop: ("fail", shop.under_way),
        "leave": lambda shop: ("leave", {"worker": "w"}),
        "say how far jobs are": lambda shop: ("progress", {"worker": "w", "said": [{"id": shop.held, "share": 0.5}]}),
        "keep a step": lambda shop: ("step_done", {**shop.under_way, "name": "a", "result": 1}),
        "read steps": lambda shop: ("steps", shop.under_way),
        "cancel a job": lambda shop: ("cancel", {"id": shop.waits}),
        "retry a job": lambda shop: ("retry", {"id": shop.waits}),
        "edit a job": lambda shop: ("edit", {"id": shop.waits, "priority": 0}),
        "pause": lambda shop: ("pause", {}),
        "resume": lambda shop: ("resume", {}),
        "limit": lambda shop: ("limit", {"concurrency": 1}),
        "add a flow": lambda shop: ("add_flow", {"jobs": [{"name": "a", "job": "job.x"}]}),
        "read what a job has waited for": lambda shop: ("children", shop.under_way),
        "add children of a job": lambda shop: (
            "spawn",
            {**shop.under_way, "group": "a", "jobs": [{"job": "job.x"}]},
        ),
        "do something about many": lambda shop: ("bulk", {"act": "cancel", "where": {"id": [shop.waits]}}),
        "ask why": lambda shop: ("why", {"id": shop.waits}),
    },
    "job": {
        "cancel": lambda shop: ("cancel", {}),
        "retry": lambda shop: ("retry", {}),
        "edit": lambda shop: ("edit", {"priority": 0}),
        "read errors": lambda shop: ("errors", {}),
    },
}


@pytest.mark.parametrize("actor", KINDS)
def test_every_command_has_a_row(actor: Any) -> None:
    rows = ROWS[actor.kind]
    shop = Shop(Mock(), "")  # nothing is sent
    assert {one(shop)[0] for one in rows.values()} == set(Kinds((actor,))[actor.kind].commands)
    assert rows.keys() == {row for row in TABLES[actor.kind] if row not in NO_COMMANDS}


@pytest.mark.parametrize("kind", ["queue", "job"])
async def test_who_may_read(node: SmallNode, kind: str) -> None:
    for who, verdict in TABLES[kind]["read"].items():
        shop = await Shop(node, who if who == "signed_out" else "its_user").opened()
        expected = full_name(kind, verdict)
        found = await read_verdicts(Ways(node, who), shop.of(kind), expected)
        if kind == "job":  # which has no journal that one could be sure by
            found = {way: one for way, one in found.items() if not way.endswith(", verified")}
        assert found == dict.fromkeys(found, expected), (kind, who)


async def test_who_may_list(node: SmallNode) -> None:
    shop = await Shop(node, "its_user").opened()
    for who, verdict in TABLES["queue"][LISTING].items():
        for path in ("/api/queues", "/api/jobs", f"/api/jobs?queue={shop.queue.partition(':')[2]}&state=waiting"):
            found = await Ways(node, who).http("GET", path)
            assert found == full_name("queue", verdict), (who, path)


@pytest.mark.parametrize("kind", ["queue", "job"])
async def test_who_may_read_by_a_subscription_token(node: SmallNode, kind: str) -> None:
    shop = await Shop(node, "its_user").opened()
    for who, verdict in TABLES[kind]["read, by a subscription token"].items():
        ways = Ways(node, who)
        granted = token(sub=who if ways.token else "", channel=shop.of(kind), exp=node.clock() + 10_000)
        found = await ways.websocket({"subscribe": {"channel": shop.of(kind), "token": granted}})
        expected = full_name(kind, verdict)
        assert as_read(found, expected) == expected, (kind, who)


@pytest.mark.parametrize("kind", ["queue", "job"])
async def test_who_may_command(node: SmallNode, kind: str) -> None:
    """What is refused has changed nothing."""
    for row, command in ROWS[kind].items():
        for who, verdict in TABLES[kind][row].items():
            for way in ("http", "rpc"):
                shop = await Shop(node, who if who == "signed_out" else "its_user").opened()
                name, fields = command(shop)
                before = shop.rows
                found = await Ways(node, who).command(way, shop.of(kind), name, fields)
                assert found == full_name(kind, verdict), (kind, row, who, way)
                if found != YES:
                    assert shop.rows == before, (kind, row, who, way)
