"""The checkout of docs/guides/sagas.md on the kernel: each step failing in turn, and a crash between any two events."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from greenroom import Step
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.lifecycle import Inspect, Inspected
from greenroom.store.journal.dead_letters import DeadLetter
from greenroom.store.journal.dead_letters_memory import MemoryDeadLetters
from greenroom.store.journal.journal_memory import MemoryRows
from tests.docs.sagas_page import checkout, shop
from tests.store.journal.faulty_journal import Fault
from tests.supervisors.kernel.small_kernel import ANN, Kernel

KINDS = (shop.Stock, shop.Wallet, shop.Order, checkout.Checkout)
SAGA, STOCK, WALLET, ORDER = "checkout:7", "stock:book", "wallet:ann", "order:7"
COUNT, CENTS = 5, 600  # there are; two books cost 500


class Shop:
    """Its rows outlive each of its nodes."""

    def __init__(self) -> None:
        self.rows = MemoryRows()
        self.nodes = 0

    @asynccontextmanager
    async def node(self) -> AsyncIterator[Kernel]:
        self.nodes += 1
        async with Kernel(rows=self.rows, incarnation=self.nodes, kinds=KINDS).running() as kernel:
            yield kernel

    def types(self, entity: str) -> list[str]:
        row = self.rows.by_entity.get(entity)
        return [msgspec.json.decode(event.payload)["type"] for event in row.events] if row is not None else []

    def facts(self, entity: str) -> list[str]:
        return [one for one in self.types(entity) if one != "actor.noted"]

    async def letters(self) -> Sequence[DeadLetter]:
        return await MemoryDeadLetters(self.rows.letters).list(limit=10)

    def check(self, outcome: str) -> None:
        """Whatever happened: all of it happened, once, or none of it."""
        assert self.types(SAGA)[-1] == "saga.ended"
        for entity, did, undid in (
            (STOCK, "stock.reserved", "stock.released"),
            (WALLET, "wallet.paid", "wallet.refunded"),
            (ORDER, "order.confirmed", "order.cancelled"),
        ):
            facts = [one for one in self.facts(entity) if one in (did, undid)]
            allowed = [[did]] if outcome == "done" else [[], [did, undid], ["order.cancelled"]]
            assert facts in allowed, (entity, facts)
        assert not any(row.outbox for row in self.rows.by_entity.values())


async def open_shop(kernel: Kernel, *, count: int = COUNT, cents: int = CENTS) -> None:
    if count:
        await kernel.ask(STOCK, shop.Supply(count=count))
    if cents:
        await kernel.ask(WALLET, shop.Deposit(cents=cents))


async def buy(kernel: Kernel) -> None:
    await kernel.ask(SAGA, checkout.Buy(article="book", count=2), principal=ANN)


async def status(kernel: Kernel) -> str:
    inspected = await kernel.ask(SAGA, Inspect(), principal=ANN)
    assert isinstance(inspected, Inspected)
    return str(msgspec.json.decode(inspected.view)["status"])


async def ended(kernel: Kernel) -> str:
    """How, once nothing is on its way any more."""
    with trio.fail_after(120.0):
        while (now := await status(kernel)) in ("new", "running", "undoing") or kernel.kernel.relay.waiting:  # noqa: ASYNC110
            await trio.sleep(0.1)
        await trio.sleep(10.0)  # the outbox is emptied
    return now


async def test_a_checkout_goes_through(autojump_clock: MockClock) -> None:
    place = Shop()
    async with place.node() as kernel:
        await open_shop(kernel)
        await buy(kernel)
        assert await ended(kernel) == "done"
        place.check("done")
        row = place.rows.by_entity[STOCK]
        stock = await kernel.ask(STOCK, Inspect())
        assert isinstance(stock, Inspected)
        assert stock.view == b'{"free":3,"reserved":{"7":2}}'
        assert not place.rows.by_entity[SAGA].timers
        assert not row.timers


FAILING: dict[str, dict[str, Any]] = {
    "reserve": {"count": 1},
    "charge": {"cents": 499},
    "confirm": {"cancelled": True},
    "none": {},
}


async def prepare(kernel: Kernel, cancelled: bool = False, **there: int) -> None:
    await open_shop(kernel, **there)
    if cancelled:
        await kernel.ask(ORDER, shop.Cancel(), principal=ANN)


@pytest.mark.parametrize("failing", ["reserve", "charge", "confirm"])
async def test_each_step_is_refused_in_turn(failing: str, autojump_clock: MockClock) -> None:
    place = Shop()
    async with place.node() as kernel:
        await prepare(kernel, **FAILING[failing])
        await buy(kernel)
        assert await ended(kernel) == "undone"
        place.check("undone")
        assert await place.letters() == [], "the saga has heard of it, and gone back"


@pytest.mark.parametrize("failing", FAILING)
@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
async def test_a_crash_at_any_statement_leaves_it_consistent(
    failing: str, late: bool, autojump_clock: MockClock
) -> None:
    """The node dies at the first of its calls to the journal, then at the second ...; the next one carries on."""
    outcomes = set()
    number = 0
    crashed = True
    while crashed:
        number += 1
        place = Shop()
        async with place.node() as kernel:
            await prepare(kernel, **FAILING[failing])
        with trio.CancelScope() as life:
            async with place.node() as kernel:
                die_at(kernel, life, number, late=late)
                await buy(kernel)
                await ended(kernel)
        crashed = life.cancelled_caught
        async with place.node() as kernel:
            await buy(kernel)  # a client that heard nothing says it again
            outcome = await ended(kernel)
        place.check(outcome)
        outcomes.add(outcome)
    assert number > 12
    assert outcomes == {"done" if failing == "none" else "undone"}


def die_at(kernel: Kernel, life: trio.CancelScope, number: int, *, late: bool) -> None:
    """At the journal's call of that number, before or after it takes effect."""
    calls = 0
    original = kernel.journal._with_faults

    async def call(name: str, doing: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls != number:
            return await original(name, doing)
        if late:
            await doing()
        life.cancel()
        return await trio.sleep_forever()

    kernel.journal._with_faults = call  # type: ignore[assignment, method-assign]


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.LANDED_LOST, Fault.UNAVAILABLE])
@pytest.mark.parametrize("failing", FAILING)
async def test_appends_that_fail_leave_it_consistent(fault: Fault, failing: str, autojump_clock: MockClock) -> None:
    for number in range(12):
        place = Shop()
        async with place.node() as kernel:
            await prepare(kernel, **FAILING[failing])
            kernel.journal.faults["append"] += [Fault.NONE] * number + [fault]
            await buy(kernel)
            outcome = await ended(kernel)
        place.check(outcome)


@pytest.mark.parametrize("entity", [STOCK, WALLET, ORDER])
async def test_an_entity_that_does_not_answer_is_undone_behind_its_step(entity: str, autojump_clock: MockClock) -> None:
    """It is asleep, and can't be woken until after the deadline; then it takes the step, and the undo at once."""
    place = Shop()
    async with place.node() as kernel:
        await prepare(kernel)
    async with place.node() as kernel:
        away = keep_asleep(kernel, entity)
        await buy(kernel)
        await trio.sleep(30.0)
        assert await status(kernel) == "undoing"
        away.set()
        assert await ended(kernel) == "undone"
    place.check("undone")
    assert {STOCK: "stock.released", WALLET: "wallet.refunded", ORDER: "order.cancelled"}[entity] in place.types(entity)
    assert "saga.step_answered_late" in place.types(SAGA)


def keep_asleep(kernel: Kernel, entity: str) -> trio.Event:
    """Its claims wait until the event is set."""
    back = trio.Event()
    original = kernel.kernel.claims.claim

    async def claim(name: str, *, term: int, above: int = 0) -> Any:
        if name == entity:
            await back.wait()
        return await original(name, term=term, above=above)

    kernel.kernel.claims.claim = claim  # type: ignore[assignment, method-assign]
    return back


async def test_a_deadline_passes_while_no_node_runs(autojump_clock: MockClock) -> None:
    place = Shop()
    async with place.node() as kernel:
        await prepare(kernel)
        keep_asleep(kernel, WALLET)
        await buy(kernel)
        await trio.sleep(1.0)
    await trio.sleep(100.0)
    async with place.node() as kernel:
        outcome = await ended(kernel)  # the timer wakes it; nobody else does
    place.check(outcome)


async def test_a_step_to_what_has_no_journal_fails_and_is_not_waited_for(autojump_clock: MockClock) -> None:
    class Astray(checkout.Checkout):  # type: ignore[misc, name-defined]
        steps = (
            *checkout.Checkout.steps[:2],
            Step(name="ship", do=lambda so_far: ("ship:1", shop.Cancel()), undo=checkout.cancel, deadline_s=10.0),
        )

    place = Shop()
    async with Kernel(rows=place.rows, kinds=(*KINDS[:3], Astray)).running() as kernel:
        await prepare(kernel)
        await buy(kernel)
        assert await ended(kernel) == "undone"
        place.check("undone")


async def test_a_stuck_saga_has_left_a_dead_letter(autojump_clock: MockClock) -> None:
    class Grasping(shop.Wallet):  # type: ignore[misc, name-defined]
        kind = "wallet"

        def handle(self, message: Any) -> Any:
            if isinstance(message, shop.Refund):
                raise Refused("wallet.grasping")
            return super().handle(message)

    place = Shop()
    async with Kernel(rows=place.rows, kinds=(shop.Stock, Grasping, shop.Order, checkout.Checkout)).running() as kernel:
        await prepare(kernel, cancelled=True)
        await buy(kernel)
        assert await ended(kernel) == "stuck"
        assert place.facts(STOCK)[1:] == ["stock.reserved", "stock.released"]
        assert place.facts(WALLET)[1:] == ["wallet.paid"]
        letters = {letter.message_type: letter.error for letter in await place.letters()}
        assert "wallet.grasping" in letters["wallet.refund"]


async def test_the_dead_letter_of_a_step_says_who_has_heard_of_it(autojump_clock: MockClock) -> None:
    class Falling(shop.Order):  # type: ignore[misc, name-defined]
        kind = "order"

        def handle(self, message: Any) -> Any:
            raise ZeroDivisionError("whoever retries this does it behind the saga's back")

    place = Shop()
    kinds = (shop.Stock, shop.Wallet, Falling, checkout.Checkout)
    async with Kernel(rows=place.rows, incarnation=1, kinds=kinds).running() as kernel:
        await open_shop(kernel)
        await buy(kernel)
        await ended(kernel)
        (letter, *_) = [one for one in await place.letters() if one.message_type == "order.confirm"]
        assert letter.error.endswith(f"; {SAGA} has heard of it, and gone on")
