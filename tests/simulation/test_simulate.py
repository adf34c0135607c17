"""What a writer of an entity calls: it passes what is right, and shows what is wrong with a way to see it again."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from greenroom import Actor, Ask, Event
from greenroom.testing import NO_FAULTS, SimulationFailed, simulate
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


def grow(draw: Any) -> Grow:
    return Grow(by=draw.randint(1, 9))


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
