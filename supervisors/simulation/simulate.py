"""`simulate`: run a world under many seeds, and say which of them showed something wrong.

from greenroom.supervisors.simulation import simulate

def test_the_counter_counts() -> None:
    simulate(Counter, commands=lambda draw: Add(amount=draw.randint(1, 9)), seeds=20)
"""

import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from random import Random
from time import perf_counter
from typing import Any

import structlog
import trio
from msgspec import Struct, field

from greenroom.actors.model.actor import Actor
from greenroom.actors.model.entity import BadEntity, split_entity
from greenroom.actors.model.message import Message
from greenroom.actors.testing.sessions import with_sessions
from greenroom.actors.views.page import ALL
from greenroom.actors.views.view import View
from greenroom.supervisors.simulation.client import Waited, Work
from greenroom.supervisors.simulation.database import ALL_GUARDS, Guards
from greenroom.supervisors.simulation.faults import Faults
from greenroom.supervisors.simulation.node import STARTED
from greenroom.supervisors.simulation.play import play
from greenroom.supervisors.simulation.schedule import Schedule
from greenroom.supervisors.simulation.timeline import Timeline
from greenroom.supervisors.simulation.troubles import Trouble, at_random
from greenroom.supervisors.simulation.world import Scenario, World

LINES_SHOWN = 60  # lines of the timeline shown with a failure


class Run(Struct, kw_only=True):
    """What became of one seed."""

    seed: int
    violations: list[str]
    trace: int  # equal for equal runs
    steps: int  # steps that tasks took
    acknowledged: int  # commands
    refusals: dict[str, int]  # how many commands were refused for good, by what was said
    seen: int  # publications, by all subscribers
    waited: list[Waited]  # by those who were acknowledged
    lost: int  # events, by failovers
    excused: int  # acknowledgements of those
    seconds: float  # real ones
    timeline: Timeline
    faults: Faults


class SimulationFailed(AssertionError):
    """A seed showed a violation. `run.timeline` has everything that led to it."""

    def __init__(self, run: Run) -> None:
        self.run = run
        shown = "\n".join(run.timeline.lines(LINES_SHOWN))
        super().__init__(
            f"seed {run.seed}: {run.violations[0]}\nreplay it: simulate(..., seeds=[{run.seed}])\n"
            f"the last that happened:\n{shown}"
        )


class BadCommand(TypeError):
    """What `commands` gave is no command of the entities under test. The text says what it gave and what they take."""


class Moment(Struct, frozen=True):
    """What `commands` may know of the world."""

    now: float  # Unix s, by a clock that is right; those of nodes may be a little off


class Summary(Struct):
    """What all seeds had in common: no violation."""

    runs: list[Run] = field(default_factory=list)

    @property
    def acknowledged(self) -> int:
        return sum(run.acknowledged for run in self.runs)

    @property
    def refusals(self) -> dict[str, int]:
        """How many commands were refused for good, by the error's name."""
        return _sum({said.partition(":")[0]: count} for run in self.runs for said, count in run.refusals.items())


def run_seed(
    scenario: Scenario,
    seed: int,
    *,
    minutes: float = 10.0,
    faults: Faults | None = None,
    guards: Guards = ALL_GUARDS,
    swarm: bool = True,
    nodes: int = 1,
    trouble: Trouble | None = None,
) -> Run:
    """One world of so many nodes. With `swarm`, the seed also chooses which of the faults there are. `trouble` is what
    happens in it; None: at random whatever the faults have, for so many `minutes`. Never raises for a violation."""
    faults = faults or Faults()
    if swarm:
        faults = faults.swarm(Random(f"faults {seed}"))
    schedule = Schedule(seed)
    world = World(scenario, schedule=schedule, faults=faults, guards=guards, nodes=nodes)
    started = perf_counter()
    with _logs_in(world), scenario.around():
        schedule.run(play, world, trouble or at_random(minutes * 60))
    return Run(
        seed=seed,
        violations=world.checker.violations,
        trace=schedule.trace,
        steps=schedule.steps,
        acknowledged=world.checker.acknowledged,
        refusals=_sum(client.refusals for client in world.clients),
        seen=world.checker.seen,
        waited=[one for client in world.clients for one in client.waited],
        lost=world.checker.lost,
        excused=world.checker.excused,
        seconds=perf_counter() - started,
        timeline=world.timeline,
        faults=faults,
    )


def simulate(
    *entities: type[Actor[object]],
    views: Iterable[type[View]] = (),
    pages: Iterable[str] = (),
    commands: Callable[..., Message | tuple[str, Message]],
    keys: int = 2,
    records: Callable[[Message], bool] = lambda message: False,
    invariant: Callable[[str, Any], None] | None = None,
    unfinished: Callable[[dict[str, Any]], list[str]] = lambda states: [],
    seeds: int | Iterable[int] = 20,
    minutes: float = 10.0,
    clients: int = 4,
    pace_s: float = 3.0,
    faults: Faults | None = None,
    nodes: int = 1,
    acknowledged_min: int = 1,
) -> Summary:
    """Run `entities` under `seeds` and faults. Raises: SimulationFailed with the first seed that shows a violation.

    The built-in kind `session`, which `notify` tells, is there too. The summary says how many commands were
    acknowledged and, by the error's name, refused.

    `commands(draw)`, `commands(draw, user)` or `commands(draw, user, world)` makes a client's next command: a message,
    for one of the `keys` entities of the first kind that takes it, or with the entity it is for, `("till:ann", Pay())`.
    All chance must come from `draw`, a random.Random; `world.now` is the Unix time. Raises: BadCommand for one that no
    kind takes. All seeds together must have `acknowledged_min` commands acknowledged, else nothing was tried, and the
    last seed fails; 0 asks for none. `records(message)` says that every
    success of this command records an event, so that the acknowledgement of one without is a violation too.
    `invariant(entity, state)` raises AssertionError when a state is wrong; it sees the state after every event.
    `unfinished(states)` says what is left to do once faults have stopped, or was done wrong, given the states of all
    durable entities by name; it is asked until it has nothing to say. `seeds` is how many, from 0 on, or which;
    `minutes` are virtual. `nodes`: how many share the database; clients connect to any of them. `views`: over what the
    entities record; each table must be the fold of the journals, whenever it is looked at. `pages`: those that clients
    watch too, "standings:1"; where a view has one page alone, they do without.
    """
    arguments = len(inspect.signature(commands).parameters)
    mistakes: list[BadCommand] = []

    def work(draw: Random, user: str) -> Work:
        world = Moment(now=STARTED + trio.current_time())
        given = commands(*(draw, user, world)[:arguments])
        try:
            return _work(entities, given, draw, keys)
        except BadCommand as error:
            mistakes.append(error)
            raise

    views = tuple(views)
    scenario = Scenario(
        kinds=with_sessions(entities),
        views=views,
        channels=(
            *(f"{kind.kind}:{number}" for kind in entities for number in range(1, keys + 1)),
            *(f"{view.name}:{ALL}" for view in views if view.watch is not None and not view.watch.by),
            *pages,
        ),
        work=work,
        records=records,
        invariant=invariant,
        unfinished=unfinished,
        clients=clients,
        pace_s=pace_s,
    )
    summary = Summary()
    for seed in range(seeds) if isinstance(seeds, int) else seeds:
        try:
            run = run_seed(scenario, seed, minutes=minutes, faults=faults, nodes=nodes)
        except BaseExceptionGroup:  # what tasks of that world raised
            if mistakes:
                raise mistakes[0] from None
            raise
        if run.violations:
            raise SimulationFailed(run)
        summary.runs.append(run)
    if summary.runs and summary.acknowledged < acknowledged_min:
        refusals = _sum(run.refusals for run in summary.runs)
        shown = ", ".join(f"{count} × {said}" for said, count in sorted(refusals.items())) or "none"
        last = summary.runs[-1]
        rule = f"{acknowledged_min} or more commands are acknowledged"
        last.violations.append(f"{rule}: {summary.acknowledged} were; refused: {shown}")
        raise SimulationFailed(last)
    return summary


def _work(
    entities: tuple[type[Actor[object]], ...], given: Message | tuple[str, Message], draw: Random, keys: int
) -> Work:
    """Raises: BadCommand."""
    entity, message = given if isinstance(given, tuple) else ("", given)
    takers = [kind.kind for kind in entities if type(message) in kind.commands]
    if not takers:
        taken = ", ".join(command.__qualname__ for kind in entities for command in kind.commands)
        raise BadCommand(f"no kind has {message!r:.120} among its `commands`; they take {taken}")
    if not entity:
        return Work(f"{takers[0]}:{draw.randint(1, keys)}", message)
    try:
        kind, _ = split_entity(entity)
    except BadEntity as error:
        raise BadCommand(str(error)) from None
    if kind not in takers:
        raise BadCommand(f"{entity} does not take {type(message).__qualname__}, which is a command of {takers[0]}")
    return Work(entity, message)


def _sum(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for one in counts:
        for name, count in one.items():
            total[name] = total.get(name, 0) + count
    return total


ERRORS = frozenset({"error", "critical", "exception"})
EXPECTED = frozenset({"dead_letter", "entity_failed", "view_parked"})  # code of the scenario raised; it may mean it
STOOD_STILL = "child_overdue"  # of a node's workers, where it stood still while they were to end
EXPECTED_OF_SEVERAL = frozenset({"node_declared_dead"})
AFTER_A_FAILOVER = frozenset({"journal_lost_tail", "database_history_changed"})


@contextmanager
def _logs_in(world: World) -> Iterator[None]:
    """What nodes log goes into the timeline. An error of the runtime's own is a violation."""
    is_shared = world.nodes_wanted > 1

    def take(_: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
        name = event.pop("event", "")
        error = event.pop("exc_info", None)
        world.timeline.note(f"log: {name}", *(f"{key}={value}" for key, value in event.items()))
        expected = (
            name in EXPECTED
            or (name == STOOD_STILL and world.jobs is not None)
            or (is_shared and name in EXPECTED_OF_SEVERAL)
        )
        expected = expected or (name in AFTER_A_FAILOVER and world.checker.failovers > 0)
        if (method in ERRORS and not expected) or isinstance(error, AssertionError):
            world.checker.violated("nodes log no errors of their own", name, event, repr(error) if error else "")
        raise structlog.DropEvent

    processors = structlog.get_config()["processors"]
    before = processors[:]
    processors[:] = [take]  # in place: loggers that were used before hold on to the list
    try:
        yield
    finally:
        processors[:] = before
