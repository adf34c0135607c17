"""The actor base: what `record` promises, and what a subclass says of its state."""

from typing import Any, Generic, TypeVar

import pytest
from msgspec import Struct, field

from greenroom import ANONYMOUS, Actor, Event, Message, Principal, Refused, Tell
from greenroom.actors.model.effects import Kick
from greenroom.store.jobs.no_jobs import NoJobs
from greenroom.testing import Kit


class Go(Tell, tag="walk.go"):
    steps: int


class Stepped(Event, tag="walk.stepped"):
    pass


class WalkState(Struct):
    steps: list[tuple[int, int]] = field(default_factory=list)  # offset, when


class LongWalkState(WalkState):
    night: bool = False


Label = TypeVar("Label")


class Labelled(Generic[Label]):
    pass


class Walk(Actor[WalkState]):
    kind = "walk"
    commands = (Go,)
    events = (Stepped,)

    def handle(self, message: Message) -> Any:
        assert isinstance(message, Go)
        for _ in range(message.steps):
            self.record(Stepped())

    def apply(self, event: Event) -> None:
        self.state.steps.append((self.offset, self.at_ms))

    def view(self) -> Any:
        return {}


class TickingRuntime:
    """A clock that moves whenever somebody looks, as real ones do."""

    jobs = NoJobs()

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        self.time += 0.001
        return self.time

    def audience(self, entity: str) -> list[Principal]:
        return []

    def spend(self, rule: str, user: str, per_h: int) -> float:
        return 0.0

    def is_durable(self, entity: str, message: Message) -> bool:
        return True

    async def ask(self, entity: str, message: Any, **_: Any) -> Any:
        raise NotImplementedError

    def nudged(self, entities: Any, message: Message) -> list[str]:
        return list(entities)

    def glance(self, entity: str, message: Any) -> Any:
        raise NotImplementedError

    async def query(self, row: Any, key: str, asked: Any) -> Any:
        raise NotImplementedError

    async def query_pages(self, row: Any, keys: Any, **_: Any) -> Any:
        raise NotImplementedError

    async def query_rows(self, wanted: Any) -> Any:
        raise NotImplementedError

    def has_ended(self, process: str) -> bool:
        raise NotImplementedError


def test_the_events_of_one_message_share_one_moment() -> None:
    """The cell stores one time for all events of a message; a replay must see what `apply` saw at first."""
    walk = Walk("walk:1", TickingRuntime())
    walk.handle(Go(steps=3))
    assert [offset for offset, _ in walk.state.steps] == [1, 2, 3]
    assert {at_ms for _, at_ms in walk.state.steps} == {walk.at_ms}
    walk.effects.events = ()  # the cell has taken them
    walk.handle(Go(steps=1))
    assert walk.state.steps[-1][1] > walk.state.steps[0][1]


def test_the_state_is_of_the_type_in_brackets() -> None:
    assert Walk.state_type is WalkState
    assert Kit(Walk).state == WalkState()


class Hike(Walk):
    """With another state, said outright."""

    state_type = LongWalkState


class Stroll(Hike):
    pass


class Run(Walk, Labelled[int]):
    """A parent in brackets that is no actor says nothing of the state."""


def test_a_subclass_keeps_the_state_of_its_parent_or_says_its_own() -> None:
    assert (Hike.state_type, Stroll.state_type, Run.state_type) == (LongWalkState, LongWalkState, WalkState)
    assert type(Kit(Stroll).state) is LongWalkState


def test_require_user() -> None:
    walk = Kit(Walk).actor
    walk.principal = Principal(user="ann")
    assert walk.require_user() == "ann"
    walk.principal = ANONYMOUS
    with pytest.raises(Refused) as caught:
        walk.require_user()
    assert (caught.value.name, caught.value.status) == ("unauthenticated", 401)


@pytest.mark.parametrize("code", [2000, 2499, 3000, 4999])
def test_a_kick_ends_a_subscription_or_a_connection(code: int) -> None:
    walk = Walk("walk:1", TickingRuntime())
    walk.kick(code, "out", user="ann", everywhere=True)
    assert walk.effects.others == [Kick(code, "out", "ann", True)]


@pytest.mark.parametrize("code", [0, 1999, 2500, 2999, 5000])
def test_a_kick_with_another_code_is_refused_where_it_is_written(code: int) -> None:
    walk = Walk("walk:1", TickingRuntime())
    with pytest.raises(ValueError, match=rf"walk:1: kicks with {code}"):
        walk.kick(code, "out")
    assert walk.effects.others == ()


@pytest.mark.parametrize("user", [None, ""])
def test_a_kick_everywhere_says_whom(user: str | None) -> None:
    """It would be everybody who watches anything on the node."""
    walk = Walk("walk:1", TickingRuntime())
    with pytest.raises(ValueError, match="without saying whom"):
        walk.kick(3000, "out", user=user, everywhere=True)
    assert walk.effects.others == ()
