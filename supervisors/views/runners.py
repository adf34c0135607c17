"""The runners of a node: one for each table of a view whose code this release has, begun and ended as the rows say.

Rows of versions are read each second, which is how nodes hear of one another's: that one is paused, that another has
taken its place, that a table is gone. Each table has a supervisor of its own: a fault in one view is nobody else's.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property

import structlog
import trio
from msgspec.structs import replace

from greenroom.actors.life.turn import Turn
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.sinks.installed import InstalledSink, Sinks
from greenroom.actors.views.changes import Changes
from greenroom.actors.views.installed import Installed, Views
from greenroom.config.telemetry.instruments import Instruments
from greenroom.store.errors import OutcomeLost, StoreUnavailable
from greenroom.store.journal.records import Append
from greenroom.store.views.shape import Shape
from greenroom.store.views.store import Version
from greenroom.store.views.stores import Stores
from greenroom.store.views.wanted import Wanted
from greenroom.supervisors.supervision.backoff import NewBackoff
from greenroom.supervisors.supervision.strategy import (
    ChildSpec,
    Restart,
    RestartIntensity,
    Strategy,
    SupervisorSpec,
)
from greenroom.supervisors.supervision.supervise import SupervisorGaveUp, supervise
from greenroom.supervisors.views.abandoned import Abandoned, kept_up
from greenroom.supervisors.views.follower import Follower
from greenroom.supervisors.views.hints import Hints
from greenroom.supervisors.views.inline import InlineViews
from greenroom.supervisors.views.runner import Runner
from greenroom.supervisors.views.stopwatch import STOPWATCH, Stopwatch
from greenroom.supervisors.views.sweep import Sweep
from greenroom.supervisors.views.switching import Switching

log = structlog.get_logger("greenroom.views")

LOOK_S = 1.0  # between two readings of the rows of versions
NO_ROWS = Shape(())  # of a sink
REST_S = 10.0  # a table whose runner has crashed too often is left alone for so long


class Filled:
    """A table that is kept up here."""

    def __init__(self, runner: Follower, sweep: Sweep) -> None:
        self.runner = runner
        self.sweep = sweep
        self.scope = trio.CancelScope()
        self.has_ended = trio.Event()


class Runners:
    """A supervised child: `run`. `install` comes before it, and `committed` is what the committer tells."""

    def __init__(
        self,
        views: Views,
        stores: Stores,
        *,
        kinds: Kinds,
        owned: Callable[[], Collection[int] | None],
        turn: Turn,
        now: Callable[[], float],  # Unix seconds
        new_backoff: NewBackoff,
        instruments: Instruments,
        changed: Callable[[Changes], None] | None = None,
        unsure: Callable[[str], None] | None = None,
        learned: Callable[[Iterable[Version]], None] | None = None,
        sinks: Sinks | None = None,
        deliverer: Callable[["Runners", Version], Follower] | None = None,
        stopwatch: Stopwatch = STOPWATCH,
        statement_s: float = 10.0,
    ) -> None:
        """`owned`: the shards of this node, see Ownership; `changed` and `unsure`: see
        Runner. `learned` hears which versions there are, once the runners know. `sinks`: beside the views; what
        delivers to a version of one is made by `deliverer`. `statement_s`: the longest that a statement may take."""
        self.hints = Hints(kinds)
        self.inline = InlineViews(
            views,
            stores.inline,
            turn=turn,
            instruments=instruments,
            changed=changed or (lambda changes: None),
            unsure=unsure or (lambda view: None),
            statement_s=statement_s,
        )
        self.store = stores.rows
        self.versions = stores.versions
        self.progress = stores.progress
        self.filled: dict[int, Filled] = {}  # by the id of the table's row
        self.known: list[Version] = []  # all there are, as last read
        self._views = views
        self._sinks: Sinks | tuple[()] = sinks if sinks is not None else ()
        self._deliverer = deliverer
        self._stopwatch = stopwatch
        self._owned = owned
        self.turn = turn
        self._now = now
        self._new_backoff = new_backoff
        self._instruments = instruments
        self._changed = changed
        self._unsure = unsure
        self._learned = learned or (lambda versions: None)
        self._look_now = trio.Event()
        self._statement_s = statement_s
        self.history: str | None = None  # of the database, as last heard; None: not yet
        self._homeless: set[str] = set()  # views without code that were told of
        self._abandoned = Abandoned()
        self._releases: dict[str, dict[str, int]] = {}  # of nodes that are up: by digest, views with their versions

    async def install(self) -> None:
        """Have a table for each view of this release; a sink has none. Raises: StoreUnavailable, ViewRefused."""
        await self.versions.install([*wanted_of(self._views), *wanted_of_sinks(self._sinks)])
        self.known = await self.versions.all()
        self.inline.learn(self.known)
        self._learned(self.known)

    def committed(self, landed: Sequence[tuple[str, Append]]) -> None:
        """These appends of these entities have landed. Never waits, and never raises."""
        self.inline.landed(landed)
        self.hints.committed(landed)

    def history_changed(self, lineage: str) -> None:
        """The database has that history. After a failover it may lack what was folded, and not its events: those of
        entities that record nothing more are found by sweeps. Never waits, and never raises."""
        self.history = lineage

    async def rebuild(self, name: str) -> Version:
        """See Versions. Raises: KeyError for no view of this release; ViewRefused, StoreUnavailable."""
        (wanted,) = wanted_of([self._views[name]])
        made = await self.versions.rebuild(wanted)
        self.look_soon()
        return made

    def look_soon(self) -> None:
        """The rows of versions have changed."""
        self._look_now.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the tables up until cancelled. A store that is away leaves everything as it is."""
        self.filled = {}
        async with trio.open_nursery() as nursery:  # owner: this call; a table's crash stays with its supervisor
            self._see(self.known, nursery)
            await nursery.start(self.inline.run)
            task_status.started()
            while True:
                try:
                    found = await self.versions.releases(self._releases.keys())
                    self._releases = {
                        digest: self._releases.get(digest, {}) if views is None else views
                        for digest, views in found.items()
                    }
                    kept = kept_up([*self._releases.values(), self._versions_here])
                    self.known = [
                        replace(one, is_kept_up=(one.name, one.version) in kept) for one in await self.versions.all()
                    ]
                    self._see(self.known, nursery)
                    for one in self._abandoned.look(self.known, kept, trio.current_time()):
                        if await self.versions.give_up(one):
                            log.warning("view_abandoned", view=one.name, version=one.version, build=one.build)
                except (StoreUnavailable, OutcomeLost) as error:  # what came of it the next look says
                    log.debug("views_not_looked_up", error=str(error))
                with trio.move_on_after(LOOK_S):
                    await self._look_now.wait()
                self._look_now = trio.Event()

    def _see(self, known: Sequence[Version], nursery: trio.Nursery) -> None:
        digests = self._digests
        to_fill = {one.id: one for one in to_be_filled(known, digests)}
        ending: dict[int, trio.Event] = {}
        for id_, filled in list(self.filled.items()):
            version = to_fill.get(id_)
            if version is None or _is_begun_anew(filled.runner.version, version):
                filled.scope.cancel()
                del self.filled[id_]
                ending[id_] = filled.has_ended
            else:
                filled.runner.see(version)
        for id_, version in to_fill.items():
            if id_ not in self.filled:
                self.filled[id_] = filled = self._filling(version)
                nursery.start_soon(self._keep, filled, ending.get(id_))
        for filled in self.filled.values():
            version = filled.runner.version
            filled.runner.is_mixed = any(
                views.get(version.name) != version.version for views in self._releases.values()
            )
        self._tell_homeless(known)
        self.inline.learn(known)
        self._learned(known)

    @cached_property
    def _versions_here(self) -> dict[str, int]:
        return {name: version for name, (version, _) in self._digests.items()}

    @cached_property
    def _digests(self) -> dict[str, tuple[int, str]]:
        """Of views and sinks by name: the version that this release's code has, and the digest of its rows."""
        sinks = {one.name: (one.version, NO_ROWS.digest) for one in self._sinks}
        return {one.name: (one.version, one.shape.digest) for one in self._views} | sinks

    def _filling(self, version: Version) -> Filled:
        if version.kind == "sink":
            assert self._deliverer is not None
            deliverer = self._deliverer(self, version)
            return Filled(deliverer, self._sweep(deliverer))
        runner = Runner(
            self._views[version.name],
            version,
            self.store,
            turn=self.turn,
            new_backoff=self._new_backoff,
            instruments=self._instruments,
            changed=self._changed,
            unsure=self._unsure,
            now=self._now,
            stopwatch=self._stopwatch,
        )
        return Filled(runner, self._sweep(runner))

    def _sweep(self, follower: Follower) -> Sweep:
        return Sweep(
            follower,
            self.store,
            shards=self._owned,
            history=lambda: self.history,
            stopwatch=self._stopwatch,
            statement_s=self._statement_s,
        )

    async def _keep(self, filled: Filled, former: trio.Event | None) -> None:
        """Once the `former` one of the same table has ended: a sink's would settle what this one has claimed."""
        runner, sweep = filled.runner, filled.sweep
        version = runner.version
        switching = Switching(
            runner,
            sweep,
            versions=self.versions,
            progress=self.progress,
            switched=self.look_soon,
        )
        spec = SupervisorSpec(
            name=f"view {version.name} {version.version}.{version.build}",
            strategy=Strategy.ONE_FOR_ONE,  # each finds in the rows what the others did
            intensity=RestartIntensity(restarts_max=10, window_s=10.0),
            children=(
                ChildSpec(name="runner", start=runner.run, shutdown_s=2.0),
                ChildSpec(name="sweep", start=sweep.run, shutdown_s=1.0),
                ChildSpec(name="switching", start=switching.run, shutdown_s=1.0, restart=Restart.TRANSIENT),
            ),
        )
        self.hints.listen(runner.installed.kinds, runner.backlog, version.id)
        try:
            with filled.scope:
                if former is not None:
                    await former.wait()
                while True:
                    try:
                        await supervise(spec, backoff=self._new_backoff)
                    except SupervisorGaveUp as error:
                        log.error("view_given_up", view=version.name, version=version.version, error=str(error))
                        await trio.sleep(REST_S)
        finally:
            self.hints.leave(runner.installed.kinds, runner.backlog)
            if former is not None:
                with trio.CancelScope(shield=True):  # it is being ended, within its `shutdown_s`
                    await former.wait()
            filled.has_ended.set()

    def _tell_homeless(self, known: Iterable[Version]) -> None:
        """Nobody goes on with these here, and retention keeps what they have not folded."""
        for version in known:
            if version.name not in self._digests and version.name not in self._homeless:
                self._homeless.add(version.name)
                log.warning("view_without_code", view=version.name, version=version.version)


def _is_begun_anew(before: Version, now: Version) -> bool:
    """Another table; or the same that is to catch up once more, as after a failover that has lost its switch, or by a
    release that is taken back. Then all of it is to be looked at, and whoever was to switch it is through with that."""
    return before.identity != now.identity or (now.state == "filling" and before.state != "filling")


def wanted_of(views: Iterable[Installed]) -> list[Wanted]:
    """These, as they are to be stored."""
    return [Wanted(one.name, one.version, one.shape, one.kinds, one.seeds) for one in views]


def wanted_of_sinks(sinks: Iterable[InstalledSink]) -> list[Wanted]:
    """These, likewise. They have no rows."""
    return [
        Wanted(
            one.name,
            one.version,
            NO_ROWS,
            one.kinds,
            one.sink.since != "first",
            kind="sink",
            from_now=one.sink.since == "now",
        )
        for one in sinks
    ]


def to_be_filled(known: Iterable[Version], digests: Mapping[str, tuple[int, str]]) -> list[Version]:
    """The tables that this release's code goes on with: of its own version those that are live or being filled. One
    that is old already only where there is no other, until the next start has it filled again."""
    of_version: dict[str, list[Version]] = {}
    for version in known:
        if digests.get(version.name) == (version.version, version.shape.digest):
            of_version.setdefault(version.name, []).append(version)
    found: list[Version] = []
    for versions in of_version.values():
        present = [one for one in versions if one.state != "old"]
        found += present or [max(versions, key=lambda one: one.build)]
    return found
