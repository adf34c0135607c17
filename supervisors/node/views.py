"""Views and sinks of a node: what reads them, what shows them live, and what keeps them up. Whichever there are."""

from collections.abc import Callable

from greenroom.actors.life.turn import Turn
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.sinks.installed import Sinks
from greenroom.actors.views.installed import Views
from greenroom.config.settings import Settings
from greenroom.config.telemetry.instruments import Instruments
from greenroom.store.postgres.pool import Pool
from greenroom.store.views.claims import PostgresClaims
from greenroom.store.views.reading import Reading
from greenroom.store.views.store_postgres import postgres_stores
from greenroom.supervisors.cluster.membership import Membership
from greenroom.supervisors.correspondence.correspondence import Correspondence
from greenroom.supervisors.kernel.kernel import Kernel
from greenroom.supervisors.sinks.deliverer import delivering_to
from greenroom.supervisors.supervision.backoff import new_backoff
from greenroom.supervisors.supervision.strategy import ChildSpec
from greenroom.supervisors.views.pages import Nobody
from greenroom.supervisors.views.runners import Runners, wanted_of, wanted_of_sinks
from greenroom.supervisors.views.shown import ShownViews, reader_of


class NodeViews:
    """`reader`, `shown` and `runners` are None where there is nothing for them; `wanted` is what the code has."""

    def __init__(
        self,
        views: Views | None,
        sinks: Sinks | None,
        *,
        settings: Settings,
        kinds: Kinds,
        pool: Pool,
        membership: Membership,
        others: Correspondence | None,
        kernel: Callable[[], Kernel],
        turn: Turn,
        clock: Callable[[], float],
        instruments: Instruments,
    ) -> None:
        incarnation, connections = membership.incarnation, settings.store.connections
        self.wanted = (*wanted_of(views or ()), *wanted_of_sinks(sinks or ()))
        self.reader = reader_of(views, kinds, Reading(pool.fetch), connections=connections) if views else None
        self.shown: ShownViews | None = None
        if self.reader is not None:
            self.shown = ShownViews(
                self.reader,
                kernel=kernel,
                ownership=membership,
                elsewhere=others.pages if others is not None else Nobody(),
                node=incarnation,
            )
            if others is not None:
                others.pages.here = self.shown.pages
        shown = self.shown
        self.runners: Runners | None = None
        if views or sinks:
            self.runners = Runners(
                views if views is not None else Views(kinds),
                postgres_stores(pool, shards=settings.shards),
                kinds=kinds,
                owned=membership.shards,
                turn=turn,
                now=clock,
                new_backoff=new_backoff,
                instruments=instruments,
                changed=shown.pages.changed if shown is not None else None,
                unsure=shown.pages.may_differ if shown is not None else None,
                learned=shown.learn if shown is not None else None,
                sinks=sinks,
                deliverer=delivering_to(
                    sinks,
                    PostgresClaims(pool, incarnation=incarnation),
                    config=settings.sink,
                    instruments=instruments,
                    new_backoff=new_backoff,
                    now=clock,
                )
                if sinks
                else None,
                statement_s=settings.store.statement_timeout_s,
            )

    @property
    def children(self) -> tuple[ChildSpec, ...]:
        """What they need beside the entities, each by itself."""
        runners, shown = self.runners, self.shown
        kept = [ChildSpec(name="views", start=runners.run, shutdown_s=3.0)] if runners is not None else []
        if shown is not None:
            kept.append(ChildSpec(name="pages", start=shown.pages.run, shutdown_s=1.0))
        return tuple(kept)

    async def install(self) -> None:
        """Raises: StoreUnavailable; ViewRefused when a view does not fit what is stored."""
        if self.runners is not None:
            await self.runners.install()
