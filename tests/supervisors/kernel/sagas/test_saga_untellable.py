"""A saga on the kernel whose steps tell what nobody takes: it goes back, as for any other step that fails."""

from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from greenroom import Ask, Done, Refused, Saga, Step
from greenroom.actors.model.lifecycle import Inspect, Inspected
from tests.supervisors.kernel.small_kernel import ANN, Brief, Heard, Kernel, Log, Slow, SlowHeard, kernel

SAGA = "checkout:1"


class Buy(Ask[Done], tag="checkout.buy"):
    what: str = ""


def refuse(so_far: Any) -> Any:
    raise Refused("two.no")


def step(**fields: Any) -> Step[Any]:
    made: dict[str, Any] = {"name": "one", "do": lambda so_far: ("log:a", Heard(text="one")), "deadline_s": 5.0}
    return Step(**(made | fields))


def checkout(*its: Step[Any]) -> type[Saga[Any]]:
    class Checkout(Saga[Buy]):
        kind = "checkout"
        starts = "users"
        steps = its

    return Checkout


async def played(run: Kernel) -> Any:
    """The saga's view once an hour has passed."""
    await run.ask(SAGA, Buy(what="x"), principal=ANN)
    await trio.sleep(3600)
    assert run.instruments.restarts == 0
    inspected = await run.ask(SAGA, Inspect(), principal=ANN)
    assert isinstance(inspected, Inspected)
    return msgspec.json.decode(inspected.view)


@pytest.mark.parametrize(
    "do",
    [
        lambda so_far: ("brief:b", Heard(text="two")),  # which has no journal, and could not report
        lambda so_far: ("log:b", SlowHeard(text="two")),
        lambda so_far: ("nobody:b", Heard(text="two")),
    ],
    ids=["without a journal", "a message that it does not take", "a kind that is not installed"],
)
async def test_a_step_that_nobody_takes_fails_and_the_saga_goes_back(do: Any, autojump_clock: MockClock) -> None:
    steps = (step(undo=lambda so_far: Heard(text="undo one")), step(name="two", do=do))
    async with kernel(kinds=(Log, Brief, Slow, checkout(*steps))) as run:
        assert (await played(run))["status"] == "undone"
        assert [text for text in run.texts("log:a") if text] == ["one", "undo one"]


async def test_an_undo_that_its_entity_does_not_take_leaves_the_saga_stuck(autojump_clock: MockClock) -> None:
    steps = (step(undo=lambda so_far: SlowHeard(text="undo one")), step(name="two", do=refuse))
    async with kernel(kinds=(Log, Brief, Slow, checkout(*steps))) as run:
        assert (await played(run))["status"] == "stuck"


class Lean(Ask[Done], tag="checkout.lean", omit_defaults=True):
    what: str = ""


class Renamed(Ask[Done], tag="checkout.renamed", rename="camel"):
    what_for: str = ""


@pytest.mark.parametrize("start", [Lean, Renamed], ids=["omits defaults", "renames"])
async def test_a_start_may_be_written_in_its_own_way(start: type[Any], autojump_clock: MockClock) -> None:
    class Checkout(Saga[start]):  # type: ignore[valid-type]
        kind = "checkout"
        starts = "users"
        steps = (step(),)

    async with kernel(kinds=(Log, Brief, Slow, Checkout)) as run:
        assert await run.ask(SAGA, start(), principal=ANN) == Done()
        assert await run.ask(SAGA, start(), principal=ANN) == Done(), "the same once more"
        await trio.sleep(10)
        assert run.texts("log:a") == ["one"]
