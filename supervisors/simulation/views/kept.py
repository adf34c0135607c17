"""Views on one simulated node: read, watched and kept up as on a real one, over statements that may be lost."""

from collections.abc import Callable, Iterable
from random import Random
from types import new_class

import trio
from msgspec import Struct

from greenroom.actors.life.turn import Turn
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.schema.knowledge import digest_of, knowledge_of, to_json
from greenroom.actors.views.installed import Views
from greenroom.actors.views.view import View
from greenroom.config.telemetry.instruments import Instruments
from greenroom.store.errors import OutcomeLost, StoreUnavailable
from greenroom.supervisors.kernel.kernel import Kernel
from greenroom.supervisors.kernel.ownership import Ownership
from greenroom.supervisors.simulation.database import Database, Port
from greenroom.supervisors.simulation.views.statements import SimulatedReading, Way, simulated_stores
from greenroom.supervisors.supervision.backoff import Backoff
from greenroom.supervisors.views.pages import Elsewhere
from greenroom.supervisors.views.runners import Runners
from greenroom.supervisors.views.shown import ShownViews, reader_of
from greenroom.supervisors.views.stopwatch import Stopwatch

STEP_S = 0.004  # what a stretch of folding takes at most, as the seed has it
RETRY_S = 1.0  # before what could not be installed is tried again


class Release(Struct, frozen=True):
    """The views that a node has, and what it says of what it knows."""

    number: int
    views: tuple[type[View], ...]
    knowledge: str
    digest: str


def release(number: int, kinds: Kinds, views: Iterable[type[View]]) -> Release:
    """That of the views' version of that number. Rows and folds are the same in all of them."""
    versions = tuple(_version(view, number) for view in views)
    knowledge = to_json(knowledge_of(list(kinds), list(Views(kinds, versions)), []))
    return Release(number, versions, knowledge, digest_of(knowledge))


def _version(view: type[View], number: int) -> type[View]:
    made: type[View] = new_class(view.__name__, (view,), {"version": number, "name": view.name})
    return made


class KeptViews:
    """Of one node."""

    def __init__(self, release: Release, database: Database, port: Port, kinds: Kinds, draw: Random) -> None:
        """Pages of those that can be watched are installed among `kinds`."""
        self.release = release
        self.turn = Turn()
        self.views = Views(kinds, release.views)
        way = Way(database, port)
        self.reader = reader_of(self.views, kinds, SimulatedReading(way))
        self._kinds = kinds
        self._stores = simulated_stores(way)
        self._draw = draw
        self._worked_s = 0.0
        self.shown: ShownViews
        self.runners: Runners

    def live_on(
        self,
        *,
        kernel: Callable[[], Kernel],
        ownership: Ownership,
        elsewhere: Elsewhere,
        node: int,
        clock: Callable[[], float],
        instruments: Instruments,
    ) -> None:
        """See ShownViews and Runners."""
        self.shown = ShownViews(self.reader, kernel=kernel, ownership=ownership, elsewhere=elsewhere, node=node)
        self.runners = Runners(
            self.views,
            self._stores,
            kinds=self._kinds,
            owned=ownership.shards,
            turn=self.turn,
            now=clock,
            new_backoff=lambda: Backoff(random=self._draw, first_s=0.05, max_s=2.0),
            instruments=instruments,
            changed=self.shown.pages.changed,
            unsure=self.shown.pages.may_differ,
            learned=self.shown.learn,
            stopwatch=Stopwatch(elapsed=trio.current_time, cpu=self._worked),
        )

    def _worked(self) -> float:
        """Folding takes no time in a simulated world; by the seed it seems to."""
        self._worked_s += self._draw.uniform(0.0, STEP_S)
        return self._worked_s

    async def install(self) -> None:
        """As a process that can't start is started again until it can. Raises: ViewRefused."""
        while True:
            try:
                await self.runners.install()
            except (StoreUnavailable, OutcomeLost):
                await trio.sleep(RETRY_S)
            else:
                return
