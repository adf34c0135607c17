"""What a writer of an entity calls: it passes what is right, and shows what is wrong with a way to see it again."""

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from greenroom import Actor, Ask, Event, Key, Origin, Page, Principal, Refused, View
from greenroom.testing import NO_FAULTS, BadCommand, Moment, SimulationFailed, simulate
from tests.docs.test_tutorial import write_blocks


class Grown(Event, tag="plant.grown"):
    by: int


class Grow(Ask[int], tag="plant.grow"):
    by: int


class PlantState(Struct):
    height: int = 0


class Plant(Actor[PlantState]):
    kind = "plant"
    commands = (Grow,)
    events = (Grown,)

    def handle(self, message: Grow) -> int:
        self.record(Grown(by=message.by))
        return self.state.height

    def apply(self, event: Grown) -> None:
        self.state.height += event.by

    def view(self) -> Any:
        return {}


class Forgetful(Plant):
    """Changes its state where no event does."""

    def handle(self, message: Grow) -> int:
        self.state.height += 1
        return super().handle(message)


class Liar(Plant):
    """Answers without recording."""

    def handle(self, message: Grow) -> int:
        return 0 if message.by == 7 else super().handle(message)


class Heights(View):
    of = (Grown,)

    class Row(Struct):
        plant: Key[str]
        height: int = 0

    watch = Page(order="-height")

    def fold(self, event: Grown, of: Origin) -> None:
        self.row(plant=of.key).height += event.by

    def seed(self, state: PlantState, of: Origin) -> None:
        self.row(plant=of.key).height = state.height

    @classmethod
    def may_watch(cls, principal: Principal, key: str) -> None:
        pass


class Drifting(Heights):
    """What it makes of an event is not the same each time."""

    folded = 0

    def fold(self, event: Grown, of: Origin) -> None:
        Drifting.folded += 1
        self.row(plant=of.key).height += event.by + Drifting.folded % 2


def grow(draw: Any) -> Grow:
    return Grow(by=draw.randint(1, 9))


def test_a_view_that_keeps_the_rules_passes() -> None:
    done = simulate(Plant, views=[Heights], commands=grow, seeds=2, minutes=0.5, nodes=2)
    assert done.acknowledged > 20


def test_a_view_whose_table_can_not_be_made_again_is_found() -> None:
    with pytest.raises(SimulationFailed, match=r"a table is the fold of the journals.*drifting_v1"):
        simulate(Plant, views=[Drifting], commands=grow, seeds=2, minutes=0.5, faults=NO_FAULTS)


def test_an_entity_that_keeps_the_rules_passes() -> None:
    done = simulate(Plant, commands=grow, records=lambda command: True, seeds=2, minutes=3)
    assert [run.seed for run in done.runs] == [0, 1]
    assert done.acknowledged > 100


def test_state_that_no_event_accounts_for_is_found() -> None:
    with pytest.raises(SimulationFailed, match="state is the fold of the journal"):
        simulate(Forgetful, commands=grow, seeds=1, minutes=2)


def test_an_acknowledgement_without_an_event_is_found() -> None:
    with pytest.raises(SimulationFailed, match="what is acknowledged is in the journal"):
        simulate(Liar, commands=grow, records=lambda command: True, seeds=1, minutes=2)


def test_an_invariant_is_held_against_every_state() -> None:
    def small(entity: str, state: PlantState) -> None:
        assert state.height < 50, f"{state.height} is too high"

    with pytest.raises(SimulationFailed, match="too high") as failed:
        simulate(Plant, commands=grow, invariant=small, seeds=1, minutes=5, faults=NO_FAULTS)
    assert "replay it: simulate(..., seeds=[0])" in str(failed.value)
    assert any("committed" in line for line in failed.value.run.timeline.lines())


def test_a_failing_seed_fails_again_in_the_same_way() -> None:
    def fail(seeds: list[int]) -> SimulationFailed:
        with pytest.raises(SimulationFailed) as failed:
            simulate(Forgetful, commands=grow, seeds=seeds, minutes=2)
        return failed.value

    first = fail([0, 1, 2])
    again = fail([first.run.seed])
    assert again.run.timeline.lines() == first.run.timeline.lines()


def test_commands_may_depend_on_the_user() -> None:
    users: set[str] = set()

    def command(draw: Any, user: str) -> Grow:
        users.add(user)
        return grow(draw)

    simulate(Plant, commands=command, seeds=1, minutes=1, clients=3)
    assert users == {"user1", "user2", "user3"}


class Locked(Plant):
    def handle(self, message: Grow) -> int:
        raise Refused("plant.locked", status=409)


def test_a_world_in_which_nothing_was_acknowledged_fails() -> None:
    with pytest.raises(SimulationFailed, match=r"1 or more commands are acknowledged: 0 were; refused: \d+ × .*locked"):
        simulate(Locked, commands=grow, seeds=2, minutes=1, faults=NO_FAULTS)
    assert simulate(Locked, commands=grow, seeds=1, minutes=1, faults=NO_FAULTS, acknowledged_min=0).acknowledged == 0


class Choosy(Plant):
    """Refuses two things by name, one of them in many words, and shows the rest to a user."""

    def handle(self, message: Grow) -> int:
        if message.by == 1:
            raise Refused("plant.too_little", f"{self.state.height} is its height", status=409)
        if message.by == 2:
            raise Refused("plant.unlucky", status=409)
        self.notify("ann", {"by": message.by})
        return super().handle(message)


def test_the_summary_counts_refusals_by_name_and_users_are_notified_without_naming_their_session() -> None:
    done = simulate(Choosy, commands=grow, seeds=2, minutes=2, faults=NO_FAULTS)
    assert set(done.refusals) == {"plant.too_little", "plant.unlucky"}
    assert sum(done.refusals.values()) == sum(sum(run.refusals.values()) for run in done.runs)
    assert done.acknowledged > 20


class Prune(Ask[int], tag="plant.prune"):
    pass


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (Prune(), r"no kind has Prune\(.*\) among its `commands`; they take Grow"),
        (None, "no kind has None among its `commands`"),
        (("tree:1", Grow(by=1)), "tree:1 does not take Grow, which is a command of plant"),
        (("plant:", Grow(by=1)), "not kind:key"),
    ],
)
def test_what_is_no_command_is_named(given: Any, says: str) -> None:
    with pytest.raises(BadCommand, match=says):
        simulate(Plant, commands=lambda draw: given, seeds=1, minutes=1)


def test_commands_may_say_whom_they_are_for_and_see_the_time() -> None:
    times: list[float] = []

    def command(draw: Any, user: str, world: Moment) -> tuple[str, Grow]:
        times.append(world.now)
        return f"plant:{user}", grow(draw)

    def own(entity: str, state: PlantState) -> None:
        assert entity.startswith("plant:user")

    simulate(Plant, commands=command, invariant=own, seeds=1, minutes=2, clients=2)
    assert times == sorted(times) and 60 < times[-1] - times[0] < 150
    assert datetime.fromtimestamp(times[0], UTC).year == 2025


def test_the_example_in_the_docs_passes(tmp_path: Path) -> None:
    assert write_blocks("simulation.md", tmp_path) == ["test_till.py"]
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    root = Path(__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."],
        cwd=tmp_path,
        env={"PYTHONPATH": str(root), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"1 passed|^\. ", run.stdout), run.stdout
